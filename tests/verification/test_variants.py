"""The same adapters under their frameworks' transformations: compiled, mapped, recomputed."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from reference.backprop import backprop
from reference.findings import KnownFinding
from reference.network import Network
from reference.numbers.precision import PRECISIONS
from reference.ops import Array
from reference.verdict.certificate import Replay
from reference.verdict.diagnosis import diagnose
from reference.verdict.faults import catalogue
from reference.verdict.passes import certify_passes
from tests.report.cells import VARIANTS, Cell
from tests.verification.certificates import in_precision, traced
from tests.verification.runs import Runs as Implementations
from tests.verification.settle import settle
from tests.verification.variants import COMPILED, VARIED


def halved(network: Network, leaves: Mapping[str, Array]) -> dict[str, Any]:
    """Return what a pass over half of every leaf gives: what is compiled runs on that first."""
    before = {name: a / 2 for name, a in leaves.items()}
    trace = backprop(network, before)
    return {**before, **trace.values, **{f"dE/d{k}": g for k, g in trace.gradients.items()}}


def test_variant(
    variant: str,
    varied: str,
    precision: str,
    runs: Implementations,
    known: tuple[KnownFinding, ...],
    new_cell: Callable[..., Cell],
    request: pytest.FixtureRequest,
) -> None:
    """Every link is inside, with probes and without."""
    cell = new_cell(varied, variant, precision, VARIANTS)
    network = VARIED[varied](runs.adapter(variant).unsupported)
    leaves, shapes = in_precision(network, precision)
    trace, plain = traced(runs, variant, network, leaves, shapes)
    replay = Replay(network, leaves, trace, PRECISIONS[precision], plain)
    certificate = certify_passes(replay, compiled=variant in COMPILED)

    def explain() -> str:
        found = diagnose(replay, certificate, catalogue(network, halved(network, leaves)).values())
        return "\n".join(f"diagnosis: {one}" for one in found)

    settle(certificate, cell, known, f"pytest '{request.node.nodeid}'", explain)
