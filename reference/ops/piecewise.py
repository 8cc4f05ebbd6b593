"""Functions that choose: the absolute value, clamp, minimum, maximum, where.

At a kink every slope between those on both sides is right; see `either_side`.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops.functions import either_side, with_tangent
from backproof.reference.ops.op import Array, Op, sum_to_shape

Bound = float | None


def absolute(share: float = 0.5) -> Op:
    """Return the op |x|, entry by entry.

    share: of the way from slope -1 to slope 1 at x = 0; by default, the slope there is zero.
    """

    def forward(x: Array) -> Array:
        """Return |x|, entry by entry."""
        return either_side(x, x, -x, share)

    def backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
        # dx = dy sign(x).
        return (either_side(x, dy, -dy, share),)

    return Op(forward, backward)


def absolute_backward_of_quotient(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy x / |x|, zero where x is zero: on paper dy sign(x), but rounded twice."""
    return (sign_as_quotient(dy, x),)


def sign_as_quotient(dy: Array, x: Array) -> Array:
    """Return dy x / |x|, in the shape of x, and zero where x is zero."""
    size = either_side(x, x, np.where(x < 0, -x, 1), share=0)
    return dy * x / size


def clamped(share: float = 1.0) -> Op:
    """Return the op that is x where low <= x <= high, else the bound that is nearer.

    low, high: None: there is no such bound. Where low is above high, all is high. Hard tanh (-1 and
    1) and ReLU6 (0 and 6) are such functions. share: of dy that is handed on at a bound itself.
    """

    def within(x: Array, inside: Array, below: Any, above: Any, low: Bound, high: Bound) -> Array:
        """Return `inside` between the bounds, `below` and `above` beyond them."""
        if low is not None:
            inside = either_side(x, inside, below, share, low)
        if high is not None:
            inside = either_side(x, above, inside, 1 - share, high)
        return inside

    def forward(x: Array, *, low: Bound = None, high: Bound = None) -> Array:
        """Return x where low <= x <= high, else the bound that is nearer."""
        below = low if low is None or high is None else min(low, high)
        return within(x, x, below, high, low, high)

    def backward(
        dy: Array, y: Array, x: Array, *, low: Bound = None, high: Bound = None
    ) -> tuple[Array]:
        # dx is dy between the bounds, zero beyond them.
        return (within(x, dy, 0, 0, low, high),)

    return Op(forward, backward)


def maximum_forward(a: Array, b: Array) -> Array:
    """Return the larger of a and b, entry by entry; they broadcast."""
    return np.maximum(a, b)


def maximum_backward(
    dy: Array, y: Array, a: Array, b: Array, *, share: float = 0.5
) -> tuple[Array, Array]:
    """Return da and db: dy for the larger one; of equal ones, a receives a share of it."""
    zero = np.zeros_like(dy)
    da, db = chosen(a, b, dy, zero, share), chosen(a, b, zero, dy, share)
    return sum_to_shape(da, a.shape), sum_to_shape(db, b.shape)


def maximum_forward_of_difference(a: Array, b: Array) -> Array:
    """Return the larger of a and b, with the tangent db + (da - db) where a is larger.

    Only the tangent differs: it is rounded.
    """
    share = np.where(a > b, 1, np.where(a < b, 0, 0.5))
    return with_tangent(np.maximum(a, b), b + share * (a - b))


def minimum_forward_of_difference(a: Array, b: Array) -> Array:
    """Return the smaller of a and b, likewise."""
    return -maximum_forward_of_difference(-a, -b)


def maximum_forward_at_ties(a: Array, b: Array, *, share: float) -> Array:
    """Return the larger of a and b; of equal ones, with a share of a's tangent and the rest of b's.

    Only the tangent differs: it goes where `maximum_backward` takes dy from.
    """
    return with_tangent(np.maximum(a, b), chosen(a, b, a, b, share))


def minimum_forward_at_ties(a: Array, b: Array, *, share: float) -> Array:
    """Return the smaller of a and b, likewise."""
    return -maximum_forward_at_ties(-a, -b, share=share)


def minimum_forward(a: Array, b: Array) -> Array:
    """Return the smaller of a and b, entry by entry; they broadcast."""
    return np.minimum(a, b)


def minimum_backward(
    dy: Array, y: Array, a: Array, b: Array, *, share: float = 0.5
) -> tuple[Array, Array]:
    """Return da and db: dy for the smaller one; of equal ones, a receives a share of it."""
    return maximum_backward(dy, y, -a, -b, share=share)


def chosen(a: Array, b: Array, larger: Array, smaller: Array, share: float) -> Array:
    """Return `larger` where a > b, `smaller` where a < b, and a share of the way between them."""
    return either_side(a - b, larger, smaller, share)


def where_forward(a: Array, b: Array, *, condition: Array) -> Array:
    """Return a where the condition (booleans) holds, else b; all three broadcast."""
    return np.where(condition, a, b)


def where_backward(
    dy: Array, y: Array, a: Array, b: Array, *, condition: Array
) -> tuple[Array, Array]:
    """Return da and db: dy where the operand was chosen, else zero."""
    da, db = np.where(condition, dy, 0), np.where(condition, 0, dy)
    return sum_to_shape(da, a.shape), sum_to_shape(db, b.shape)


def at_ties(forward: Any, backward: Any, share: float) -> Op:
    """Return an op that takes a share of the first of equal operands."""
    return Op(partial(forward, share=share), partial(backward, share=share))


abs_ = replace(
    absolute(),
    forms={
        "slope 1 at zero": absolute(1),
        "slope -1 at zero": absolute(0),
        "x / |x|": replace(absolute(), backward=absolute_backward_of_quotient),
    },
)
clamp = replace(
    clamped(), forms={"slope 0 at its bounds": clamped(0), "slope 1/2 at its bounds": clamped(0.5)}
)
maximum = Op(
    maximum_forward,
    maximum_backward,
    forms={
        "the first of equal operands": at_ties(maximum_forward_at_ties, maximum_backward, 1),
        "the second of equal operands": at_ties(maximum_forward_at_ties, maximum_backward, 0),
        "the tangents' difference": Op(maximum_forward_of_difference, maximum_backward),
    },
)
minimum = Op(
    minimum_forward,
    minimum_backward,
    forms={
        "the first of equal operands": at_ties(minimum_forward_at_ties, minimum_backward, 1),
        "the second of equal operands": at_ties(minimum_forward_at_ties, minimum_backward, 0),
        "the tangents' difference": Op(minimum_forward_of_difference, minimum_backward),
    },
)
where = Op(where_forward, where_backward)
