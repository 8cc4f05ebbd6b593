"""Normalization: batch norm, layer norm, RMS norm.

Shapes: N examples, C channels or features, ... further axes; n entries are normalized together.
"""

from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops.functions import rounding
from backproof.reference.ops.op import Array, Op


def batch_norm_forward(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
    """Return y = gamma xhat + beta in training mode (Ioffe and Szegedy 2015, algorithm 1).

    x: (N, C, ...), normalized channel by channel over all other axes. gamma, beta: (C,).
    """
    axes, column = over_batch(x)
    xhat, _ = normalized(x, axes, eps)
    return gamma.reshape(column) * xhat + beta.reshape(column)


def batch_norm_forward_folded(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
    """Return y as x scale + shift; see `of_folding`."""
    axes, column = over_batch(x)
    xhat, inv = normalized(x, axes, eps)
    gamma, beta = gamma.reshape(column), beta.reshape(column)
    return gamma * xhat + beta + of_folding(x, mean(x, axes), gamma * inv, beta)


def of_folding(x: Array, m: Array, scale: Array, beta: Any) -> Any:
    """Return what is rounded besides where y is x scale + shift, shift = beta - m scale.

    This is a normalization by a mean m and scale = gamma inv, folded into one layer (Jacob et al.
    2018, sec. 3.2). An error of the scale is an error of (x - m) scale, as in the other form. In
    addition, x scale, m scale and the shift are rounded.
    """
    back = m * scale
    return rounding(x * scale) + rounding(back) + rounding(beta - back)


def batch_norm_backward(
    dy: Array, y: Array, x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return dx (N, C, ...), dgamma and dbeta (C,)."""
    axes, column = over_batch(x)
    xhat, inv = normalized(x, axes, eps)
    dx = through_normalization(dy * gamma.reshape(column), xhat, inv, axes)
    return dx, np.sum(dy * xhat, axis=axes), np.sum(dy, axis=axes)


def layer_norm_forward(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
    """Return y = gamma xhat + beta (Ba, Kiros and Hinton 2016, eq. 4).

    x: (..., C), normalized over its last axis. gamma, beta: (C,).
    """
    xhat, _ = normalized(x, (x.ndim - 1,), eps)
    return gamma * xhat + beta


def layer_norm_backward(
    dy: Array, y: Array, x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Return dx (..., C), dgamma and dbeta (C,)."""
    xhat, inv = normalized(x, (x.ndim - 1,), eps)
    dx = through_normalization(dy * gamma, xhat, inv, (x.ndim - 1,))
    batch = tuple(range(x.ndim - 1))
    return dx, np.sum(dy * xhat, axis=batch), np.sum(dy, axis=batch)


def rms_norm_forward(x: Array, gamma: Array, *, eps: float = 1e-5) -> Array:
    """Return y = gamma x / sqrt(mean x^2 + eps) (Zhang and Sennrich 2019, eq. 4).

    x: (..., C), the mean over its last axis. gamma: (C,).
    """
    return gamma * (x * root_mean_square(x, eps))


def rms_norm_backward(
    dy: Array, y: Array, x: Array, gamma: Array, *, eps: float = 1e-5
) -> tuple[Array, Array]:
    """Return dx (..., C) and dgamma (C,).

    With r = (mean x^2 + eps)^(-1/2) and xhat = x r:
    1. dr/dx[k] = -1/2 r^3 2 x[k] / n = -r^2 xhat[k] / n.
    2. dxhat[i]/dx[k] = [i = k] r - x[i] r^2 xhat[k] / n = r ([i = k] - xhat[i] xhat[k] / n).
    3. So dx = r (dxhat - xhat mean(dxhat xhat)), and dxhat = gamma dy.
    """
    r = root_mean_square(x, eps)
    xhat, dxhat = x * r, dy * gamma
    dx = r * (dxhat - xhat * mean(dxhat * xhat, (x.ndim - 1,)))
    return dx, np.sum(dy * xhat, axis=tuple(range(x.ndim - 1)))


def over_batch(x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes that batch norm normalizes over, and the shape in which (C,) broadcasts."""
    return (0, *range(2, x.ndim)), (-1, *(1 for _ in range(2, x.ndim)))


def mean(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the mean over some axes, which stay as axes of one entry."""
    return np.sum(x, axis=axes, keepdims=True) / prod(np.shape(x)[axis] for axis in axes)


def normalized(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """Return xhat = (x - mean) / sqrt(variance + eps), and 1 / sqrt(variance + eps).

    The variance is the biased one, the mean of the squared distances from the mean.
    """
    centered = x - mean(x, axes)
    inv = 1 / np.sqrt(mean(centered * centered, axes) + eps)
    return centered * inv, inv


def root_mean_square(x: Array, eps: float) -> Array:
    """Return 1 / sqrt(mean x^2 + eps) over the last axis."""
    return 1 / np.sqrt(mean(x * x, (x.ndim - 1,)) + eps)


def through_normalization(dxhat: Array, xhat: Array, inv: Array, axes: tuple[int, ...]) -> Array:
    """Return dx of xhat = (x - m) inv (Ioffe and Szegedy 2015, sec. 3, simplified).

    1. dm/dx[k] = 1/n, and dinv/dx[k] = -inv^2 xhat[k] / n: the mean of x - m is zero.
    2. dxhat[i]/dx[k] = inv ([i = k] - 1/n) - (x[i] - m) inv^2 xhat[k] / n
                      = inv ([i = k] - 1/n - xhat[i] xhat[k] / n).
    3. So dx = inv (dxhat - mean(dxhat) - xhat mean(dxhat xhat)).
    """
    return inv * (dxhat - mean(dxhat, axes) - xhat * mean(dxhat * xhat, axes))


batch_norm = Op(
    batch_norm_forward,
    batch_norm_backward,
    forms={"folded into scale and shift": Op(batch_norm_forward_folded, batch_norm_backward)},
)
layer_norm = Op(layer_norm_forward, layer_norm_backward)
rms_norm = Op(rms_norm_forward, rms_norm_backward)
