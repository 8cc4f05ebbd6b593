"""Forward mode and second order: every tangent, link by link, and two identities."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof.adapters.protocol import Unsupported
from backproof.reference.findings import KnownFinding
from backproof.reference.verdict.identities import adjoint, symmetry
from backproof.reference.verdict.tangents import DualTrace, certify_tangents
from backproof.report.cells import DERIVATIVES, Cell, RefutedError
from backproof.running.certificates import in_precision
from backproof.running.implementations import Runs, guarded
from backproof.running.report_verdict import settle
from backproof.scenarios.derivatives import DIFFERENTIATED, MODES, asked_of, drawn, undifferentiated
from backproof.scenarios.op_cases import OPS_ALONE
from backproof.scenarios.variants import lacking

SECOND_ORDER = ("forward-over-reverse", "reverse-over-forward", "reverse-over-reverse")
DECLARED = {
    "torch.forward-over-reverse": ("huber", "huber-delta"),
    **{
        f"jax.{mode}": ("softplus-beta", "softplus-threshold", "softplus-beta-threshold")
        for mode in MODES["jax"]
    },
}
"""Column -> ops alone that its adapter goes without; every other is certified."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize by the modes of the frameworks asked for."""
    asked = [name.strip() for name in metafunc.config.getoption("--frameworks").split(",")]
    alone = pytest.mark.skip(reason="no framework was asked for that has derivatives of its own")
    if "derived" in metafunc.fixturenames:
        none = [pytest.param("none", "none", "float64", marks=alone)]
        found = [*asked_of(asked, large=metafunc.config.getoption("--large"))]
        metafunc.parametrize(("mode", "derived", "held"), found or none)
    elif "without" in metafunc.fixturenames:
        pairs = [(c, op) for c in DECLARED if c.partition(".")[0] in asked for op in DECLARED[c]]
        none = [pytest.param("none", "none", marks=alone)]
        metafunc.parametrize(("mode", "without"), pairs or none)


def passed(runs: Runs, mode: str, derived: str, precision: str) -> tuple[Any, ...]:
    """Return a network, its leaves, and directions with what a framework computes along them.

    One direction of forward mode, two of second order.
    """
    framework, _, method = mode.partition(".")
    adapter = runs.adapter(framework)
    network = DIFFERENTIATED[derived](undifferentiated(adapter.unsupported, method))
    leaves, shapes = in_precision(network, precision)
    seeds = range(2 if method in adapter.second_order else 1)
    directions = [drawn(leaves, seed) for seed in seeds]
    found = guarded(
        f"{mode}, {precision}, {derived}",
        lambda: adapter.along(method, network, leaves, directions, shapes),
    )
    return network, leaves, [(v, DualTrace(*of)) for v, of in zip(directions, found, strict=True)]


def test_tangents(
    mode: str,
    derived: str,
    held: str,
    runs: Runs,
    known: tuple[KnownFinding, ...],
    new_cell: Callable[..., Cell],
    reproduce: str,
) -> None:
    """Every value and every tangent is what its own operands give, in every mode.

    Second order at ordinary points also satisfies the identities, but where a finding is known.
    """
    cell = new_cell(derived, mode, held, DERIVATIVES)
    network, leaves, found = passed(runs, mode, derived, held)
    direction, first = found[0]
    certificate = certify_tangents(network, leaves, direction, first, held)
    settle(certificate, cell, known, reproduce)
    if len(found) == 1 or derived.endswith("special"):  # where the bounds say nothing
        return
    with np.errstate(all="ignore"):
        identities = {
            "<gradients, v> = tangent of E": adjoint(network, leaves, direction, first, held),
            "<u, H v> = <v, H u>": symmetry(network, leaves, found[0], found[1], held),
        }
    for name, identity in identities.items():
        if not (
            identity.holds and identity.relative < 1
        ):  # wider than the numbers, it says nothing
            raise RefutedError(f"{mode}, {derived}, {held}: {name}: {identity}")


def test_declared(mode: str, without: str, runs: Runs, new_cell: Callable[..., Cell]) -> None:
    """What an adapter goes without is declared, with a reason, and shown; and it is all of it."""
    new_cell(f"{without}/ordinary", mode, "float64", DERIVATIVES)
    framework, _, method = mode.partition(".")
    unsupported = undifferentiated(runs.adapter(framework).unsupported, method)
    assert lacking(unsupported) == [*DECLARED[mode]]
    network = OPS_ALONE[f"{without}/ordinary"](0)
    leaves, shapes = in_precision(network, "float64")
    with pytest.raises(Unsupported) as declared:
        runs.adapter(framework).along(method, network, leaves, [drawn(leaves, 0)], shapes)
    raise declared.value
