"""Classical mistakes of the sweep as a whole: what nodes and leaves receive, and when."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.backprop import Rules, sum_of
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import BFLOAT16, FLOAT32, Precision
from backproof.reference.verdict.faults.fault import COMMON, Fault, in_sweep, is_value, received
from backproof.reference.verdict.link import Quantity

CLIP = 2.0**-6
"""What a planted clip clips to."""
MILLIONTH = 1 / 10**6


def first_entry(g: Any, factor: float) -> Any:
    """Return a gradient with its first entry multiplied."""
    mask = np.ones(g.shape)
    mask[(0,) * mask.ndim] = factor
    return g * mask


def rounded(g: Any, p: Precision) -> Any:
    """Return a gradient rounded to a precision."""
    if isinstance(g, Ball):
        return g.nearest(p)
    floats = np.asarray(g).astype(np.float64)
    return floats.astype(p.dtype).astype(np.float64).astype(np.asarray(g).dtype)


GRADIENTS: Mapping[tuple[str, str], tuple[Callable[[Any], Any], str]] = {
    ("wrong sign of every gradient", "the gradient negated"): (lambda g: -g, COMMON),
    ("gradient accumulated twice", "the gradient added to itself"): (
        lambda g: g + g,
        "no zero_grad() between two equal passes",
    ),
    ("gradient of zeros", "zero"): (lambda g: 0 * g, "a graph that is not connected"),
    ("one entry dropped", "the gradient with its first entry zero"): (
        lambda g: first_entry(g, 0.0),
        "an index that starts at one",
    ),
    ("one entry off by a millionth", "the gradient with its first entry a millionth off"): (
        lambda g: first_entry(g, 1 + MILLIONTH),
        "planted to find the floor",
    ),
    ("gradient clipped", f"the gradient clipped to +-{CLIP}"): (
        lambda g: -np.maximum(-np.maximum(g, -CLIP), -CLIP),
        "Pascanu, Mikolov and Bengio (2013), left on",
    ),
    ("NaN returned", "NaN"): (lambda g: g * np.nan, COMMON),
    ("infinity returned", "infinity"): (lambda g: g * 0 + np.inf, COMMON),
}
"""(Name, what it gives) -> the change of every parameter's gradient, source."""

ROUNDED = {FLOAT32: "a cast on the way", BFLOAT16: "mixed precision left on"}
"""What every parameter's gradient is rounded to -> source."""


def sweep(network: Network) -> Iterator[Fault]:
    """Yield the faults of one sweep over a network."""
    yield in_sweep(
        "only the first use counted",
        "what its last use alone hands on",
        COMMON,
        lambda _, handed_on: handed_on[0],
        is_shared,
    )
    yield in_sweep(
        "only the last use counted",
        "what its first use alone hands on",
        COMMON,
        lambda _, handed_on: handed_on[-1],
        is_shared,
    )
    yield in_sweep(
        "loss counted twice",
        "2 instead of 1",
        COMMON,
        receiving({network.loss}, lambda d: 2 * d),
        lambda _, name: name == network.loss,
    )
    for (name, gives), (change, source) in GRADIENTS.items():
        yield in_sweep(name, gives, source, receiving(network.parameters, change), is_parameter)
    for p, source in ROUNDED.items():
        name = f"gradient rounded to {p.name}"
        to_p = receiving(network.parameters, partial(rounded, p=p))
        yield in_sweep(name, f"the {name}", source, to_p, is_parameter, rounds=p)


def receiving(names: Collection[str], change: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the rule by which what some nodes or leaves receive is changed."""

    def receive(name: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        return change(right) if name in names else right

    return receive


def is_parameter(network: Network, name: str) -> bool:
    """Return whether a leaf is a parameter."""
    return name in network.parameters


def is_shared(network: Network, name: str) -> bool:
    """Return whether a node or leaf is used in several places."""
    return sum(node.inputs.count(name) for node in network.nodes) > 1


def stale(network: Network, before: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of numbers that are left over from the step before.

    before: leaf or node -> its value then; "dE/dw" -> its gradient then.
    """

    def accumulated(name: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        return right + before[f"dE/d{name}"] if name in network.parameters else right

    def left_over(names: Collection[str]) -> Callable[[Node, str, Any], Any]:
        return lambda _, name, value: like(value, before[name]) if name in names else value

    weights = left_over(network.parameters)
    constant = receiving(network.parameters, lambda g: 0 * g)

    yield in_sweep(
        "gradient accumulated from the step before",
        "this gradient plus the last one",
        "no zero_grad() between steps",
        accumulated,
        is_parameter,
    )
    yield Fault(
        "stale weights",
        "computed with the weights of the step before",
        "asynchronous or pipelined training",
        lambda network, quantity: is_beside(network, quantity, network.parameters),
        Rules(backward_input=weights),
    )
    yield Fault(
        "stale constants",
        "computed with what the weights were when it was compiled",
        "weights that a compiled function has captured, instead of taking them as arguments",
        is_of_constants,
        Rules(forward_input=weights, backward_input=weights, receive=constant),
    )
    yield Fault(
        "stale activations",
        "computed with the activations of the step before",
        "a buffer that is not refreshed",
        lambda network, quantity: is_beside(network, quantity, nodes(network)),
        Rules(backward_input=left_over(nodes(network))),
    )


def is_of_constants(network: Network, quantity: Quantity) -> bool:
    """Return whether a quantity is computed from parameters, or is the gradient of one."""
    users = [node for node in network.nodes if {*node.inputs} & {*network.parameters}]
    return (
        any(is_value(node, quantity) for node in users)
        or received(quantity) in network.parameters
        or is_beside(network, quantity, network.parameters)
    )


def is_beside(network: Network, quantity: Quantity, operands: Collection[str]) -> bool:
    """Return whether a cotangent is handed on by a node that one of the operands enters too."""
    users = (node for node in network.nodes if received(quantity) in node.inputs)
    return any(set(node.inputs) & set(operands) for node in users)


def nodes(network: Network) -> set[str]:
    """Return the names of all nodes."""
    return {node.name for node in network.nodes}


def like(value: Any, array: Any) -> Any:
    """Return an array as the kind of number that a value is of."""
    if isinstance(value, Ball):
        return Ball.exact(array, value.precision)
    return np.asarray(0 * value + array) if value.dtype == object else array
