"""What an adapter declares that it does not support, and why."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS

Why = str | tuple[Callable[[Any], bool], str]
"""A reason; or which values of an option it is about, and the reason."""

PARAMETERS = {op: tuple(signature(one.forward).parameters) for op, one in OPS.items()}
"""Name of an op -> the names of its inputs and of its options."""


def unknown(unsupported: Mapping[str, Why], methods: tuple[str, ...]) -> list[str]:
    """Return the keys that name nothing: what `Adapter.unsupported` does not list."""
    names = {*OPS, *(f"{op} {name}" for op, own in PARAMETERS.items() for name in own)}
    inputs = {f"{op}.{name}" for op, own in PARAMETERS.items() for name in own}
    ways = {f"{name} {way}" for name in names for way in (*PRECISIONS, *methods)}
    return [key for key in unsupported if key not in {*PRECISIONS, *names, *inputs, *ways}]


def why(
    unsupported: Mapping[str, Why], op: str, options: Mapping[str, Any], *ways: str
) -> str | None:
    """Return what is not supported of an op with its options, and why; None if all of it is.

    ways: the precision, and the method of forward mode or second order.
    """
    for name, value in ((op, None), *((f"{op} {key}", value) for key, value in options.items())):
        for key in (name, *(f"{name} {way}" for way in ways)):
            if gap := of_value(unsupported, key, value):
                return gap
    return None


def of_value(unsupported: Mapping[str, Why], key: str, value: Any) -> str | None:
    """Return "key: why" where what is declared under a key holds for an option's value."""
    reason = unsupported.get(key)
    if isinstance(reason, tuple):
        applies, why_not = reason
        reason = why_not if applies(value) else None
    return None if reason is None else f"{key}: {reason}"


def constants(unsupported: Mapping[str, Why], network: Network) -> tuple[set[str], str | None]:
    """Return the network's inputs that are not differentiated, and why others cannot be left out.

    An input of an op is left out where `unsupported` has "op.input". What is left out must be an
    input of the network, such as a target, that nothing else uses; and of an op at least one input
    must be left, or nothing of its derivative is certified.
    """
    uses = [(name, declared(unsupported, node, i)) for node, i, name in _uses(network)]
    found = {name for name, reason in uses if reason}
    kept = {name for name, reason in uses if not reason}
    wrong = [reason for name, reason in uses if reason and name in kept | _computed(network)]
    for node in network.nodes:
        reasons = [declared(unsupported, node, i) for i in range(len(node.inputs))]
        wrong += [reason for reason in reasons if reason and all(reasons)]
    return found, wrong[0] if wrong else None


def left_out(network: Network) -> list[str]:
    """Return what is not differentiated of a network's ops, for reports."""
    names = [named(node, i) for node, i, name in _uses(network) if name in network.constants]
    return [f"{name} is not differentiated" for name in dict.fromkeys(names)]


def declared(unsupported: Mapping[str, Why], node: Node, place: int) -> str | None:
    """Return "op.input: why" where the input at a place is not differentiated."""
    key = named(node, place)
    return f"{key}: {unsupported[key]}" if key in unsupported else None


def named(node: Node, place: int) -> str:
    """Return "op.input" for the input at a place; "" where the op has no input with a name."""
    names = PARAMETERS.get(node.op, ())
    return f"{node.op}.{names[min(place, len(names) - 1)]}" if names else ""


def _uses(network: Network) -> list[tuple[Node, int, str]]:
    return [(node, i, name) for node in network.nodes for i, name in enumerate(node.inputs)]


def _computed(network: Network) -> set[str]:
    return {node.name for node in network.nodes} | {*network.parameters}
