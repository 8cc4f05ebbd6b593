"""Adafactor (Shazeer and Stern 2018): the second moment of a matrix from its rows and columns."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import (
    Formula,
    Optimizer,
    Shapes,
    each,
    in_shape,
    prepared,
)

Shape = tuple[int, ...]

Axes = Callable[[Shape], tuple[int, int]]
"""From a shape to the axis along which rows are counted, and the axis along which a row lies."""


def adafactor(
    lr: float = 1.0,
    decay_rate: float = 0.8,
    clipping_threshold: float = 1.0,
    weight_decay: float = 0.0,
    *,
    eps: float = 1e-30,
    momentum: float = 0.0,
    multiply_by_parameter_scale: bool = True,
    factored: bool = True,
) -> Optimizer:
    """Return w - (step + weight_decay w), where step = lr scale u, and u = g / sqrt(v) is clipped.

    1. v is a mean of g^2 + eps, with beta2 = 1 - t^-decay_rate. Of a matrix only the means of rows
       and of columns are kept, and v = row column / mean(row).
    2. u is divided by RMS(u) / clipping_threshold where that is above 1.
    3. scale = max(0.001, RMS(w)), or 1 where the step is not multiplied by it.
    4. With momentum, the step is a mean of steps, which starts at zero and is not corrected.

    factored: whether all parameters are; an array of more than two axes along its two largest.
    Source: Shazeer and Stern 2018, alg. 4 (matrices) and 5 (vectors), where lr is called rho, and
    sums take the place of means, which changes nothing.
    """
    scale = parameter_scale(1e-3)
    lines: dict[str, Formula] = {
        **moments(lambda g: g * g + eps, largest if factored else None),
        "u": lambda g, v: g / np.sqrt(v),
        "capped": capped(clipping_threshold),
        "step": lambda w, capped, shapes: lr * scale(w, shapes) * capped,
    }
    if not multiply_by_parameter_scale:
        lines["step"] = lambda capped: lr * capped
    if momentum:  # the mean of the steps takes the place of the step
        lines["b"] = lambda b, step: momentum * b + (1 - momentum) * step
        lines["w"] = lambda w, b: w - (b + weight_decay * w)
    else:
        lines["w"] = lambda w, step: w - (step + weight_decay * w)
    start = dict.fromkeys([*states(factored=factored), *(["b"] if momentum else [])], 0.0)
    return Optimizer(lines, start, {"beta2": lambda t: 1 - t ** (-decay_rate)})


def adafactor_clamped(
    lr: float = 1e-2,
    decay_rate: float = 0.8,
    clipping_threshold: float = 1.0,
    weight_decay: float = 0.0,
    *,
    eps: float = 2.0**-52,
    min_scale: float = 1e-3,
    maximize: bool = False,
    factored: bool = True,
) -> Optimizer:
    """Return w - lr weight_decay w - rho scale u: eps is a bound, and is added to nothing.

    v = row column / max(mean(row), eps), u = g / max(sqrt(v), eps), rho = min(lr, 1 / sqrt(t)),
    scale = max(min_scale, RMS(w)); all else is as of `adafactor`. An array of more than two axes is
    factored along its last two. Source: Shazeer and Stern 2018, alg. 4 and 5, but for eps.
    """
    scale = parameter_scale(min_scale)
    axes = last_two if factored else None

    def w(w: Any, capped: Any, rho: Any, shapes: Shapes) -> Any:
        return w * (1 - lr * weight_decay) - rho * scale(w, shapes) * capped

    return Optimizer(
        lines={
            **prepared(0, maximize=maximize),
            **moments(lambda g: g * g, axes, eps),
            "u": lambda g, v: g / np.sqrt(np.maximum(v, eps * eps + 0 * v)),
            "capped": capped(clipping_threshold),
            "w": w,
        },
        start=dict.fromkeys(states(factored=factored), 0.0),
        scalars={
            "beta2": lambda t: 1 - t ** (-decay_rate),
            "rho": lambda t: np.minimum(lr, 1 / np.sqrt(t)),
        },
        forms={"mean by interpolation": moments(lambda g: g * g, axes, eps, interpolates=True)},
    )


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
