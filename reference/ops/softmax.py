"""Softmax and its logarithm, over the last axis.

Shapes: B batch (any number of leading axes), O outputs.
"""

import numpy as np

from backproof.reference.ops.functions import stop
from backproof.reference.ops.op import Array, Op


def softmax_forward(y: Array) -> Array:
    """Return p = e^y / sum e^y over the last axis, (B, O), for logits y (B, O).

    The largest logit is subtracted first: the result is the same, and e^y cannot overflow. The
    derivative is the same too, with that logit taken for a constant.
    """
    e = np.exp(y - stop(np.max(y, axis=-1, keepdims=True)))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_backward(dp: Array, p: Array, y: Array) -> tuple[Array]:
    """Return dy, (B, O) (Bishop 2006, eq. 4.106).

    1. dp[o]/dy[k] = p[o] ([o = k] - p[k]).
    2. So dy[k] = p[k] (dp[k] - sum_o dp[o] p[o]).
    """
    return (p * (dp - np.sum(dp * p, axis=-1, keepdims=True)),)


def softmax_backward_expanded(dp: Array, p: Array, y: Array) -> tuple[Array]:
    """Return dy[k] = dp[k] p[k] - p[k] sum_o dp[o] p[o]: the same, multiplied out."""
    product = dp * p
    return (product - p * np.sum(product, axis=-1, keepdims=True),)


def log_softmax_forward(y: Array) -> Array:
    """Return log p = y - log sum e^y over the last axis, (B, O), likewise without overflow."""
    shifted = y - stop(np.max(y, axis=-1, keepdims=True))
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def log_softmax_backward(dlogp: Array, logp: Array, y: Array) -> tuple[Array]:
    """Return dy, (B, O).

    1. dlogp[o]/dy[k] = [o = k] - p[k].
    2. So dy[k] = dlogp[k] - p[k] sum_o dlogp[o].
    """
    return (dlogp - np.exp(logp) * np.sum(dlogp, axis=-1, keepdims=True),)


softmax = Op(
    softmax_forward,
    softmax_backward,
    forms={"softmax' multiplied out": Op(softmax_forward, softmax_backward_expanded)},
)
log_softmax = Op(log_softmax_forward, log_softmax_backward)
