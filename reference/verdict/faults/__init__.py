"""The classical mistakes of backpropagation, by name.

Each is a wrong forward function, backward function, rule of the sweep, or update, written so
that it runs over arrays (to plant it: the suite must refute it) and over `Ball` (to explain a
refuted link: does what was seen lie in this fault's own ball?).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from backproof.reference.network import Network
from backproof.reference.ops import OPS
from backproof.reference.verdict.faults import (
    activations,
    arithmetic,
    attention,
    boxes,
    convolution,
    cross_entropy,
    dense,
    elementary,
    gates,
    gelu,
    group_norm,
    indexing,
    linear_algebra,
    losses,
    normalization,
    pooling,
    products,
    reductions,
    rms_norm,
    shaping,
    softmax,
    special,
    weight_norm,
)
from backproof.reference.verdict.faults.families import faults
from backproof.reference.verdict.faults.fault import Fault
from backproof.reference.verdict.faults.sweep import stale, sweep
from backproof.reference.verdict.faults.updates import updates

__all__ = ["FAULTS", "Fault", "catalogue"]

THEMES = (
    *(activations, arithmetic, attention, boxes, convolution, cross_entropy, dense, elementary),
    *(gates, gelu, group_norm, indexing, linear_algebra, losses, normalization, pooling),
    *(products, reductions, rms_norm, shaping, softmax, special, weight_norm),
)
"""The files of tables. The table of an op has its name, in capitals."""

NAMED = {name: table for theme in THEMES for name, table in vars(theme).items()}

FAULTS: dict[str, Callable[[], Iterator[Fault]]] = {
    op: partial(faults, op, NAMED[op.upper()]) for op in OPS if op.upper() in NAMED
}
"""Op -> what yields its faults."""


def catalogue(network: Network, before: Mapping[str, Any] | None = None) -> dict[str, Fault]:
    """Return name -> fault, of all faults that can be made on a network.

    before: leaf or node -> its value in the step before, and "dE/dw" -> its gradient then; with
    it the faults of stale numbers are included.
    """
    ops = {node.op for node in network.nodes}
    found = [fault for op, of in FAULTS.items() if op in ops for fault in of()]
    found += [*sweep(network), *updates()]
    if before is not None:
        found += stale(network, before)
    return {fault.name: fault for fault in found}
