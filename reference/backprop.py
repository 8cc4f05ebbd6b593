"""Backpropagation: one sweep forward over a network, one sweep back, everything kept.

What it is not: an autograd. Every derivative stands in `reference.ops`, derived by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reference.network import Network
from reference.ops import OPS, Array


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that one pass computes; each array has the shape of what it belongs to.

    values:     node -> its value.
    cotangents: node -> dE/d(node).
    gradients:  input or parameter -> dE/d(input or parameter).
    """

    values: dict[str, Array]
    cotangents: dict[str, Array]
    gradients: dict[str, Array]


def forward(network: Network, leaves: Mapping[str, Array]) -> dict[str, Array]:
    """Return the value of every node; `leaves` holds every input and parameter."""
    known = dict(leaves)
    for node in network.nodes:
        known[node.name] = OPS[node.op].forward(*(known[name] for name in node.inputs))
    return {node.name: known[node.name] for node in network.nodes}


def backprop(network: Network, leaves: Mapping[str, Array]) -> Trace:
    """Return the trace of one pass; `leaves` holds every input and parameter."""
    values = forward(network, leaves)
    known = {**leaves, **values}
    # 1. The loss moves one for one with itself.
    cotangents = {network.loss: np.ones_like(values[network.loss])}
    # 2. From the last node to the first: what a node receives, its backward function hands on.
    for node in reversed(network.nodes):
        inputs = [known[name] for name in node.inputs]
        handed_on = OPS[node.op].backward(cotangents[node.name], values[node.name], *inputs)
        # 3. What is used in several places receives the sum of what those places hand on.
        for name, d in zip(node.inputs, handed_on, strict=True):
            cotangents[name] = cotangents[name] + d if name in cotangents else d
    return Trace(
        values=values,
        cotangents={name: cotangents[name] for name in values},
        gradients={name: cotangents[name] for name in leaves},
    )
