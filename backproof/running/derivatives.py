"""Forward mode and second order, as a framework computes them."""

from typing import Any

from backproof.adapters.column import Column
from backproof.reference.verdict.tangents import DualTrace
from backproof.running.certificates import in_precision
from backproof.running.implementations import Implementations, guarded
from backproof.scenarios.derivatives import DIFFERENTIATED, drawn, undifferentiated


def passed(
    implementations: Implementations, column: Column, name: str, precision: str
) -> tuple[Any, ...]:
    """Return a network, its leaves, and two directions with what a framework computes along them.

    It has computed along the first one from other leaves before: a compiler that keeps any of these
    numbers is seen.
    """
    adapter, method = implementations.adapter(Column(column.framework)), column.variant
    without = undifferentiated(adapter.unsupported, precision, method)
    network = DIFFERENTIATED[name].network(unsupported=without)
    leaves, shapes = in_precision(network, precision)
    directions = [drawn(leaves, seed) for seed in range(2)]
    found = guarded(
        f"{column}, {precision}, {name}",
        lambda: adapter.along(method, network, leaves, directions, shapes),
    )
    return network, leaves, [(v, DualTrace(*of)) for v, of in zip(directions, found, strict=True)]
