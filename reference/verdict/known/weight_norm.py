"""What weight norm is known to compute instead. Shapes as in `reference.ops.weight_norm`."""

from dataclasses import replace

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import stop
from backproof.reference.ops.weight_norm import direction, others


def length_constant_in_second_order() -> dict[str, Op]:
    """Return weight norm whose gradients take the length n = ||v|| for a constant.

    dg = sum(dw v) / n and dv = g / n (dw - v sum(dw v) / n^2) are right as they stand. With n for a
    constant, sum(dv v') + sum(dg g'), of the tangents v' and g', has the gradient by v
    g' dw / n - g / n^3 (v' sum(dw v) + dw sum(v v')). The other gradients are right.
    """

    def backward(dw: Array, w: Array, v: Array, g: Array, *, dim: int = 0) -> tuple[Array, Array]:
        fixed, gain, d, (_, n) = stop(v), stop(g), stop(dw), direction(stop(v), dim)

        def total(x: Array) -> Array:
            return np.sum(x, axis=others(v, dim), keepdims=True)

        from_v, from_g = v - fixed, g - gain  # zeros whose tangents are v' and g'
        dv = gain / n * (dw - fixed * (total(dw * fixed) / (n * n)))
        moved = from_v * total(d * fixed) + d * total(fixed * from_v)
        dv = dv + from_g * d / n - gain / (n * n * n) * moved
        return dv, OPS["weight_norm"].backward(dw, w, v, g, dim=dim)[1]

    return {"weight_norm": replace(OPS["weight_norm"], backward=backward)}
