"""Certificates: every link of the chain rule, on every op alone and every network."""

from backproof.reference.findings import KnownFinding
from backproof.report.cells import Cell
from backproof.running.certificates import Certificates
from backproof.running.report_verdict import settle


def test_op(
    implementation: str,
    precision: str,
    alone: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    reproduce: str,
) -> None:
    """Every op alone, with every option, is right at ordinary points and at special ones."""
    check_certificate(implementation, precision, alone, seed, certificates, known, cell, reproduce)


def test_certified(
    implementation: str,
    precision: str,
    case: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    reproduce: str,
) -> None:
    """Every number lies in the ball that the framework's own numbers before it allow."""
    check_certificate(implementation, precision, case, seed, certificates, known, cell, reproduce)


def check_certificate(
    implementation: str,
    precision: str,
    case: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    reproduce: str,
) -> None:
    """Certify a run, with probes and without."""
    certificate = certificates.of(implementation, case, precision, seed)
    cell.digits = certificates.digits(implementation, case, precision, seed)
    settle(
        certificate,
        cell,
        known,
        reproduce,
        lambda: certificates.explanation(implementation, case, precision, seed, certificate),
    )
