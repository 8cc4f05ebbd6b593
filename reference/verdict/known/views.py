"""What is lost of second order where a backward pass takes views. Shapes as in `reference.ops`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import stop, with_tangent
from backproof.reference.ops.reductions import count, kept

VIEWS = ("reshape", "transpose", "expand", "concatenate")
REDUCTIONS = (
    *("sum", "mean", "max", "min", "norm", "half_squared_error"),
    *("mean_squared_error", "huber", "l1_loss"),
)
PRODUCTS: dict[str, Callable[..., bool]] = {
    "dense": lambda x, W, *b: not b and np.ndim(x) > np.ndim(W),
    "matmul": lambda a, b: min(np.ndim(a), np.ndim(b)) == 1,
}
"""Products that are those of two matrices, after a view -> whether they are."""

BROADCASTING = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "atan2", "where")


def constant(right: Op) -> Op:
    """Return an op that takes the cotangent that it receives for a constant.

    The tangent of its output is lost, too: it is the derivative of what the op hands on by a weight
    that was added to that cotangent.
    """

    def forward(*inputs: Array, **options: Any) -> Array:
        return right.forward(*map(stop, inputs), **options)

    def backward(dy: Array, y: Array, *inputs: Array, **options: Any) -> tuple[Array, ...]:
        return right.backward(stop(dy), y, *inputs, **options)

    return replace(right, forward=forward, backward=backward)


def product(right: Op, has_views: Callable[..., bool]) -> Op:
    """Return a product that takes its operands for constants, where it takes views of them."""

    def fixed(operands: tuple[Array, ...]) -> Iterator[Array]:
        return (stop(x) if has_views(*operands) else x for x in operands)

    def forward(*operands: Array) -> Array:
        return right.forward(*fixed(operands))

    def backward(dy: Array, y: Array, *operands: Array) -> tuple[Array, ...]:
        return right.backward(dy, y, *fixed(operands))

    return replace(right, forward=forward, backward=backward)


def constant_where_broadcast(right: Op) -> Op:
    """Return an op that hands on a constant to an operand that is broadcast."""

    def forward(*inputs: Array, **options: Any) -> Array:
        shape = np.broadcast_shapes(*map(np.shape, inputs))
        return right.forward(*(x if np.shape(x) == shape else stop(x) for x in inputs), **options)

    def backward(dy: Array, y: Array, *inputs: Array, **options: Any) -> tuple[Array, ...]:
        found = zip(right.backward(dy, y, *inputs, **options), inputs, strict=True)
        return tuple(dx if np.shape(x) == np.shape(y) else stop(dx) for dx, x in found)

    return replace(right, forward=forward, backward=backward)


def variance(right: Op) -> Op:
    """Return the variance whose gradient 2 dy (x - m) / (n - correction) takes m for a constant."""

    def backward(
        dy: Array, y: Array, x: Array, *, axis: Any = None, correction: int = 1, **_: Any
    ) -> tuple[Array]:
        deviation = x - stop(np.mean(x, axis=axis, keepdims=True))
        return (kept(dy, x, axis) * (2 / (count(x, axis) - correction)) * deviation,)

    return replace(constant(right), backward=backward)


def logsumexp(right: Op) -> Op:
    """Return m + log S, S = sum(e^(x - m)), whose gradient takes S for a constant.

    m, the mean of equal largest entries, receives all of dy, less what the others receive.
    """

    def backward(
        dy: Array, y: Array, x: Array, *, axis: Any = None, keepdims: bool = False
    ) -> tuple[Array]:
        if keepdims:
            return right.backward(dy, y, x, axis=axis, keepdims=True)
        total = partial(np.sum, axis=axis, keepdims=True)
        largest = np.where(x < np.max(x, axis=axis, keepdims=True), 0, 1)
        share, received = largest / total(largest), kept(dy, x, axis)
        (p,) = right.backward(1 + 0 * stop(dy), y, stop(x), axis=axis)
        dx = received * with_tangent(p, p * (x - total(share * x)))
        return (dx + share * (received - total(dx)),)

    return replace(constant(right), backward=backward)


def softmax_cross_entropy(right: Op) -> Op:
    """Return the cross-entropy that takes dE and its logits for constants."""
    fixed = constant(right)

    def backward(dE: Array, E: Array, y: Array, t: Array, **options: Any) -> tuple[Array, ...]:
        return fixed.backward(dE, E, stop(y), t, **options)

    return replace(fixed, backward=backward)


def views_constant_in_second_order(others: Mapping[str, Op] = OPS) -> dict[str, Op]:
    """Return ops that take for constants what views in their backward passes hand on.

    others: ops that are others already.
    """
    of = {**OPS, **others}
    return {
        **{name: constant(of[name]) for name in (*VIEWS, *REDUCTIONS)},
        **{name: product(of[name], has_views) for name, has_views in PRODUCTS.items()},
        **{name: constant_where_broadcast(of[name]) for name in BROADCASTING},
        "logsumexp": logsumexp(of["logsumexp"]),
        "variance": variance(of["variance"]),
        "softmax_cross_entropy": softmax_cross_entropy(of["softmax_cross_entropy"]),
    }
