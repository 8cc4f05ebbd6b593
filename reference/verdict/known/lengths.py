"""What lengths, and what is divided by one, are known to hand on instead."""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.reductions import axes_of, kept, norm_forward
from backproof.reference.ops.weight_norm import others

SMALL = 1e-12
"""What is added to a length before it is divided by."""


def length_and_more() -> dict[str, Op]:
    """Return lengths n whose derivative is x / (n + 1e-12), and what is divided by a length.

    `normalize` adds its own eps.
    """

    def norm(dy: Array, y: Array, x: Array, *, axis: Any = None, keepdims: bool = False) -> Any:
        return (kept(dy, x, axis) * (x / (kept(y, x, axis) + SMALL)),)

    def normalize(du: Array, u: Array, x: Array, *, axis: Any = 1, eps: float = SMALL) -> Any:
        over = axes_of(x, axis)
        n = norm_forward(x, axis=over, keepdims=True)
        size = np.maximum(n, eps)
        dn = np.where(n < eps, 0, np.sum(du * x, axis=over, keepdims=True) / (size * size))
        return (du / size - dn * (x / (n + eps)),)

    def weight_norm(dw: Array, w: Array, v: Array, g: Array, *, dim: int = 0) -> Any:
        n = norm_forward(v, axis=others(v, dim), keepdims=True)
        dr = np.sum(dw * v, axis=others(v, dim), keepdims=True)
        return g / n * dw - dr * (g / n / n) * (v / (n + SMALL)), dr / n

    backward: dict[str, Any] = {"norm": norm, "normalize": normalize, "weight_norm": weight_norm}
    return {name: replace(OPS[name], backward=one) for name, one in backward.items()}


def never_clipped() -> dict[str, Op]:
    """Return x / max(||x||, eps) whose derivative is (dy - y <y, dy>) / max(||x||, eps^2)."""

    def backward(
        dy: Array, y: Array, x: Array, *, axis: Any = 1, eps: float = 1e-12
    ) -> tuple[Array]:
        length = np.maximum(np.sqrt(np.sum(x * x, axis=axis, keepdims=True)), eps**2)
        return ((dy - y * np.sum(y * dy, axis=axis, keepdims=True)) / length,)

    return {"normalize": replace(OPS["normalize"], backward=backward)}
