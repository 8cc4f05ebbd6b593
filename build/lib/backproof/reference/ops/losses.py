"""Losses of distances: from the network's outputs and their targets to one number.

Shapes: B batch, O outputs; every loss returns a scalar, shape ().
"""

import numpy as np

from backproof.reference.ops.op import Array, Op


def half_squared_error_forward(y: Array, t: Array) -> Array:
    """Return E = 1/2 sum (t - y)^2, shape () (article, part 2; formula row 3).

    y, t: (B, O), summed over both. The article calls it "mean squared error"; nothing in it is
    a mean.
    """
    e = t - y
    return 0.5 * np.sum(e * e)


def half_squared_error_backward(dE: Array, E: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O) (article, step 3.1, term 1)."""
    # 1. dE/de = 1/2 * 2 e: the 1/2 cancels the exponent.
    de = dE * (t - y)
    # 2. e = t - y, so de/dy = -1 and de/dt = +1.
    return -de, de


def mean_squared_error_forward(y: Array, t: Array) -> Array:
    """Return E = 1/n sum (t - y)^2, shape (); n is the number of entries of y and t, (B, O)."""
    e = t - y
    return np.sum(e * e) / y.size


def mean_squared_error_backward(dE: Array, E: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O)."""
    # 1. dE/de = 2 e / n.
    de = dE * (2 * (t - y) / y.size)
    # 2. e = t - y, so de/dy = -1 and de/dt = +1.
    return -de, de


def huber_forward(y: Array, t: Array, *, delta: float = 1.0) -> Array:
    """Return the mean of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e = t - y.

    Source: Huber, Robust Estimation of a Location Parameter (1964), p. 75. y, t: (B, O).
    """
    e = t - y
    size = np.abs(e)
    return np.sum(np.where(size > delta, delta * (size - 0.5 * delta), 0.5 * e * e)) / y.size


def huber_backward(
    dE: Array, E: Array, y: Array, t: Array, *, delta: float = 1.0
) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O)."""
    # 1. dE/de = e / n where |e| <= delta, else delta sign(e) / n: e, clipped to +-delta.
    e = np.maximum(np.minimum(t - y, delta), -delta)
    de = dE * e / y.size
    # 2. e = t - y, so de/dy = -1 and de/dt = +1.
    return -de, de


half_squared_error = Op(half_squared_error_forward, half_squared_error_backward)
mean_squared_error = Op(mean_squared_error_forward, mean_squared_error_backward)
huber = Op(huber_forward, huber_backward)
