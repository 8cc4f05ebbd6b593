"""Euclidean distances of all rows of one matrix to all rows of another, by a matrix product.

Shapes: a (B, N, C), b (B, M, C), y and dy (B, N, M), where B is any number of leading axes, which
broadcast. What an implementation keeps in memory between two products is `stored`.
"""

import numpy as np

from backproof.reference.ops.functions import root, stored
from backproof.reference.ops.linear_algebra import turned
from backproof.reference.ops.op import Array, Op, sum_to_shape


def distances_forward(a: Array, b: Array) -> Array:
    """Return y[n, m] = ||a[n] - b[m]|| = sqrt(||a[n]||^2 + ||b[m]||^2 - 2 a[n] b[m]).

    All three are one product of longer rows, in any order. It cancels where rows are near each
    other; what is below zero then, is zero.
    """
    a_square, b_square = (stored(np.sum(stored(x * x), axis=-1, keepdims=True)) for x in (a, b))
    longer_a = np.concatenate([-2 * a, a_square, np.ones_like(a_square)], axis=-1)
    longer_b = np.concatenate([b, np.ones_like(b_square), b_square], axis=-1)
    return root(stored(longer_a @ turned(longer_b)))


def distances_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da[n] = sum over m of s (a[n] - b[m]), and db[m] = sum over n of s (b[m] - a[n]).

    1. dy[n, m]/da[n] = (a[n] - b[m]) / y, so s = dy / y; at y = 0 it is zero, a subgradient.
    2. Multiplied out, da = a sum s - s b and db = b sum s - s^T a.
    """
    s = stored(np.where(y > 0, dy / np.where(y > 0, y, 1), 0))
    da, db = (
        stored(x * stored(np.sum(t, axis=-1, keepdims=True))) - stored(t @ other)
        for x, t, other in ((a, s, b), (b, turned(s), a))
    )
    return sum_to_shape(da, a.shape), sum_to_shape(db, b.shape)


distances = Op(distances_forward, distances_backward)
