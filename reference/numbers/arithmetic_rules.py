"""Rules of balls for sums, products and quotients of two: one rounding."""

from typing import Any

import numpy as np

from backproof.reference.numbers.ball import (
    Ball,
    least,
    nonzero_of,
    rounded_once,
    unit,
    unless_infinite,
)
from backproof.reference.numbers.precision import FLOAT64, Precision
from backproof.reference.ops import Array


def _sum_of(mid: Array, a: Ball, b: Ball, p: Precision) -> Ball:
    spread = 0.0 if a.is_exact and b.is_exact else np.asarray(a.rad + b.rad)
    return Ball(mid, unless_infinite(mid, rounded_once(mid, spread, unit(p), p), a, b), p)


def _add(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(np.asarray(a.mid + b.mid), a, b, p)


def _subtract(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(np.asarray(a.mid - b.mid), a, b, p)


def _multiply(a: Ball, b: Ball, p: Precision) -> Ball:
    # |xy - mid_x mid_y| <= |mid_x| rad_y + rad_x |mid_y| + rad_x rad_y
    spread: Any = 0.0
    if not b.is_exact:
        spread = np.abs(a.mid) * b.rad
        if not a.is_exact:
            spread += a.rad * (np.abs(b.mid) + b.rad)
    elif not a.is_exact:
        spread = a.rad * np.abs(b.mid)
    mid = np.asarray(a.mid * b.mid)
    rad = rounded_once(mid, spread, unit(p), p, lambda: nonzero_of(a) & nonzero_of(b))
    return Ball(mid, rad, p)


def _divide(a: Ball, b: Ball, p: Precision) -> Ball:
    # |x/y - mid_x/mid_y| <= (|mid_x| rad_y + rad_x |mid_y|) / (|mid_y| min|y|)
    mid, relative = np.asarray(a.mid / b.mid), p.ulps(p.divide_ulp) + FLOAT64.u
    if a.is_exact and b.is_exact:  # what is divided by zero is infinite, or NaN
        return Ball(mid, rounded_once(mid, 0.0, relative, p, lambda: nonzero_of(a)), p)
    smallest = np.abs(b.mid) - b.rad
    spread = np.asarray((np.abs(mid) * b.rad + a.rad) / smallest)
    rad = rounded_once(mid, spread, relative, p, lambda: nonzero_of(a))
    if not least(smallest) > 0:  # by what may be zero; zero itself is zero by all that is not
        is_zero = (mid == 0) & (a.mid == 0) & (np.asarray(a.rad) == 0)
        rad = np.where(smallest > 0, rad, np.where(is_zero, 0.0, np.inf))
    return Ball(mid, rad, p)


Ball.rules |= {np.add: _add, np.subtract: _subtract, np.multiply: _multiply, np.divide: _divide}
