"""What a fault is, and how one is made of one wrong function."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from reference.backprop import RIGHT, Rules
from reference.network import Network
from reference.ops import OPS, Op
from reference.optimizers import sgd

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
    changes:  (network, link's name) -> whether the link is computed otherwise than it should be.
    """

    name: str
    gives: str
    source: str
    changes: Callable[[Network, str], bool]
    rules: Rules = RIGHT
    update: Callable[..., Any] = sgd
    op: str = ""


def in_forward(op: str, name: str, gives: str, wrong: Callable[..., Any], source: str) -> Fault:
    """Return the fault of a wrong forward function: wrong(*inputs) -> value."""

    def changes(network: Network, link: str) -> bool:
        return any(node.name == link for node in network.nodes if node.op == op)

    rules = Rules(ops={**OPS, op: replace(OPS[op], forward=wrong)})
    return Fault(f"{op}: {name}", gives, source, changes, rules, op=op)


def in_backward(
    op: str, position: int, name: str, gives: str, wrong: Callable[..., Any], source: str
) -> Fault:
    """Return the fault of a wrong cotangent of one input: wrong(dy, y, *inputs) -> d."""
    right = OPS[op].backward

    def backward(dy: Any, y: Any, *inputs: Any) -> tuple[Any, ...]:
        handed_on = list(right(dy, y, *inputs))
        handed_on[position] = wrong(dy, y, *inputs)
        return tuple(handed_on)

    def changes(network: Network, link: str) -> bool:
        name = link.removeprefix("dE/d").removesuffix(" without probes")
        return link.startswith("dE/d") and any(
            node.inputs[position] == name for node in network.nodes if node.op == op
        )

    rules = Rules(ops={**OPS, op: Op(OPS[op].forward, backward)})
    return Fault(f"{op}: {name}", gives, source, changes, rules, op=op)


def in_sweep(
    name: str,
    gives: str,
    source: str,
    receive: Callable[[str, list[Any]], Any],
    of: Callable[[Network, str], bool],
) -> Fault:
    """Return the fault of what nodes or leaves receive.

    of: (network, name of a node or leaf) -> whether it receives wrongly.
    """

    def changes(network: Network, link: str) -> bool:
        received = link.removeprefix("dE/d").removesuffix(" without probes")
        return link.startswith("dE/d") and of(network, received)

    return Fault(name, gives, source, changes, Rules(receive=receive))
