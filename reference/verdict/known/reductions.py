"""What reductions are known to compute instead. Shapes as in `reference.ops.reductions`."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.reductions import axes_of, count, from_rows, kept, rows_of


def each_of_equal() -> dict[str, Op]:
    """Return extremes of which each of equal entries receives all of dy."""

    def largest(dy: Array, y: Array, x: Array, *, axis: Any = None, **_: Any) -> tuple[Array]:
        rows = rows_of(x, axis)
        is_less = rows < np.max(rows, axis=-1, keepdims=True)
        received = np.reshape(dy, np.shape(rows)[:-1])[..., None]
        return (from_rows(np.where(is_less, 0, received), x, axis),)

    def smallest(dy: Array, y: Array, x: Array, **options: Any) -> tuple[Array]:
        return largest(dy, -y, -x, **options)

    backward: dict[str, Any] = {"max": largest, "min": smallest}
    return {name: replace(OPS[name], backward=one) for name, one in backward.items()}


def correction_of_each_axis() -> dict[str, Op]:
    """Return the variance divided by the product of all n_i - correction, over n_i of each axis.

    It is that of n - correction, n the product of all n_i, times a constant.
    """
    right = OPS["variance"]

    def share(x: Array, axis: Any, correction: int) -> float:
        sides = [np.shape(x)[i] - correction for i in axes_of(x, axis)]
        return (count(x, axis) - correction) / prod(sides)

    def forward(x: Array, *, axis: Any = None, correction: int = 1, **keepdims: bool) -> Array:
        own = {"axis": axis, "correction": correction}
        return right.forward(x, **own, **keepdims) * share(x, axis, correction)

    def backward(
        dy: Array, y: Array, x: Array, *, axis: Any = None, correction: int = 1, **_: Any
    ) -> tuple[Array]:
        (dx,) = right.backward(dy, y, x, axis=axis, correction=correction)
        return (dx * share(x, axis, correction),)

    return {"variance": replace(right, forward=forward, backward=backward)}


def square_of_deviation() -> dict[str, Op]:
    """Return the variance s^2, whose derivative is NaN where s is zero."""
    right = OPS["variance"]

    def backward(dy: Array, y: Array, x: Array, **options: Any) -> tuple[Array]:
        (dx,) = right.backward(dy, y, x, **options)
        return (np.where(kept(y, x, options.get("axis")) > 0, dx, np.nan * dx),)

    return {"variance": replace(right, backward=backward)}
