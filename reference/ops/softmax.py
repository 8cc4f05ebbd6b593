"""Softmax and its logarithm, over one axis, the last by default.

Shapes: B batch (any number of leading axes), O outputs; with another `axis`, O stands there.
"""

import numpy as np

from backproof.reference.ops.functions import stop
from backproof.reference.ops.op import Array, Op


def softmax_forward(y: Array, *, axis: int = -1) -> Array:
    """Return p = e^y / sum e^y over the last axis, (..., O), for logits y (..., O).

    The largest logit is subtracted first: the result is the same, and e^y cannot overflow. The
    derivative is the same too, with that logit taken for a constant.
    """
    e = np.exp(y - stop(np.max(y, axis=axis, keepdims=True)))
    return e / np.sum(e, axis=axis, keepdims=True)


def softmax_backward(dp: Array, p: Array, y: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dy, (..., O) (Bishop 2006, eq. 4.106).

    1. dp[o]/dy[k] = p[o] ([o = k] - p[k]).
    2. So dy[k] = p[k] (dp[k] - sum_o dp[o] p[o]).
    """
    return (p * (dp - np.sum(dp * p, axis=axis, keepdims=True)),)


def softmax_backward_expanded(dp: Array, p: Array, y: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dy[k] = dp[k] p[k] - p[k] sum_o dp[o] p[o]: the same, multiplied out."""
    product = dp * p
    return (product - p * np.sum(product, axis=axis, keepdims=True),)


def softmax_backward_from_input(dp: Array, p: Array, y: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dy from p computed again, and from dp less that of the largest p, d.

    1. The probabilities of a row sum to 1: so dp[k] - sum_o dp[o] p[o] is the same for d.
    2. At the largest p, which may be rounded to 1, d is zero: nothing of it has to cancel.
    """
    again, d = softmax_forward(y, axis=axis), dp - at_largest(y, dp, axis)
    return (again * (d - np.sum(d * again, axis=axis, keepdims=True)),)


def at_largest(y: Array, a: Array, axis: int = -1) -> Array:
    """Return the entry of a that stands where y is largest in its row, (B, 1)."""
    y, a = np.swapaxes(y, axis, -1), np.swapaxes(a, axis, -1)
    rows = np.indices(y.shape[:-1], sparse=True)
    return np.swapaxes(a[(*rows, np.argmax(y, axis=-1))][..., None], axis, -1)


def log_softmax_forward(y: Array, *, axis: int = -1) -> Array:
    """Return log p = y - log sum e^y over the last axis, (..., O), likewise without overflow."""
    shifted = y - stop(np.max(y, axis=axis, keepdims=True))
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def log_softmax_backward(dlogp: Array, logp: Array, y: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dy, (..., O).

    1. dlogp[o]/dy[k] = [o = k] - p[k].
    2. So dy[k] = dlogp[k] - p[k] sum_o dlogp[o].
    """
    return (dlogp - np.exp(logp) * np.sum(dlogp, axis=axis, keepdims=True),)


def log_softmax_backward_from_input(
    dlogp: Array, logp: Array, y: Array, *, axis: int = -1
) -> tuple[Array]:
    """Return dy from p computed again: where log p is far below 0, its rounding is much of p."""
    total = np.sum(dlogp, axis=axis, keepdims=True)
    return (dlogp - softmax_forward(y, axis=axis) * total,)


softmax = Op(
    softmax_forward,
    softmax_backward,
    forms={
        "softmax' multiplied out": Op(softmax_forward, softmax_backward_expanded),
        "softmax' from the input": Op(softmax_forward, softmax_backward_from_input),
    },
)
log_softmax = Op(
    log_softmax_forward,
    log_softmax_backward,
    forms={"log softmax' from the input": Op(log_softmax_forward, log_softmax_backward_from_input)},
)
