"""Layer norm whose 1 / sqrt(variance + eps) is given, as a backward pass keeps it.

Shapes: x, y and dy (..., C); gamma and beta (C,); inv (..., 1).
"""

import numpy as np

from backproof.reference.ops.functions import stop
from backproof.reference.ops.normalization import mean, through_normalization
from backproof.reference.ops.op import Array, Op


def normalized_by(x: Array, inv: Array) -> tuple[Array, Array]:
    """Return xhat = (x - m) r and r, which is inv, but moves with x.

    r = (v + eps)^(-1/2), v the variance, so dr/dv = -inv^3 / 2, whatever eps is.
    """
    axes = (x.ndim - 1,)
    centered = x - mean(x, axes)
    v = mean(centered * centered, axes)
    r = inv + (stop(v) - v) * (inv * inv * inv / 2)
    return centered * r, r


def given_norm_forward(x: Array, gamma: Array, beta: Array, *, inv: Array) -> Array:
    """Return y = gamma xhat + beta."""
    return gamma * normalized_by(x, inv)[0] + beta


def given_norm_backward(
    dy: Array, y: Array, x: Array, gamma: Array, beta: Array, *, inv: Array
) -> tuple[Array, Array, Array]:
    """Return dx (..., C), dgamma and dbeta (C,), as layer norm does."""
    xhat, r = normalized_by(x, inv)
    dx = through_normalization(dy * gamma, xhat, r, (x.ndim - 1,))
    batch = tuple(range(x.ndim - 1))
    return dx, np.sum(dy * xhat, axis=batch), np.sum(dy, axis=batch)


given_norm = Op(given_norm_forward, given_norm_backward)
