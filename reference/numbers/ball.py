"""Ball: what any correct evaluation in a given precision may return.

A Ball is an array of midpoints and radii (Rump, Fast and parallel interval arithmetic, BIT 39,
1999). Plain NumPy code runs on it. Each operation encloses both the exact result for all
operands inside their balls and what one correct evaluation in the ball's precision makes of
it, in any order of summation:

    radius = (what the operands' radii cause) + (one operation's rounding, bounded by the
             largest magnitude that the result can have) + (underflow)

Midpoints are computed in float64, so float64's own rounding is part of every radius, on top of
the modelled precision's: below, U = u + u64 is the sum of the two unit roundoffs.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from reference.numbers.precision import FLOAT64, Precision
from reference.ops import Array


class Ball(NDArrayOperatorsMixin):
    """An array of balls [mid - rad, mid + rad].

    mid, rad:  float64 arrays of one shape; rad >= 0, and infinite where nothing is known.
    precision: whose rounding the operations model.
    """

    def __init__(self, mid: Any, rad: Any, precision: Precision) -> None:
        """Take what has the shape of mid, or broadcasts to it."""
        self.mid: Array = np.asarray(mid, dtype=np.float64)
        self.rad: Array = np.broadcast_to(np.asarray(rad, dtype=np.float64), self.mid.shape)
        self.precision = precision

    @classmethod
    def rounded(cls, values: Any, precision: Precision) -> "Ball":
        """Return the balls in which any correct rounding of `values` lies.

        values: decimal strings or floats, an array or nested lists.
        """
        a = np.asarray(values)
        mid = np.array([float(Fraction(x)) for x in a.ravel().tolist()]).reshape(a.shape)
        return cls(mid, _rounding(np.abs(mid), _unit(precision), precision), precision)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.mid.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.mid.ndim

    @property
    def T(self) -> "Ball":
        """The transpose."""
        return Ball(self.mid.T, self.rad.T, self.precision)

    def __getitem__(self, index: Any) -> "Ball":
        return Ball(self.mid[index], self.rad[index], self.precision)

    def __repr__(self) -> str:
        return f"Ball({self.mid}, +- {self.rad}, {self.precision.name})"

    def contains(self, values: Any) -> Array:
        """Return, entry by entry, whether `values` lie inside; NaN lies nowhere."""
        return np.asarray(np.abs(np.asarray(values, dtype=np.float64) - self.mid) <= self.rad)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        rule = _UFUNCS.get(ufunc)
        if rule is None or method != "__call__" or kwargs:
            return NotImplemented
        balls = [x if isinstance(x, Ball) else Ball(x, 0, self.precision) for x in inputs]
        with np.errstate(over="ignore", invalid="ignore"):
            return rule(*balls, self.precision)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(func)
        return NotImplemented if rule is None else rule(*args, **kwargs)


def _unit(p: Precision) -> float:
    return p.u + FLOAT64.u


def _gamma(n: int, p: Precision) -> float:
    """gamma_n for both roundings at once: of the modelled precision, and float64's of mid."""
    U = _unit(p)
    return n * U / (1 - n * U) if n * U < 1 else np.inf


def _rounding(magnitude: Array, relative: float, p: Precision) -> Array:
    return relative * magnitude + p.minimum


def _up(rad: Array, n: int = 1) -> Array:
    """Return rad made larger by what its own float64 evaluation may have lost.

    n: the terms of its longest sum. No rule below rounds more than n + 15 times, one after another.
    """
    return rad * (1 + FLOAT64.gamma(n + 15))


def _negative(a: Ball, p: Precision) -> Ball:
    return Ball(-a.mid, a.rad, p)


def _sum_of(mid: Array, a: Ball, b: Ball, p: Precision) -> Ball:
    rad = a.rad + b.rad
    return Ball(mid, _up(rad + _rounding(np.abs(mid) + rad, _unit(p), p)), p)


def _add(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(a.mid + b.mid, a, b, p)


def _subtract(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(a.mid - b.mid, a, b, p)


def _multiply(a: Ball, b: Ball, p: Precision) -> Ball:
    # |xy - mid_x mid_y| <= |mid_x| rad_y + rad_x |mid_y| + rad_x rad_y
    mid = a.mid * b.mid
    rad = np.abs(a.mid) * b.rad + a.rad * (np.abs(b.mid) + b.rad)
    return Ball(mid, _up(rad + _rounding(np.abs(mid) + rad, _unit(p), p)), p)


def _divide(a: Ball, b: Ball, p: Precision) -> Ball:
    # |x/y - mid_x/mid_y| <= (|mid_x| rad_y + rad_x |mid_y|) / (|mid_y| min|y|)
    smallest = np.abs(b.mid) - b.rad
    with np.errstate(divide="ignore"):
        mid = a.mid / b.mid
        rad = (np.abs(a.mid) * b.rad + a.rad * np.abs(b.mid)) / (np.abs(b.mid) * smallest)
    relative = p.ulps(p.divide) + FLOAT64.u
    rad = _up(rad + _rounding(np.abs(mid) + rad, relative, p))
    return Ball(mid, np.where(smallest > 0, rad, np.inf), p)


def _matmul(a: Ball, b: Ball, p: Precision) -> Ball:
    # Higham, sec. 3.5: |fl(AB) - AB| <= gamma_n |A| |B|, n the inner dimension.
    n = a.shape[-1]
    mid, size = a.mid @ b.mid, np.abs(a.mid) @ np.abs(b.mid)
    spread = np.abs(a.mid) @ b.rad + a.rad @ (np.abs(b.mid) + b.rad)
    return Ball(mid, _up(spread + _gamma(n, p) * (size + spread) + n * p.minimum, n), p)


def _exp(a: Ball, p: Precision) -> Ball:
    # e^(mid +- rad) is at most e^mid (e^rad - 1) away from e^mid.
    mid = np.exp(a.mid)
    rad = mid * np.expm1(a.rad)
    relative = p.ulps(p.exp) + FLOAT64.ulps(FLOAT64.exp)
    return Ball(mid, _up(rad + _rounding(mid + rad, relative, p)), p)


def _sum(a: Ball, axis: int | None = None, *, keepdims: bool = False) -> Ball:
    # Higham, sec. 4.2: |fl(sum x) - sum x| <= gamma_n sum |x|, in any order of summation.
    def add(x: Array) -> Array:
        return np.sum(x, axis=axis, keepdims=keepdims)

    mid, size, spread = add(a.mid), add(np.abs(a.mid)), add(a.rad)
    n = a.mid.size // max(mid.size, 1)
    p = a.precision
    return Ball(mid, _up(spread + _gamma(n, p) * (size + spread) + n * p.minimum, n), p)


def _ones_like(a: Ball) -> Ball:
    return Ball(np.ones(a.shape), 0, a.precision)


_UFUNCS: dict[Any, Callable[..., Ball]] = {
    np.negative: _negative,
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.divide: _divide,
    np.matmul: _matmul,
    np.exp: _exp,
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _sum,
    np.ones_like: _ones_like,
    np.ndim: lambda a: a.ndim,
}
