"""A network of one op, and the verdict on one number of its backward pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules, backprop
from backproof.reference.network import Network, Node
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.passes import certify


def network_of(op: str, inputs: Sequence[Any], **options: Any) -> Network:
    """Return E = sum(c op(x1, x2, ...)); c is random, since ones would hide a transposition."""
    leaves = {f"x{i}": np.asarray(a, float) for i, a in enumerate(inputs, start=1)}
    y = OPS[op].forward(*leaves.values(), **options)
    c = np.random.default_rng(0).standard_normal(np.shape(y))
    nodes = (
        Node("y", op, tuple(leaves), options),
        Node("weighted", "multiply", ("y", "c")),
        Node("E", "sum", ("weighted",)),
    )
    return Network(op, {**leaves, "c": c}, {}, nodes, frozenset())


def handed_on(network: Network, precision: str, other: Op | None = None) -> Array:
    """Return dE/dx1 of the reference, or with another op in the op's place, rounded once."""
    rules = Rules(ops={**OPS, network.nodes[0].op: other}) if other else RIGHT
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision).astype(float))
    return np.asarray(backprop(network, leaves, rules).gradients["x1"]).astype(precision)


def verdict_on(network: Network, precision: str, dx: Array) -> Link:
    """Return the verdict on dE/dx1, where all other numbers are the reference's own."""
    leaves = network.leaves(lambda a: np.asarray(a).astype(precision))
    trace = backprop(network, leaves)
    trace.gradients["x1"] = dx
    links = certify(network, leaves, trace, precision).links
    return next(link for link in links if link.name == "dE/dx1")
