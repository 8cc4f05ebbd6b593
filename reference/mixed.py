"""A composed op that computes in several precisions.

The ball of an op rounds its result into one precision, and its steps into another. A function that
computes in several, such as logits in bfloat16 and their softmax in float32, also rounds what it
stores on the way. Each such rounding is a `cast` of the op's network.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT32, PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.ops.cast import cast

Of = Callable[[str], str]
"""Leaf or node -> the name of the precision of its numbers."""


def with_casts(network: Network, of: Of, value: Callable[[str], Array]) -> Network:
    """Return a network with a cast where it stores an array in a lower precision than its steps'.

    value: leaf or node -> its numbers.
    The network's last node has none: its rounding is that of the whole op.
    """
    steps = PRECISIONS[of(network.loss)].steps.digits
    nodes = list[Node]()
    for node in network.nodes:
        if PRECISIONS[of(node.name)].digits < steps:
            nodes += in_precision(node, of, value, is_last=node.name == network.loss)
        else:
            nodes.append(node)
    return replace(network, nodes=(*nodes,))


def in_precision(
    node: Node, of: Of, value: Callable[[str], Array], *, is_last: bool
) -> Iterator[Node]:
    """Yield the nodes that compute a node, and store it in its precision."""
    own = of(node.name)
    if node.op == "cast":
        yield node if is_last else replace(node, options={"to": own})
    elif moves(node, value):
        wide = {i for i in node.inputs if PRECISIONS[of(i)].digits > PRECISIONS[own].digits}
        stored = {i: f"{i} stored for {node.name}" for i in wide}
        yield from (Node(stored[i], "cast", (i,), {"to": own}, cast) for i in sorted(wide))
        yield replace(node, inputs=tuple(stored.get(i, i) for i in node.inputs))
    elif is_last:
        yield node
    else:
        wide_node = replace(node, name=f"{node.name} before it is stored")
        yield wide_node
        yield Node(node.name, "cast", (wide_node.name,), {"to": own}, cast)


def moves(node: Node, value: Callable[[str], Array]) -> bool:
    """Return whether a node rounds nothing, as a copy does, or the largest of some numbers."""
    inputs = (Ball.exact(value(name), FLOAT32) for name in node.inputs)
    found = node.rule.forward(*inputs, **node.options)
    return not isinstance(found, Ball) or found.is_exact
