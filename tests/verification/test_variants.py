"""The same adapters under their frameworks' transformations: compiled, mapped, recomputed."""

from collections.abc import Callable, Mapping
from typing import Any

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.reference.backprop import backprop
from backproof.reference.findings import KnownFinding
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Replay
from backproof.reference.verdict.diagnosis import diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.passes import certify_passes
from backproof.report.cells import VARIANTS, Cell
from backproof.running.certificates import in_precision, traced
from backproof.running.implementations import Runs as Implementations
from backproof.running.report_verdict import settle
from backproof.scenarios.variants import VARIED


def halved(network: Network, leaves: Mapping[str, Array]) -> dict[str, Any]:
    """Return what a pass over half of every leaf gives: what is compiled runs on that first."""
    before = {name: a / 2 for name, a in leaves.items()}
    trace = backprop(network, before)
    return {**before, **trace.values, **{f"dE/d{k}": g for k, g in trace.gradients.items()}}


def test_variant(
    column: Column,
    varied: str,
    precision: str,
    runs: Implementations,
    known: tuple[KnownFinding, ...],
    new_cell: Callable[..., Cell],
    reproduce: str,
) -> None:
    """Every link is inside, with probes and without."""
    cell = new_cell(varied, column, precision, VARIANTS)
    network = VARIED[varied].network(unsupported=runs.adapter(column).unsupported)
    leaves, shapes = in_precision(network, precision)
    trace, plain = traced(runs, column, network, leaves, shapes)
    replay = Replay(network, leaves, trace, PRECISIONS[precision], plain)
    certificate = certify_passes(replay, compiled=traits(column).compiles_passes)

    def explain() -> str:
        found = diagnose(replay, certificate, catalogue(network, halved(network, leaves)).values())
        return "\n".join(f"diagnosis: {one}" for one in found)

    settle(certificate, cell, known, reproduce, explain)
