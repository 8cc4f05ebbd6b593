"""The same adapters under their frameworks' transformations: compiled, mapped, recomputed."""

from collections.abc import Iterable

from backproof.adapters.column import Column
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.known.predict import Witness
from backproof.report.cells import VARIANTS
from backproof.running.certificates import certified, in_precision
from backproof.running.judge import Judge
from backproof.running.variants import halved
from backproof.scenarios.variants import VARIED


def test_variant(column: Column, varied: str, precision: str, judge: Judge) -> None:
    """Every link is inside, with probes and without."""
    implementations = judge.implementations
    cell = judge.cell(varied, column, precision, VARIANTS)
    network = VARIED[varied].network(unsupported=implementations.adapter(column).unsupported)
    leaves, shapes = in_precision(network, precision)
    replay, certificate = certified(implementations, column, network, leaves, shapes)
    network = replay.network

    def explain() -> Iterable[Diagnosis]:
        return diagnose(replay, certificate, catalogue(network, halved(network, leaves)).values())

    judge.report_verdict(certificate, cell, Witness(replay), network=network, explain=explain)
