"""The same adapters under their frameworks' transformations: compiled, mapped, recomputed."""

from collections.abc import Iterable

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.known.predict import Witness
from backproof.reference.verdict.passes import certify_passes
from backproof.report.cells import VARIANTS
from backproof.running.certificates import as_declared, in_precision, replayed, traced
from backproof.running.judge import Judge
from backproof.running.loss_scale import loss_scale
from backproof.running.variants import halved
from backproof.scenarios.variants import VARIED


def test_variant(column: Column, varied: str, precision: str, judge: Judge) -> None:
    """Every link is inside, with probes and without."""
    implementations = judge.implementations
    cell = judge.cell(varied, column, precision, VARIANTS)
    network = VARIED[varied].network(unsupported=implementations.adapter(column).unsupported)
    leaves, shapes = in_precision(network, precision)
    scale = loss_scale(network, leaves)
    trace, plain = traced(implementations, column, network, leaves, shapes, scale)
    network = as_declared(implementations, column, network)
    replay = replayed(network, leaves, trace, plain, scale)
    certificate = certify_passes(replay, compiled=traits(column).compiles_passes)

    def explain() -> Iterable[Diagnosis]:
        return diagnose(replay, certificate, catalogue(network, halved(network, leaves)).values())

    judge.report_verdict(certificate, cell, Witness(replay), network=network, explain=explain)
