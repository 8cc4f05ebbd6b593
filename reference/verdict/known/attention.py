"""What attention is known to compute instead. Shapes as in `reference.ops.attention`."""

import numpy as np

from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.numbers.stepwise import cast, like
from backproof.reference.ops import Array, Op
from backproof.reference.ops.attention import earlier
from backproof.reference.ops.softmax import softmax_backward, softmax_forward


def softmax_in_float32() -> dict[str, Op]:
    """Return attention whose softmax is computed in float32, and its derivative too."""

    def weights(q: Array, k: Array) -> Array:
        """Return the weights p in float32, zero where a row would see a later column."""
        scores = cast(q @ np.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5, FLOAT32)
        seen = np.where(earlier(scores), scores, scores[..., :1])
        hidden = np.max(seen, axis=-1, keepdims=True) - 1e4
        return softmax_forward(np.where(earlier(scores), scores, hidden))

    def forward(q: Array, k: Array, v: Array) -> Array:
        return like(weights(q, k), v) @ v

    def backward(dy: Array, y: Array, q: Array, k: Array, v: Array) -> tuple[Array, Array, Array]:
        p = weights(q, k)
        # 1. y = p v, a matrix product in the precision of v.
        dp, dv = dy @ np.swapaxes(v, -1, -2), np.swapaxes(like(p, v), -1, -2) @ dy
        # 2. p is the softmax of the masked scores, in float32.
        (ds,) = softmax_backward(cast(dp, FLOAT32), p, p)
        # 3. s = q k^T / sqrt D.
        ds = like(ds, q) / q.shape[-1] ** 0.5
        return ds @ k, np.swapaxes(ds, -1, -2) @ q, dv

    return {"attention": Op(forward, backward)}
