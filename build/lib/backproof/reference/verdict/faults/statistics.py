"""Normalization by other statistics than the right ones, rightly differentiated.

Shapes: x (N, C, ...) or (..., C); gamma, beta (C,); what is normalized has n entries.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops import Op
from backproof.reference.ops.normalization import mean

Axes = Callable[[Any], tuple[int, ...]]
"""x -> the axes that it is normalized over."""

Statistics = Callable[[Any, int, float], tuple[Any, Any]]
"""variance, n, eps -> 1 / sigma, and k: dx = inv (dxhat - mean(dxhat) - k xhat mean(dxhat c))."""


def usual(var: Any, n: int, eps: float) -> tuple[Any, Any]:
    """Return what is right: k = inv, for xhat = inv c."""
    inv = 1 / np.sqrt(var + eps)
    return inv, inv


def unbiased(var: Any, n: int, eps: float) -> tuple[Any, Any]:
    """Return them for the variance with n - 1, and n for a single entry."""
    factor = n / max(n - 1, 1)
    inv = 1 / np.sqrt(factor * var + eps)
    return inv, factor * inv


def epsilon_outside(var: Any, n: int, eps: float) -> tuple[Any, Any]:
    """Return them for sigma = sqrt(var) + eps, whose derivative is that of sqrt(var)."""
    root = np.sqrt(var)
    return 1 / (root + eps), 1 / root


def root_forgotten(var: Any, n: int, eps: float) -> tuple[Any, Any]:
    """Return them for sigma = var + eps, whose derivative is 2 c / n."""
    return 1 / (var + eps), 2


def constant(var: Any, n: int, eps: float) -> tuple[Any, Any]:
    """Return them for a variance of 1, whatever it is."""
    return 1 / np.sqrt(1 + eps + 0 * var), 0


def normalization(
    over: Axes, at: int, statistics: Statistics = usual, *, centered: bool = True
) -> Op:
    """Return y = gamma xhat + beta, of other statistics.

    at: the axis that C is at. centered: whether the mean is subtracted.
    """

    def parts(x: Any, eps: float) -> tuple[Any, Any, Any, Any]:
        c = x - mean(x, over(x)) if centered else x
        square = mean(c * c, over(x))
        inv, k = statistics(square, x.size // square.size, eps)
        return c, c * inv, inv, k

    def forward(x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> Any:
        xhat = parts(x, eps)[1]
        return along(gamma, x, at) * xhat + along(beta, x, at)

    def backward(
        dy: Any, y: Any, x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5
    ) -> tuple[Any, ...]:
        c, xhat, inv, k = parts(x, eps)
        dxhat = dy * along(gamma, x, at)
        d = dxhat - k * xhat * mean(dxhat * c, over(x))
        dx = inv * (d - mean(dxhat, over(x)) if centered else d)
        return dx, np.sum(dy * xhat, axis=others(x, at)), np.sum(dy, axis=others(x, at))

    return Op(forward, backward)


def along(gamma: Any, x: Any, at: int) -> Any:
    """Return gamma (C,) in the shape in which it broadcasts along an axis of x."""
    return gamma.reshape(*(-1 if i == at % x.ndim else 1 for i in range(x.ndim)))


def others(x: Any, at: int) -> tuple[int, ...]:
    """Return all axes of x but one."""
    return tuple(i for i in range(x.ndim) if i != at % x.ndim)
