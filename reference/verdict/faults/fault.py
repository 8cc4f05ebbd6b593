"""What a fault is, and how one is made of one wrong function."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import Precision
from backproof.reference.ops import OPS, Op
from backproof.reference.optimizers import sgd
from backproof.reference.verdict.link import Quantity

COMMON = "a mistake of nearly every first implementation"


@dataclass(frozen=True, slots=True)
class Fault:
    """One classical mistake.

    name:     what it is called.
    gives:    what it gives instead, for a sentence that begins with "is".
    source:   where it is known from.
    rules:    how a sweep with this fault is made.
    update:   how a parameter is updated with it.
    op:       the op that it is a fault of; "" of the sweep, an optimizer, or any op.
    changes:  (network, what a link produces) -> whether it is computed otherwise than it should be.
    rounds:   the precision that it rounds to, if that is all it does.
    """

    name: str
    gives: str
    source: str
    changes: Callable[[Network, Quantity], bool]
    rules: Rules = RIGHT
    update: Callable[..., Any] = sgd
    op: str = ""
    rounds: Precision | None = None


IMPOSSIBLE = (ValueError, IndexError, ArithmeticError, TypeError)
"""What is raised where a fault cannot be made on a node: of these shapes, or without a gain."""


def in_forward(
    op: str,
    name: str,
    gives: str,
    wrong: Callable[..., Any],
    source: str = COMMON,
    *,
    inputs: int = 0,
) -> Fault:
    """Return the fault of a wrong forward function: wrong(*inputs, **options) -> value.

    inputs: how many a node must have for the fault to occur: three, where a bias may be left out.
    """
    right = OPS[op]

    def forward(*operands: Any, **options: Any) -> Any:
        found = wrong if len(operands) >= inputs else right.forward
        return found(*operands, **options)

    def changes(network: Network, quantity: Quantity) -> bool:
        return any(
            is_value(node, quantity) and node.op == op and len(node.inputs) >= inputs
            for node in network.nodes
        )

    rules = Rules(ops={**OPS, op: replace(right, forward=forward)})
    return Fault(f"{op}: {name}", gives, source, changes, rules, op=op)


def in_backward(
    op: str, position: int, name: str, gives: str, wrong: Callable[..., Any], source: str = COMMON
) -> Fault:
    """Return the fault of a wrong cotangent of one input: wrong(dy, y, *inputs, **options) -> d."""
    right = OPS[op].backward

    def backward(dy: Any, y: Any, *inputs: Any, **options: Any) -> tuple[Any, ...]:
        handed_on = list(right(dy, y, *inputs, **options))
        if position < len(inputs):
            handed_on[position] = wrong(dy, y, *inputs, **options)
        return tuple(handed_on)

    def changes(network: Network, quantity: Quantity) -> bool:
        return any(
            node.op == op and received(quantity) in node.inputs[position : position + 1]
            for node in network.nodes
        )

    rules = Rules(ops={**OPS, op: Op(OPS[op].forward, backward)})
    return Fault(f"{op}: {name}", gives, source, changes, rules, op=op)


def in_cotangents(
    op: str, name: str, gives: str, wrong: Callable[..., tuple[Any, ...]], source: str = COMMON
) -> Fault:
    """Return the fault of a wrong backward function, of all inputs."""

    def changes(network: Network, quantity: Quantity) -> bool:
        return any(node.op == op and received(quantity) in node.inputs for node in network.nodes)

    rules = Rules(ops={**OPS, op: Op(OPS[op].forward, wrong)})
    return Fault(f"{op}: {name}", gives, source, changes, rules, op=op)


def in_both(op: str, name: str, gives: str, wrong: Op, source: str = COMMON) -> Fault:
    """Return the fault of another function in the op's place, rightly differentiated.

    Finite differences find nothing wrong with it. Either half alone is explained by it as well.
    """

    def changes(network: Network, quantity: Quantity) -> bool:
        return any(
            node.op == op and (is_value(node, quantity) or received(quantity) in node.inputs)
            for node in network.nodes
        )

    return Fault(f"{op}: {name}", gives, source, changes, Rules(ops={**OPS, op: wrong}), op=op)


def with_options(
    op: str, change: Callable[[dict[str, Any]], dict[str, Any]], right: Op | None = None
) -> Op:
    """Return the op computed with other options: change(those asked for) -> those that replace.

    right: what computes it; None: the right op.
    """
    right = right or OPS[op]

    def forward(*inputs: Any, **options: Any) -> Any:
        return right.forward(*inputs, **{**options, **change(options)})

    def backward(dy: Any, y: Any, *inputs: Any, **options: Any) -> tuple[Any, ...]:
        return right.backward(dy, y, *inputs, **{**options, **change(options)})

    return Op(forward, backward)


def times(op: str, factor: Callable[..., Any]) -> Op:
    """Return the op with its value, and so its cotangents, multiplied: factor(*inputs, **options).

    Nothing is differentiated by the factor.
    """
    right = OPS[op]

    def forward(*inputs: Any, **options: Any) -> Any:
        return factor(*inputs, **options) * right.forward(*inputs, **options)

    def backward(dy: Any, y: Any, *inputs: Any, **options: Any) -> tuple[Any, ...]:
        return right.backward(factor(*inputs, **options) * dy, y, *inputs, **options)

    return Op(forward, backward)


def in_sweep(
    name: str,
    gives: str,
    source: str,
    receive: Callable[[str, list[Any]], Any],
    of: Callable[[Network, str], bool],
    rounds: Precision | None = None,
) -> Fault:
    """Return the fault of what nodes or leaves receive.

    of: (network, name of a node or leaf) -> whether it receives wrongly. rounds: as of a fault.
    """

    def changes(network: Network, quantity: Quantity) -> bool:
        name = received(quantity)
        return name is not None and of(network, name)

    return Fault(name, gives, source, changes, Rules(receive=receive), rounds=rounds)


def received(quantity: Quantity) -> str | None:
    """Return the node or leaf whose cotangent or gradient it is; None where it is none."""
    return quantity.of if quantity.kind == "derivative" and not quantity.tangent else None


def is_value(node: Node, quantity: Quantity) -> bool:
    """Return whether it is the value of a node."""
    return quantity == Quantity("value", node.name)
