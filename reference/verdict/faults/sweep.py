"""Classical mistakes of the sweep as a whole: what nodes and leaves receive, and when."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

from backproof.reference.backprop import Rules, sum_of
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import BFLOAT16, FLOAT32, Precision
from backproof.reference.verdict.faults.fault import COMMON, Fault, in_sweep, is_value, received
from backproof.reference.verdict.link import Quantity


def _parameter(network: Network, name: str) -> bool:
    return name in network.parameters


def _shared(network: Network, name: str) -> bool:
    return sum(node.inputs.count(name) for node in network.nodes) > 1


def _of_parameters(network: Network, change: Callable[[Any], Any]) -> Callable[..., Any]:
    def receive(name: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        return change(right) if name in network.parameters else right

    return receive


def sweep(network: Network) -> Iterator[Fault]:
    """Yield the faults of one sweep over a network."""

    def finished(name: str, gives: str, source: str, change: Callable[[Any], Any]) -> Fault:
        return in_sweep(name, gives, source, _of_parameters(network, change), _parameter)

    def seed(name: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        return 2 * right if name == network.loss else right

    def is_loss(_: Network, name: str) -> bool:
        return name == network.loss

    yield in_sweep(
        "only the first consumer counted",
        "what the last of its consumers alone hands on",
        COMMON,
        lambda _, handed_on: handed_on[0],
        _shared,
    )
    yield in_sweep(
        "only the last consumer counted",
        "what the first of its consumers alone hands on",
        COMMON,
        lambda _, handed_on: handed_on[-1],
        _shared,
    )
    yield in_sweep("loss counted twice", "2 instead of 1", COMMON, seed, is_loss)
    yield finished("wrong sign of every gradient", "the gradient negated", COMMON, lambda g: -g)
    yield finished(
        "gradient accumulated twice",
        "the gradient added to itself",
        "no zero_grad() between two equal passes",
        lambda g: g + g,
    )
    yield finished("gradient of zeros", "zero", "a graph that is not connected", lambda g: 0 * g)
    yield finished(
        "one entry dropped",
        "the gradient with its first entry zero",
        "an index that starts at one",
        lambda g: g * _mask(g, 0.0),
    )
    yield finished(
        "one entry off by a millionth",
        "the gradient with its first entry a millionth off",
        "planted to find the floor",
        lambda g: g * _mask(g, 1 + _MILLIONTH),
    )
    yield finished(
        "gradient clipped",
        f"the gradient clipped to +-{CLIP}",
        "Pascanu, Mikolov and Bengio (2013), left on",
        _clipped,
    )
    yield finished(
        "gradient rounded to float32",
        "the gradient rounded to float32",
        "a cast on the way",
        lambda g: _rounded(g, FLOAT32),
    )
    yield finished(
        "gradient rounded to bfloat16",
        "the gradient rounded to bfloat16",
        "mixed precision left on",
        lambda g: _rounded(g, BFLOAT16),
    )
    yield finished("NaN returned", "NaN", COMMON, lambda g: g * np.nan)
    yield finished("infinity returned", "infinity", COMMON, lambda g: g * 0 + np.inf)


CLIP = 2.0**-6
"""What a planted clip clips to."""
_MILLIONTH = 1 / 10**6


def _mask(g: Any, first: float) -> Any:
    mask = np.ones(g.shape)
    mask[(0,) * mask.ndim] = first
    return mask


def _clipped(g: Any) -> Any:
    return -np.maximum(-np.maximum(g, -CLIP), -CLIP)


def _rounded(g: Any, p: Precision) -> Any:
    if isinstance(g, Ball):
        size = np.abs(g.mid) + g.rad
        return Ball(g.mid, g.rad + p.u * size + p.underflow, g.precision)
    floats = np.asarray(g).astype(np.float64)
    return floats.astype(p.dtype).astype(np.float64).astype(np.asarray(g).dtype)


def stale(network: Network, before: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults of numbers that are left over from the step before.

    before: leaf or node -> its value then; "dE/dw" -> its gradient then.
    """

    def accumulated(name: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        return right + before[f"dE/d{name}"] if name in network.parameters else right

    def weights(node: Node, name: str, value: Any) -> Any:
        return _like(value, before[name]) if name in network.parameters else value

    def activations(node: Node, name: str, value: Any) -> Any:
        return _like(value, before[name]) if name in _nodes(network) else value

    def constant(name: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        return 0 * right if name in network.parameters else right

    def of_constants(network: Network, quantity: Quantity) -> bool:
        users = [node for node in network.nodes if {*node.inputs} & {*network.parameters}]
        return (
            any(is_value(node, quantity) for node in users)
            or received(quantity) in network.parameters
            or beside(network, quantity, network.parameters)
        )

    def beside(network: Network, quantity: Quantity, operands: Collection[str]) -> bool:
        users = (node for node in network.nodes if received(quantity) in node.inputs)
        return any(set(node.inputs) & set(operands) for node in users)

    yield in_sweep(
        "gradient accumulated from the step before",
        "this gradient plus the last one",
        "no zero_grad() between steps",
        accumulated,
        _parameter,
    )
    yield Fault(
        "stale weights",
        "computed with the weights of the step before",
        "asynchronous or pipelined training",
        lambda network, quantity: beside(network, quantity, network.parameters),
        Rules(operand=weights),
    )
    yield Fault(
        "stale constants",
        "computed with what the weights were when it was compiled",
        "weights that a compiled function has captured, instead of taking them as arguments",
        of_constants,
        Rules(given=weights, operand=weights, receive=constant),
    )
    yield Fault(
        "stale activations",
        "computed with the activations of the step before",
        "a buffer that is not refreshed",
        lambda network, quantity: beside(network, quantity, _nodes(network)),
        Rules(operand=activations),
    )


def _nodes(network: Network) -> set[str]:
    return {node.name for node in network.nodes}


def _like(value: Any, array: Any) -> Any:
    if isinstance(value, Ball):
        return Ball.exact(array, value.precision)
    return np.asarray(0 * value + array) if value.dtype == object else array
