"""Certificates: every link of the chain rule, on every op alone and every network."""

import pytest

from reference.findings import KnownFinding
from tests.report.cells import Cell
from tests.verification.certificates import Certificates
from tests.verification.settle import settle


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
    """Certify a run, with probes and without."""
    certificate = certificates.of(implementation, case, precision, seed)
    cell.digits = certificates.digits(implementation, case, precision, seed)
    settle(
        certificate,
        cell,
        known,
        certificates.command(implementation, request.node.nodeid),
        lambda: certificates.explanation(implementation, case, precision, seed, certificate),
    )
