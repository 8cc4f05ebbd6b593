"""Certificates: every link of the chain rule, on every op alone and every network."""

from backproof.adapters.column import Column
from backproof.reference.verdict.known.predict import Witness
from backproof.report.cells import NETWORKS, OPS_ALONE
from backproof.running.certificates import Certificates
from backproof.running.judge import Judge


def test_op(
    implementation: str,
    precision: str,
    op_case: str,
    seed: int,
    certificates: Certificates,
    judge: Judge,
) -> None:
    """Every op alone, with every option, is right at ordinary points and at special ones."""
    certify((implementation, op_case, precision, seed), OPS_ALONE, certificates, judge)


def test_certified(
    implementation: str,
    precision: str,
    case: str,
    seed: int,
    certificates: Certificates,
    judge: Judge,
) -> None:
    """Every number lies in the ball that the framework's own numbers before it allow."""
    certify((implementation, case, precision, seed), NETWORKS, certificates, judge)


def certify(
    run: tuple[str, str, str, int], group: str, certificates: Certificates, judge: Judge
) -> None:
    """Certify a run, with probes and without. run: implementation, case, precision and seed."""
    implementation, case, precision, seed = run
    cell = judge.cell(case, Column(implementation), precision, group, seed)
    certificate = certificates.of(*run)
    cell.digits = certificates.digits(*run)
    replay = certificates.replay(*run)
    judge.report_verdict(
        certificate,
        cell,
        Witness(replay),
        network=replay.network,
        explain=lambda: certificates.explanation(*run, certificate),
    )
