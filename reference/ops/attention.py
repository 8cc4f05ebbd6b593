"""Attention: of places to each other, or to earlier ones alone.

Shapes: B batch, H heads, T time, S that of keys and values, D features of a head.

Source: Vaswani et al., Attention Is All You Need (2017), sec. 3.2.1, eq. 1.
"""

import numpy as np

from backproof.reference.ops.functions import stop, stored
from backproof.reference.ops.op import Array, Op, sum_to_shape
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


def attention_forward(
    q: Array,
    k: Array,
    v: Array,
    bias: Array | None = None,
    *,
    causal: bool = True,
    seen: Array | None = None,
    scale: float | None = None,
) -> Array:
    """Return softmax(q k^T / sqrt D + bias, masked) v, (B, H, T, D), in one link.

    q: (B, H, T, D). k, v: (B, H/G, S, D); G heads of q, one after another, share one of theirs.
    bias: broadcasts to (B, H, T, S), or is left out; its entries are finite.
    causal: whether a place of q is hidden from all later ones of k. seen: booleans, (T, S) or more
    axes: which places each row sees, at least one; or None: all. scale: for 1 / sqrt D.
    """
    k, v = (shared(a, q) for a in (k, v))
    return weights(q, k, bias, causal=causal, seen=seen, scale=scale) @ v


def attention_backward(
    dy: Array,
    y: Array,
    q: Array,
    k: Array,
    v: Array,
    bias: Array | None = None,
    *,
    causal: bool = True,
    seen: Array | None = None,
    scale: float | None = None,
) -> tuple[Array, ...]:
    """Return dq, dk, dv and, if there is a bias, its gradient, in their shapes."""
    keys, values = (shared(a, q) for a in (k, v))
    p = weights(q, keys, bias, causal=causal, seen=seen, scale=scale)
    # 1. y = p v, a matrix product.
    dp, dv = dy @ np.swapaxes(values, -1, -2), np.swapaxes(p, -1, -2) @ dy
    # 2. p is the softmax of the masked scores, and zero where masked: so is ds.
    (ds,) = softmax_backward(dp, p, p)
    # 3. s = q k^T / sqrt D + bias.
    dqk = scaled(ds, q, scale)
    dq, dk = dqk @ keys, np.swapaxes(dqk, -1, -2) @ q
    # 4. Heads of k and v that several heads of q share receive from all of them.
    found = (dq, summed(dk, k), summed(dv, v))
    return found if bias is None else (*found, sum_to_shape(ds, bias.shape))


def attention_forward_stored(
    q: Array,
    k: Array,
    v: Array,
    bias: Array | None = None,
    *,
    causal: bool = True,
    seen: Array | None = None,
    scale: float | None = None,
) -> Array:
    """Return the same, from weights that are rounded before the product, as fused kernels do.

    Source: Dao et al., FlashAttention (2022), algorithm 2, with the weights in the precision of v.
    """
    k, v = (shared(a, q) for a in (k, v))
    return stored(weights(q, k, bias, causal=causal, seen=seen, scale=scale)) @ v


def attention_backward_stored(
    dy: Array,
    y: Array,
    q: Array,
    k: Array,
    v: Array,
    bias: Array | None = None,
    *,
    causal: bool = True,
    seen: Array | None = None,
    scale: float | None = None,
) -> tuple[Array, ...]:
    """Return the same, with rounded weights, and ds from the output (the same, algorithm 4).

    1. sum_j dp[j] p[j] = sum_j <dy, v[j]> p[j] = <dy, y>.
    """
    keys, values = (shared(a, q) for a in (k, v))
    p = weights(q, keys, bias, causal=causal, seen=seen, scale=scale)
    dp, dv = dy @ np.swapaxes(values, -1, -2), np.swapaxes(stored(p), -1, -2) @ dy
    ds = p * (dp - np.sum(dy * y, axis=-1, keepdims=True))
    dqk = stored(scaled(ds, q, scale))
    dq, dk = dqk @ keys, np.swapaxes(dqk, -1, -2) @ q
    found = (dq, summed(dk, k), summed(dv, v))
    return found if bias is None else (*found, sum_to_shape(stored(ds), bias.shape))


def shared(a: Array, q: Array) -> Array:
    """Return keys or values (B, H/G, S, D) with each head repeated G times, (B, H, S, D)."""
    times = q.shape[-3] // a.shape[-3]
    return a if times == 1 else np.repeat(a, times, axis=a.ndim - 3)


def summed(d: Array, a: Array) -> Array:
    """Return the sum of cotangents (B, H, S, D) over the heads that share one of a's."""
    if d.shape == a.shape:
        return d
    *batch, heads, S, D = a.shape
    return np.sum(d.reshape(*batch, heads, d.shape[-3] // heads, S, D), axis=len(batch) + 1)


def scaled(scores: Array, q: Array, scale: float | None) -> Array:
    """Return scores divided by sqrt D, or times a scale."""
    return scores / q.shape[-1] ** 0.5 if scale is None else scale * scores


def weights(
    q: Array,
    k: Array,
    bias: Array | None = None,
    *,
    causal: bool = True,
    seen: Array | None = None,
    scale: float | None = None,
) -> Array:
    """Return the softmax of the scores that are seen, (B, H, T, S).

    A hidden score is 10,000 below the largest score seen, however low that is: e^-10000 is zero.
    """
    scores = scaled(q @ np.swapaxes(k, -1, -2), q, scale)
    if bias is not None:
        scores = scores + bias
    mask = visible(scores, causal=causal, seen=seen)
    if mask is None:
        return softmax_forward(scores)
    lowest = -np.max(-scores, axis=-1, keepdims=True)  # no higher than any score that is seen
    highest = np.max(np.where(mask, scores, lowest), axis=-1, keepdims=True)
    return softmax_forward(np.where(mask, scores, stop(highest) - 1e4))


def visible(scores: Array, *, causal: bool, seen: Array | None) -> Array | None:
    """Return which places each row sees, booleans that broadcast to scores; None if all."""
    if not causal:
        return seen
    return earlier(scores) if seen is None else earlier(scores) & seen


causal_mask = Op(causal_mask_forward, causal_mask_backward)
attention = Op(
    attention_forward,
    attention_backward,
    forms={"weights rounded": Op(attention_forward_stored, attention_backward_stored)},
)
