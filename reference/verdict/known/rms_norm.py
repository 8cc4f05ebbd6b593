"""What RMS norm is known to compute instead, with r = (mean x^2 + eps)^(-1/2).

Shapes as in `reference.ops.normalization`; y = gamma xhat, xhat = x r, and d = dE/dxhat = gamma dy.
"""

from dataclasses import replace

import numpy as np

from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.numbers.stepwise import cast, like, nearest
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.normalization import root_mean_square


def through_cube(d: Array, x: Array, eps: float) -> Array:
    """Return dx by dr/dx[k] = -r^3 x[k] / n, with r^3 in float32: underflow may leave no digit."""
    r = root_mean_square(x, eps)
    exactly = cast(r, FLOAT64)
    cubed = like(nearest(exactly * exactly * exactly, FLOAT32), x)
    dr = np.sum(d * x, axis=-1, keepdims=True)
    return r * d - (dr / x.shape[-1]) * cubed * x


def cubed_in_float32() -> dict[str, Op]:
    """Return RMS norm whose derivative has r^3 in float32."""
    right = OPS["rms_norm"]

    def backward(
        dy: Array, y: Array, x: Array, gamma: Array, *, eps: float = 1e-5
    ) -> tuple[Array, Array]:
        _, dgamma = right.backward(dy, y, x, gamma, eps=eps)
        return through_cube(dy * gamma, x, eps), dgamma

    return {"rms_norm": replace(right, backward=backward)}


def rms_norm_in_float32() -> dict[str, Op]:
    """Return RMS norm whose xhat, and its derivative with r^3, are those of x in float32."""

    def normalized(x: Array, eps: float) -> Array:
        narrow = cast(x, FLOAT32)
        return like(narrow * root_mean_square(narrow, eps), x)

    def forward(x: Array, gamma: Array, *, eps: float = 1e-5) -> Array:
        return gamma * normalized(x, eps)

    def backward(
        dy: Array, y: Array, x: Array, gamma: Array, *, eps: float = 1e-5
    ) -> tuple[Array, Array]:
        dx = through_cube(cast(dy * gamma, FLOAT32), cast(x, FLOAT32), eps)
        return like(dx, x), np.sum(dy * normalized(x, eps), axis=tuple(range(x.ndim - 1)))

    return {"rms_norm": Op(forward, backward)}
