"""What Adafactor keeps of a matrix, the means of its rows and columns, and what it scales by.

Source: Shazeer and Stern 2018, to whose sections and algorithms all here refer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Formula, Shapes, each, in_shape

Shape = tuple[int, ...]

Axes = Callable[[Shape], tuple[int, int]]
"""From a shape to the axis along which rows are counted, and the axis along which a row lies."""


def last_two(_: Shape) -> tuple[int, int]:
    """Return the last two axes."""
    return -2, -1


def largest(shape: Shape) -> tuple[int, int]:
    """Return the axes of the second largest and of the largest size."""
    second, first = np.argsort(shape)[-2:]
    return int(second) - len(shape), int(first) - len(shape)


def states(*, factored: bool) -> tuple[str, ...]:
    """Return the names of the states."""
    return ("row", "column") if factored else ("v",)


def moments(
    squared: Callable[[Any], Any],
    axes: Axes | None,
    eps: float = 0.0,
    *,
    interpolates: bool = False,
) -> dict[str, Formula]:
    """Return the lines of the second moment: of row and column and of v, or of v alone.

    Source: Shazeer and Stern 2018, sec. 3 and alg. 2. squared: from g to what the means are of.
    axes: those of rows and columns; None where nothing is factored. eps: the least mean of rows.
    interpolates: whether a <- beta2 a + (1 - beta2) b is computed as a + (1 - beta2) (b - a).
    """

    def average(former: Any, new: Any, beta2: Any) -> Any:
        if interpolates:
            return former + (1 - beta2) * (new - former)
        return beta2 * former + (1 - beta2) * new

    def whole(g: Any, v: Any, beta2: Any) -> Any:
        return average(v, squared(g), beta2)

    def row(g: Any, row: Any, beta2: Any, shapes: Shapes) -> Any:
        return average(row, mean(squared(g), shapes, along, 1), beta2)

    def column(g: Any, column: Any, beta2: Any, shapes: Shapes) -> Any:
        return average(column, mean(squared(g), shapes, along, 0), beta2)

    def v(row: Any, column: Any, shapes: Shapes) -> Any:
        of_rows = mean(row, shapes, along, 0)
        if eps:
            return row * column / np.maximum(of_rows, eps)
        return row / of_rows * column  # the product of two small means may underflow

    along = axes or last_two
    return {"row": row, "column": column, "v": v} if axes else {"v": whole}


def mean(a: Any, shapes: Shapes, axes: Axes, of: int) -> Any:
    """Return the mean along one of the two axes of each parameter, for all entries."""

    def along(shape: Shape, a: Any) -> Any:
        axis = axes(shape)[of]
        return np.sum(a, axis=axis, keepdims=True) / shape[axis]

    return in_shape(along, shapes, a)


def capped(threshold: float) -> Formula:
    """Return the line u <- u / max(1, RMS(u) / threshold), of each parameter (sec. 6)."""

    def capped(u: Any, shapes: Shapes) -> Any:
        return u / np.maximum(each(rms, u, shapes) / threshold, 1)

    return capped


def parameter_scale(least: float) -> Callable[[Any, Shapes], Any]:
    """Return max(least, RMS(w)) of each parameter (sec. 8)."""
    return lambda w, shapes: np.maximum(each(rms, w, shapes), least)


def rms(a: Any) -> Any:
    """Return the root of the mean of squares over the last axis, (..., 1)."""
    return np.sqrt(np.sum(a * a, axis=-1, keepdims=True) / a.shape[-1])
