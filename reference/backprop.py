"""Backpropagation: one sweep forward over a network, one sweep back, everything kept.

It is no autograd: every derivative is derived by hand, in `reference.ops`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.reference.network import Network, Node
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import is_object


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that one pass computes; each array has the shape of what it belongs to.

    values:     node -> its value.
    cotangents: node -> dE/d(node).
    gradients:  input or parameter -> dE/d(input or parameter).
    """

    values: Mapping[str, Array]
    cotangents: Mapping[str, Array]
    gradients: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Rules:
    """How a sweep is made. The defaults are right; each of the catalogued faults changes one.

    ops:            name -> op.
    forward_input:  (node, input's name, value) -> what the node's forward function is given.
    backward_input: (node, input's name, value) -> what the node's backward function is given.
    receive:        (name, what its consumers hand on) -> a node's cotangent, a leaf's gradient.
    nodes:          the name of a node -> its op, where that is another than by the name of its op.
    """

    ops: Mapping[str, Op] = field(default_factory=lambda: OPS)
    forward_input: Callable[[Node, str, Any], Any] = lambda _, __, value: value
    backward_input: Callable[[Node, str, Any], Any] = lambda _, __, value: value
    receive: Callable[[str, list[Any]], Any] = lambda _, handed_on: sum_of(handed_on)
    nodes: Mapping[str, Op] = field(default_factory=dict)

    def value(self, node: Node, known: Mapping[str, Any]) -> Any:
        """Return a node's value; `known` holds those of its inputs."""
        inputs = (self.forward_input(node, name, known[name]) for name in node.inputs)
        return array(self.op(node).forward(*inputs, **node.options))

    def hands_on(self, node: Node, dy: Any, known: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what a node hands on to each of its inputs; `known` holds its value and theirs."""
        inputs = (self.backward_input(node, name, known[name]) for name in node.inputs)
        return self.op(node).backward(dy, known[node.name], *inputs, **node.options)

    def op(self, node: Node) -> Op:
        """Return a node's op by these rules; an op of the node's own is right by all others.

        So it is if it has the name of another op, as a function of one's own may have.
        """
        if node.name in self.nodes:
            return self.nodes[node.name]
        if node.own and node.op in OPS:
            return node.own
        return self.ops.get(node.op) or node.rule


def sum_of(handed_on: list[Any]) -> Any:
    """Return the sum: an array that is used in several places receives from each of them."""
    return sum(handed_on[1:], start=handed_on[0])


def array(x: Any) -> Any:
    """Return x, or a bare object, which NumPy makes of an object array without axes, as one."""
    return x if hasattr(x, "shape") else np.array(x, dtype=object)


RIGHT = Rules()


def forward(
    network: Network, leaves: Mapping[str, Array], rules: Rules = RIGHT
) -> dict[str, Array]:
    """Return the value of every node; `leaves` holds every input and parameter."""
    known = dict(leaves)
    for node in network.nodes:
        known[node.name] = rules.value(node, known)
    return {node.name: known[node.name] for node in network.nodes}


def backprop(
    network: Network, leaves: Mapping[str, Array], rules: Rules = RIGHT, scale: float = 1.0
) -> Trace:
    """Return the trace of one pass; `leaves` holds every input and parameter.

    scale: the loss scale, a power of two. All cotangents and gradients are multiplied by it.
    """
    values = forward(network, leaves, rules)
    # 1. The loss moves one for one with itself.
    seed = np.ones_like(values[network.loss])
    seed = 0 * values[network.loss] + 1 if is_object(seed) else seed  # an Arb ball
    seed = seed if scale == 1 else scale * seed
    return Trace(values, *sweep_back(network, {**leaves, **values}, seed, rules))


def sweep_back(
    network: Network, known: Mapping[str, Array], seed: Array, rules: Rules
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the cotangents of all nodes and the gradients of all leaves, by name.

    known: the value of every leaf and node. seed: the cotangent of the last node.
    """
    handed_on: dict[str, list[Array]] = {name: [] for name in known}
    handed_on[network.loss] = [seed]
    # 2. From the last node to the first: what a node receives, its backward function hands on.
    cotangents = {}
    for node in reversed(network.nodes):
        dy = cotangents[node.name] = array(rules.receive(node.name, handed_on[node.name]))
        for name, d in zip(node.inputs, rules.hands_on(node, dy, known), strict=True):
            handed_on[name].append(d)
    # 3. What is left over has arrived at the leaves.
    return (
        {node.name: cotangents[node.name] for node in network.nodes},
        {name: rules.receive(name, handed_on[name]) for name in known if name not in cotangents},
    )
