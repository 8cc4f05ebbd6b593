"""Certificates: every link of the chain rule, on every op alone and every network."""

from backproof.reference.findings import KnownFinding
from backproof.report.cells import Cell
from backproof.running.certificates import Certificates, check_certificate


def test_op(
    implementation: str,
    precision: str,
    op_case: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    reproduce: str,
) -> None:
    """Every op alone, with every option, is right at ordinary points and at special ones."""
    check_certificate(
        implementation, precision, op_case, seed, certificates, known, cell, reproduce
    )


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
