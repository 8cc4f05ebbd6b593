"""Batch norm by moments that are known to be other ones. Shapes as in `normalization`."""

import numpy as np

from backproof.reference.numbers.precision import BFLOAT16
from backproof.reference.numbers.stepwise import like, nearest
from backproof.reference.ops import Array, Op
from backproof.reference.ops.normalization import mean
from backproof.reference.verdict.known.normalization import Axes, norms

LARGEST = float(np.finfo(np.float16).max)


def clipped_moments() -> dict[str, Op]:
    """Return batch norm whose mean and variance are clipped to float16's range, then bfloat16.

    No gradient flows through one that is clipped.
    """

    def moment(a: Array, x: Array) -> tuple[Array, Array]:
        """Return a moment as it is used, and its derivative by itself."""
        inside = np.maximum(np.minimum(a, LARGEST), -LARGEST)
        return like(nearest(inside, BFLOAT16), x), np.where(np.abs(a) > LARGEST, 0, 1)

    def statistics(x: Array, axes: Axes, eps: float) -> tuple[Array, ...]:
        c = x - mean(x, axes)
        (m, dm), (v, dv) = (moment(a, x) for a in (mean(x, axes), mean(c * c, axes)))
        inv = 1 / np.sqrt(v + eps)
        return (x - m) * inv, inv, dm, dv

    def through(d: Array, x: Array, axes: Axes, eps: float) -> Array:
        xhat, inv, dm, dv = statistics(x, axes, eps)
        return inv * (d - dm * mean(d, axes) - dv * (xhat * mean(d * xhat, axes)))

    return {"batch_norm": norms(lambda *of: statistics(*of)[0], through)["batch_norm"]}
