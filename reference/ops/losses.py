"""Losses: from the network's outputs and their targets to one number.

Shapes: B batch, O outputs; every loss returns a scalar, shape ().
"""

import numpy as np

from reference.ops.op import Array, Op


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
    return np.sum(e * e) / (y.shape[0] * y.shape[1])


def mean_squared_error_backward(dE: Array, E: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O)."""
    # 1. dE/de = 2 e / n.
    de = dE * (2 * (t - y) / (y.shape[0] * y.shape[1]))
    # 2. e = t - y, so de/dy = -1 and de/dt = +1.
    return -de, de


def log_softmax(y: Array) -> Array:
    """Return log(e^y / sum e^y) over the last axis, (B, O), for logits y (B, O).

    The largest logit is subtracted first: the result is the same, and e^y cannot overflow.
    """
    shifted = y - np.max(y, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def softmax_cross_entropy_forward(y: Array, t: Array) -> Array:
    """Return E = -1/B sum t log softmax(y), shape () (Bishop 2006, eq. 4.108).

    y: logits (B, O). t: target probabilities (B, O), one-hot or not.
    """
    return -np.sum(t * log_softmax(y)) / y.shape[0]


def softmax_cross_entropy_backward(dE: Array, E: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O) (Bishop 2006, eq. 4.109)."""
    logp, scale = log_softmax(y), dE / y.shape[0]
    # 1. dlogp[o]/dy[k] = [o = k] - p[k], so -sum_o t[o] dlogp[o]/dy[k] = p[k] sum_o t[o] - t[k].
    dy = scale * (np.exp(logp) * np.sum(t, axis=-1, keepdims=True) - t)
    # 2. E is linear in t.
    return dy, -(scale * logp)


half_squared_error = Op(half_squared_error_forward, half_squared_error_backward)
mean_squared_error = Op(mean_squared_error_forward, mean_squared_error_backward)
softmax_cross_entropy = Op(softmax_cross_entropy_forward, softmax_cross_entropy_backward)
