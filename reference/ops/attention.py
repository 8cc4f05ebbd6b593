"""Causal self-attention: no place sees a later one.

Shapes: B batch, H heads, T time, D features of a head.

Source: Vaswani et al., Attention Is All You Need (2017), sec. 3.2.1, eq. 1.
"""

import numpy as np

from backproof.reference.ops.functions import stop, stored
from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.softmax import softmax_backward, softmax_forward


def causal_mask_forward(scores: Array, *, fill: float = -1e4) -> Array:
    """Return scores (..., T, T) with `fill` where a row would see a later column.

    e^-10000 is zero in every precision, and -10000 a finite number in all of them.
    """
    return np.where(earlier(scores), scores, fill)


def causal_mask_backward(dy: Array, y: Array, scores: Array, *, fill: float = -1e4) -> tuple[Array]:
    """Return dscores: dy where it was let through, else 0."""
    return (np.where(earlier(scores), dy, 0),)


def earlier(scores: Array) -> Array:
    """Return which columns each row may see, (T, T): its own and all earlier ones."""
    return np.tri(scores.shape[-2], scores.shape[-1], dtype=bool)


def attention_forward(q: Array, k: Array, v: Array) -> Array:
    """Return softmax(q k^T / sqrt D, masked) v, (B, H, T, D), in one link.

    q, k, v: (B, H, T, D).
    """
    return weights(q, k) @ v


def attention_backward(
    dy: Array, y: Array, q: Array, k: Array, v: Array
) -> tuple[Array, Array, Array]:
    """Return dq, dk and dv, each (B, H, T, D)."""
    p = weights(q, k)
    # 1. y = p v, a matrix product.
    dp, dv = dy @ np.swapaxes(v, -1, -2), np.swapaxes(p, -1, -2) @ dy
    # 2. p is the softmax of the masked scores, and zero where masked: so is ds.
    (ds,) = softmax_backward(dp, p, p)
    # 3. s = q k^T / sqrt D.
    ds = ds / q.shape[-1] ** 0.5
    return ds @ k, np.swapaxes(ds, -1, -2) @ q, dv


def attention_forward_stored(q: Array, k: Array, v: Array) -> Array:
    """Return the same, from weights that are rounded before the product, as fused kernels do.

    Source: Dao et al., FlashAttention (2022), algorithm 2, with the weights in the precision of v.
    """
    return stored(weights(q, k)) @ v


def attention_backward_stored(
    dy: Array, y: Array, q: Array, k: Array, v: Array
) -> tuple[Array, Array, Array]:
    """Return dq, dk and dv, with rounded weights, and ds from the output (the same, algorithm 4).

    1. sum_j dp[j] p[j] = sum_j <dy, v[j]> p[j] = <dy, y>.
    """
    p = weights(q, k)
    dp, dv = dy @ np.swapaxes(v, -1, -2), np.swapaxes(stored(p), -1, -2) @ dy
    ds = p * (dp - np.sum(dy * y, axis=-1, keepdims=True))
    ds = stored(ds / q.shape[-1] ** 0.5)
    return ds @ k, np.swapaxes(ds, -1, -2) @ q, dv


def weights(q: Array, k: Array) -> Array:
    """Return the softmax of the scores that are seen, (B, H, T, T).

    A hidden score is 10,000 below the largest score seen, however low that is: e^-10000 is zero.
    """
    scores = (q @ np.swapaxes(k, -1, -2)) / q.shape[-1] ** 0.5
    seen = np.where(earlier(scores), scores, scores[..., :1])  # every row sees the first column
    hidden = stop(np.max(seen, axis=-1, keepdims=True)) - 1e4
    return softmax_forward(np.where(earlier(scores), scores, hidden))


causal_mask = Op(causal_mask_forward, causal_mask_backward)
attention = Op(
    attention_forward,
    attention_backward,
    forms={"weights rounded": Op(attention_forward_stored, attention_backward_stored)},
)
