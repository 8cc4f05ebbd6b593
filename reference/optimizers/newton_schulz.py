"""The Newton-Schulz iteration of Muon (Jordan et al. 2024), and the step that it ends with."""

from math import sqrt
from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Formula, Shapes, in_shape, reading

Shape = tuple[int, ...]


def newton_schulz(coefficients: tuple[float, float, float], steps: int) -> dict[str, Formula]:
    """Return the lines x1, x2, ...: each a step x <- a x + (b x x^T + c (x x^T)^2) x.

    The step of the transpose is the transpose of the step, so that either may be computed.
    """
    a, b, c = coefficients

    def wide(x: Any) -> Any:
        gram = x @ np.swapaxes(x, -1, -2)
        return a * x + (b * gram + c * (gram @ gram)) @ x

    def step(shape: Shape, x: Any) -> Any:
        rows, columns = shape
        if rows <= columns:
            return wide(x)
        return np.swapaxes(wide(np.swapaxes(x, -1, -2)), -1, -2)

    def line(x: Any, shapes: Shapes) -> Any:
        return in_shape(step, shapes, x)

    return {f"x{n + 1}": reading(line, f"x{n}", "shapes") for n in range(steps)}


def ratio_of(shape: Shape, consistent_rms: float) -> float:
    """Return sqrt(max(1, rows / columns)), or consistent_rms sqrt(max(rows, columns)).

    Source: Jordan et al. 2024; Liu et al. 2025, eq. 4 (consistent_rms).
    """
    rows, columns = shape
    return consistent_rms * sqrt(max(shape)) if consistent_rms else sqrt(max(1, rows / columns))


def updated(steps: int, ratio: Any, f: Formula) -> Formula:
    """Return the line of w: f of w and of the last x times its ratio, which is of the shape."""

    def w(w: Any, x: Any, shapes: Shapes) -> Any:
        return f(w, in_shape(lambda shape, x: ratio(shape) * x, shapes, x))

    return reading(w, "w", f"x{steps}", "shapes")


def frobenius(a: Any) -> Any:
    """Return the root of the sum of squares of the last two axes, (..., 1, 1)."""
    return np.sqrt(np.sum(a * a, axis=(-2, -1), keepdims=True))
