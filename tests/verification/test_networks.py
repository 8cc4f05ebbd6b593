"""Certificates: every link of the chain rule, on every op alone and every network."""

import pytest

from reference.findings import KnownFinding, compare, recorded_of
from tests.report import Cell, RefutedError
from tests.verification.certificates import Certificates


def test_op(
    implementation: str,
    precision: str,
    alone: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    request: pytest.FixtureRequest,
) -> None:
    """Every op alone, with every option, is right at ordinary points and at special ones."""
    check_certificate(implementation, precision, alone, seed, certificates, known, cell, request)


def test_certified(
    implementation: str,
    precision: str,
    case: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    request: pytest.FixtureRequest,
) -> None:
    """Every number lies in the ball that the framework's own numbers before it allow."""
    check_certificate(implementation, precision, case, seed, certificates, known, cell, request)


def check_certificate(
    implementation: str,
    precision: str,
    case: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    request: pytest.FixtureRequest,
) -> None:
    """Certify a run. What is not inside must be a recorded finding, and what is recorded seen."""
    certificate = certificates.of(implementation, case, precision, seed)
    cell.links, cell.inside = len(certificate.links), certificate.inside
    cell.entries, cell.share = certificate.entries, certificate.share
    cell.properties = certificate.properties
    cell.digits = certificates.digits(implementation, case, precision, seed)
    recorded = recorded_of(
        known, implementation, cell.version, case, precision, everywhere=seed == 0
    )
    found = compare(recorded, certificate.links, everywhere=seed == 0)
    if not found.new and not found.vanished:
        cell.known = tuple(finding.cause for finding in found.known)
        if cell.known:
            pytest.xfail("known: " + "; ".join(cell.known))
        return
    red = (certificate.refuted, *certificate.degraded, "all links are inside")
    first = next(str(link) for link in (*found.new, *red) if link)
    lines = [
        f"{implementation}, {case}, {precision}, seed {seed}: {first}",
        certificates.explanation(implementation, case, precision, seed, certificate),
        f"recorded as a finding, and no longer seen: {', '.join(found.vanished)}"
        if found.vanished
        else "",
        f"reproduce: {certificates.command(implementation, request.node.nodeid)}",
    ]
    raise RefutedError("\n".join(filter(None, lines)))
