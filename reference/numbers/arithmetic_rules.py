"""Rules of balls for sums, products and quotients of two: one rounding."""

import numpy as np

from backproof.reference.numbers.ball import (
    UFUNCS,
    Ball,
    least,
    nonzero_of,
    rounded_by,
    unit,
    unless_infinite,
    up,
)
from backproof.reference.numbers.precision import FLOAT64, Precision
from backproof.reference.ops import Array


def _sum_of(mid: Array, a: Ball, b: Ball, p: Precision) -> Ball:
    if a.is_exact and b.is_exact:
        rad = rounded_by(np.abs(mid), unit(p), p)
    else:
        spread, size = a.rad + b.rad, np.abs(mid)
        size += spread
        rad = rounded_by(size, unit(p), p)
        rad += spread
    return Ball(mid, unless_infinite(mid, up(rad), a, b), p)


def _add(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(np.asarray(a.mid + b.mid), a, b, p)


def _subtract(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(np.asarray(a.mid - b.mid), a, b, p)


def _multiply(a: Ball, b: Ball, p: Precision) -> Ball:
    mid = np.asarray(a.mid * b.mid)
    size = np.abs(mid)
    nonzero = least(size) > 0 or nonzero_of(a) & nonzero_of(b)
    if a.is_exact and b.is_exact:
        return Ball(mid, up(rounded_by(size, unit(p), p, nonzero)), p)
    # |xy - mid_x mid_y| <= |mid_x| rad_y + rad_x |mid_y| + rad_x rad_y
    if a.is_exact or b.is_exact:
        spread = np.abs(a.mid) * b.rad if a.is_exact else a.rad * np.abs(b.mid)
    else:
        spread = np.abs(a.mid) * b.rad + a.rad * (np.abs(b.mid) + b.rad)
    size += spread
    rad = rounded_by(size, unit(p), p, nonzero)
    rad += spread
    return Ball(mid, up(rad), p)


def _divide(a: Ball, b: Ball, p: Precision) -> Ball:
    # |x/y - mid_x/mid_y| <= (|mid_x| rad_y + rad_x |mid_y|) / (|mid_y| min|y|)
    mid, relative = np.asarray(a.mid / b.mid), p.ulps(p.divide_ulp) + FLOAT64.u
    size = np.abs(mid)
    if a.is_exact and b.is_exact:  # what is divided by zero is infinite, or NaN
        return Ball(mid, up(rounded_by(size, relative, p, nonzero_of(a))), p)
    smallest = np.abs(b.mid) - b.rad
    spread = (size * b.rad + a.rad) / smallest
    size += spread
    rad = rounded_by(size, relative, p, nonzero_of(a))
    rad += spread
    rad = up(rad)
    if not least(smallest) > 0:  # by what may be zero; zero itself is zero by all that is not
        is_zero = (mid == 0) & (a.mid == 0) & (np.asarray(a.rad) == 0)
        rad = np.where(smallest > 0, rad, np.where(is_zero, 0.0, np.inf))
    return Ball(mid, rad, p)


UFUNCS.update({np.add: _add, np.subtract: _subtract, np.multiply: _multiply, np.divide: _divide})
