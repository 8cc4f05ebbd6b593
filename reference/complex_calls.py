"""A call of real numbers, as one of complex numbers: the op, and all that it is composed of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backproof.reference.composed import Composed, composed
from backproof.reference.network import Network, Node
from backproof.reference.ops import Array, Op
from backproof.reference.own import OWN

WIDENED = "complex"
"""The op that makes complex numbers of real ones."""


def of_complex(
    op: str, own: Op | None, options: Mapping[str, Any], kinds: Sequence[bool]
) -> tuple[str, Op, Mapping[str, Any]]:
    """Return the op of complex numbers that is an op of real ones: its name, the op, its options.

    own: the op, where the table does not have it. kinds: whether each operand is complex; one that
    is real is widened, as implementations do it.
    Raises LookupError, with the reason, where an op is none of complex numbers.
    """
    leaves, nodes = [f"x{i}" for i in range(len(kinds))], list[Node]()

    def add(op: str, inputs: Sequence[str], options: Mapping[str, Any] | None = None) -> str:
        nodes.append(Node(f"step {len(nodes)}", op, (*inputs,), options or {}, OWN[op]))
        return nodes[-1].name

    def added(op: str, own: Op | None, options: Mapping[str, Any], inputs: Sequence[str]) -> str:
        if isinstance(own, Composed):
            network = own.network
            names = dict(zip((*network.inputs, *network.parameters), inputs, strict=True))
            for node in network.nodes:
                of = [names[i] for i in node.inputs]
                names[node.name] = added(node.op, node.own, node.options, of)
            return names[network.loss]
        name = f"complex {op}"
        if name not in OWN or own not in (None, OWN.get(op)):
            raise LookupError(f"{op} of complex numbers")
        return add(name, inputs, options)

    inputs = [
        leaf if is_complex else add(WIDENED, [leaf])
        for leaf, is_complex in zip(leaves, kinds, strict=True)
    ]
    added(op, own, options, inputs)
    if len(nodes) == 1:
        (node,) = nodes
        return node.op, node.rule, node.options
    name = f"complex {op}"
    network = Network(name, dict.fromkeys(leaves, 0.0), {}, (*nodes,), frozenset())
    return name, composed(network), {}


def with_parts(a: Any) -> Array:
    """Return complex numbers with both parts along a last axis, (..., 2); real ones as they are."""
    a = np.asarray(a)
    return np.stack([a.real, a.imag], axis=-1) if np.iscomplexobj(a) else a
