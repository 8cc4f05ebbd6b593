"""The same adapters under their frameworks' transformations: compiled, mapped, recomputed."""

from collections.abc import Callable

import pytest

from reference.findings import KnownFinding
from reference.numbers.precision import PRECISIONS
from reference.verdict.certificate import Replay, certify
from reference.verdict.diagnosis import diagnose
from reference.verdict.faults import catalogue
from reference.verdict.recomputed import recomputed
from reference.verdict.sensitivity import held_to_each_other
from tests.report.cells import VARIANTS, Cell
from tests.verification.certificates import in_precision, traced
from tests.verification.runs import Runs as Implementations
from tests.verification.settle import settle
from tests.verification.variants import COMPILED, VARIED


def test_variant(
    variant: str,
    varied: str,
    precision: str,
    runs: Implementations,
    known: tuple[KnownFinding, ...],
    new_cell: Callable[..., Cell],
    request: pytest.FixtureRequest,
) -> None:
    """Every link is inside, with probes and without; compiled twice, both are held together."""
    cell = new_cell(varied, variant, precision, VARIANTS)
    network = VARIED[varied](runs.adapter(variant).unsupported)
    leaves, shapes = in_precision(network, precision)
    trace, plain = traced(runs, variant, network, leaves, shapes)
    certificate = certify(network, leaves, trace, precision, plain)
    replay = Replay(network, leaves, trace, PRECISIONS[precision], plain)
    if variant in COMPILED:
        certificate = held_to_each_other(recomputed(certificate, replay), replay)

    def explain() -> str:
        found = diagnose(replay, certificate, catalogue(network).values())
        return "\n".join(f"diagnosis: {one}" for one in found)

    settle(certificate, cell, known, f"pytest '{request.node.nodeid}'", explain)
