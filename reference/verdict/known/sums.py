"""What is known of sums: in which precision, and in which order, terms are added up."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from backproof.reference.numbers.stepwise import like, wide
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.convolution import bias_gradient
from backproof.reference.ops.op import sum_to_shape


def biases_in_turn() -> dict[str, Op]:
    """Return layers whose db is summed in the precision of dy itself, one term after another.

    Their products are accumulated in float32.
    """

    def layer(name: str, total: Callable[[Array, Array], Array]) -> Op:
        def backward(dy: Array, y: Array, *inputs: Array, **options: Any) -> tuple[Array, ...]:
            x, W, *bias = inputs
            found = OPS[name].backward(wide(dy), wide(y), wide(x), wide(W), **options)
            return (*(like(d, dy) for d in found), *(total(dy, b) for b in bias))

        return Op(OPS[name].forward, backward)

    return {
        "dense": layer("dense", lambda dy, b: sum_to_shape(dy, np.shape(b))),
        "conv": layer("conv", lambda dy, _: bias_gradient(dy)),
    }


LANES = 16
"""How many sums a processor's vector holds: 256 bits of float16."""


def shifts_in_lanes() -> dict[str, Op]:
    """Return batch norm whose dbeta is summed over images in the precision of dy itself."""
    right = OPS["batch_norm"]

    def backward(dy: Array, *operands: Array, **options: Any) -> tuple[Array, ...]:
        dx, dgamma, dbeta = right.backward(dy, *operands, **options)
        in_halves = dy.ndim == len("NCHW") and dy.shape[2] & (dy.shape[2] - 1) == 0
        return dx, dgamma, in_lanes(dy) if in_halves else dbeta

    return {"batch_norm": replace(right, backward=backward)}


def in_lanes(dy: Array) -> Array:
    """Return the sum over images, (C,); dy: (N, C, H, W), H a power of two.

    1. Each lane adds up every 16th row, the first lane on top of the sum of the images before.
    2. One half of the lanes is added to the other half, until one lane is left.
    """
    N, C, H, W = dy.shape
    lanes = min(LANES, H)
    rows = dy.reshape(N, C, H // lanes, lanes, W)
    total = 0 * dy[0, :, 0, 0]
    for image in rows:
        sums = np.where(np.arange(lanes) == 0, total[:, None], 0)
        for i, column in product(range(H // lanes), range(W)):
            sums = sums + image[:, i, :, column]
        while (half := sums.shape[1] // 2) > 0:
            sums = sums[:, :half] + sums[:, half:]
        total = sums[:, 0]
    return total
