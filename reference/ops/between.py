"""A point between two others, at a share of the way."""

import numpy as np

from backproof.reference.ops.functions import with_tangent
from backproof.reference.ops.op import Array, Op, sum_to_shape


def between_forward(a: Array, b: Array, share: Array) -> Array:
    """Return a + s (b - a), or where the size of the share s is 1/2 or more, b - (1 - s) (b - a).

    So both ends are exact. All three broadcast.
    """
    is_late = np.abs(share) >= 1 / 2
    return np.where(is_late, b, a) + np.where(is_late, share - 1, share) * (b - a)


def between_backward(
    dy: Array, y: Array, a: Array, b: Array, share: Array
) -> tuple[Array, Array, Array]:
    """Return da = (1 - s) dy, db = s dy and ds = (b - a) dy."""
    found = (1 - share) * dy, share * dy, (b - a) * dy
    da, db, ds = (sum_to_shape(d, x.shape) for d, x in zip(found, (a, b, share), strict=True))
    return da, db, ds


def between_forward_by_shares(a: Array, b: Array, share: Array) -> Array:
    """Return the same with the tangent of (1 - s) a + s b: only the tangent differs."""
    return with_tangent(between_forward(a, b, share), (1 - share) * a + share * b)


between = Op(
    between_forward,
    between_backward,
    forms={"the tangent by shares": Op(between_forward_by_shares, between_backward)},
)
