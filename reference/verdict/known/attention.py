"""What attention is known to compute instead. Shapes as in `reference.ops.attention`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.numbers.stepwise import cast, like
from backproof.reference.ops import Array, Op
from backproof.reference.ops.attention import scaled, shared, summed, visible
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.ops.softmax import softmax_backward, softmax_forward


def softmax_in_float32() -> dict[str, Op]:
    """Return attention whose softmax is computed in float32, and its derivative too."""
    return {"attention": attention_with(softmax_forward, lambda a: cast(a, FLOAT32))}


def attention_with(
    softmax: Callable[[Array], Array], narrow: Callable[[Array], Array] = lambda a: a
) -> Op:
    """Return attention by another softmax, of scores that `narrow` rounds to its precision."""

    def weights(q: Array, k: Array, *bias: Array, scale: float | None = None, **seen: Any) -> Array:
        """Return the weights p, as narrow as the scores, zero where a place is hidden."""
        scores = scaled(q @ np.swapaxes(k, -1, -2), q, scale)
        scores = narrow(sum(bias, start=scores))
        mask = visible(scores, **{"causal": True, "seen": None, **seen})
        if mask is None:
            return softmax(scores)
        lowest = -np.max(-scores, axis=-1, keepdims=True)
        hidden = np.max(np.where(mask, scores, lowest), axis=-1, keepdims=True) - 1e4
        return softmax(np.where(mask, scores, hidden))

    def forward(q: Array, k: Array, v: Array, *bias: Array, **options: Any) -> Array:
        return like(weights(q, shared(k, q), *bias, **options), v) @ shared(v, q)

    def backward(
        dy: Array, y: Array, q: Array, k: Array, v: Array, *bias: Array, **options: Any
    ) -> tuple[Array, ...]:
        keys, values = shared(k, q), shared(v, q)
        p = weights(q, keys, *bias, **options)
        # 1. y = p v, a matrix product in the precision of v.
        dp, dv = dy @ np.swapaxes(values, -1, -2), np.swapaxes(like(p, v), -1, -2) @ dy
        # 2. p is the softmax of the masked scores, in its own precision.
        (ds,) = softmax_backward(narrow(dp), p, p)
        # 3. s = q k^T / sqrt D + bias.
        ds = like(ds, q)
        dqk = scaled(ds, q, options.get("scale"))
        dq, dk = dqk @ keys, np.swapaxes(dqk, -1, -2) @ q
        found = (dq, summed(dk, k), summed(dv, v))
        return (*found, *(sum_to_shape(ds, one.shape) for one in bias))

    return Op(forward, backward)
