"""Rules of balls for elementary functions: an error in units of the last place."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf

from backproof.reference.numbers.ball import (
    Ball,
    ends,
    largest,
    least,
    nonzero_of,
    read,
    rounded_by,
    rounded_once,
    unit,
    unless_infinite,
    up,
)
from backproof.reference.numbers.precision import FLOAT64, Precision, gamma
from backproof.reference.ops import Array
from backproof.reference.ops.functions import root


def elementary(f: Any, ulp: str, grows: Callable[[Ball, Array], Array]) -> Callable[..., Ball]:
    """Return the rule of an elementary function.

    ulp:   the field of Precision that limits its error; float64's limit is added for NumPy's own.
    grows: (operand, f(mid)) -> a bound of |f(x) - f(mid)| over the operand's ball.
    """

    def rule(a: Ball, p: Precision) -> Ball:
        mid = np.asarray(f(a.mid))
        spread = 0.0 if a.is_exact else np.asarray(grows(a, mid))
        relative = p.ulps(getattr(p, ulp)) + FLOAT64.ulps(getattr(FLOAT64, ulp))
        nonzero = (lambda: a.mid > -np.inf) if f is np.exp else None  # no other e^x is zero
        return Ball(mid, rounded_once(mid, spread, relative, p, nonzero), p)

    return rule


def _power(a: Ball, b: Ball, p: Precision) -> Ball:
    """Enclose x^y for x > 0 and for x = 0 < y; where y is known to be an integer, for every x."""
    if b.is_exact and b.shape == () and b.mid in (2, 3, 4):
        return _natural_power(a, int(b.mid), p)
    mid, size = np.asarray(a.mid**b.mid), np.abs(a.mid)
    is_whole = np.asarray((b.mid == np.rint(b.mid)) & (b.rad == 0))
    is_exact = is_whole & ((b.mid == 0) | (b.mid == 1))  # x^0 is 1, and x^1 is x: not rounded
    is_zero = ~nonzero_of(a) & (b.mid - b.rad > 0)  # and so is x^y
    # 1. ||x|^y - |mid|^mid_y| <= |mid|^mid_y (e^d - 1), d = |y log|x| - mid_y log|mid||. The power
    #    of the midpoints may have underflowed.
    moved = (np.abs(b.mid) + b.rad) * _fall(size, a.rad) + np.abs(np.log(size)) * b.rad
    rad = (np.abs(mid) + FLOAT64.underflow) * np.expm1(up(np.asarray(moved)))
    # 2. Where x may be zero, for a natural y: |x^y| + |mid^y| <= (|mid| + rad)^y + |mid|^y.
    both = (size + a.rad) ** np.maximum(b.mid, 0) + np.abs(mid)
    rad = np.where(is_whole & (b.mid > 0) & ~np.isfinite(rad), both, rad)
    rad = np.where((is_whole & (b.mid == 0)) | is_zero, 0, rad)
    relative = np.where(is_exact, 0, p.ulps(p.pow_ulp) + FLOAT64.ulps(FLOAT64.pow_ulp))
    rad += rounded_by(np.abs(mid) + rad, relative, p, nonzero=~is_exact & nonzero_of(a))
    return Ball(mid, np.where((a.mid > 0) | is_whole | is_zero, up(rad), np.inf), p)


def _natural_power(a: Ball, n: int, p: Precision) -> Ball:
    """Enclose x^n, which moves by (|mid| + rad)^n - |mid|^n at most.

    That is rad times the sum of (|mid| + rad)^k |mid|^(n - 1 - k) over all k < n.
    """
    size = np.abs(a.mid)
    mid, slope, highest = a.mid, 1.0, size  # of x^1; highest: |mid|^1
    for _ in range(n - 1):
        slope = slope * (size + a.rad) + highest
        mid, highest = mid * a.mid, highest * size
    relative = p.ulps(p.pow_ulp) + FLOAT64.ulps(FLOAT64.pow_ulp)
    spread = 0.0 if a.is_exact else np.asarray(a.rad * slope)
    rad = rounded_once(np.asarray(mid), spread, relative, p, lambda: nonzero_of(a))
    return Ball(mid, rad, p)


def _growth(x: Array, rad: Array, y: Array) -> Array:
    """Return e^x (e^rad - 1) or, from rad = 1, e^(x + rad), which is never zero times infinity.

    y: e^x.
    """
    if largest(rad) < 1:
        return np.asarray(y * np.expm1(rad))
    end = x + rad + gamma(4, FLOAT64.u) * (np.abs(x) + rad)  # not below x + rad, once rounded
    return np.where(rad < 1, y * np.expm1(rad), np.exp(end))


def _fall(x: Array, rad: Array) -> Array:
    """Return log(x / (x - rad)), x >= 0, infinite where x - rad may not be positive."""
    share = rad / np.abs(x) * (1 + gamma(4, FLOAT64.u))  # not below rad / x, once rounded
    return np.where(share < 1, -np.log1p(-share), np.inf)


# e^x moves by e^mid (e^rad - 1) at most; log x by log(mid / (mid - rad)); sqrt x by sqrt(rad),
# and by rad / sqrt(mid).
_exp = elementary(np.exp, "exp_ulp", lambda a, y: _growth(a.mid, a.rad, y))
# e^x - 1 moves as e^x does, and log(1 + x) as log does.
_expm1 = elementary(np.expm1, "expm1_ulp", lambda a, _: _growth(a.mid, a.rad, np.exp(a.mid)))
_log1p = elementary(
    np.log1p, "log1p_ulp", lambda a, _: np.where(a.mid > -1, _fall(1 + a.mid, a.rad), np.inf)
)
_log = elementary(np.log, "log_ulp", lambda a, _: np.where(a.mid > 0, _fall(a.mid, a.rad), np.inf))
_sqrt = elementary(
    np.sqrt,
    "sqrt_ulp",
    lambda a, y: np.where(a.rad <= a.mid, np.fmin(np.sqrt(a.rad), a.rad / y), np.inf),
)
# The root of what is not below zero moves as little, but it is known for every ball.
_root = elementary(
    lambda x: np.sqrt(np.maximum(x, 0)), "sqrt_ulp", lambda a, y: np.fmin(np.sqrt(a.rad), a.rad / y)
)
# sin and cos move by no more than their operand does, and by no more than from -1 to 1.
_sin = elementary(np.sin, "sin_ulp", lambda a, _: np.minimum(a.rad, 2))
_cos = elementary(np.cos, "cos_ulp", lambda a, _: np.minimum(a.rad, 2))
# arctan' = 1 / (1 + x^2), largest at the end nearest to zero.
_arctan = elementary(
    np.arctan, "arctan_ulp", lambda a, _: a.rad / (1 + np.maximum(np.abs(a.mid) - a.rad, 0) ** 2)
)
# arsinh' = 1 / sqrt(1 + x^2), largest at the end nearest to zero; hypot squares no large number.
_arcsinh = elementary(
    np.arcsinh,
    "arcsinh_ulp",
    lambda a, _: a.rad / np.hypot(1, np.maximum(np.abs(a.mid) - a.rad, 0)),
)


def _saturating(
    f: Any,
    ulp: str,
    falls: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    rest: float,
    units: int = 0,
) -> Callable[..., Ball]:
    """Return the rule of a function that is odd, grows, and stays between -1 and 1.

    ulp:   as in `_function`.
    falls: x >= 0 -> e(x), which falls to zero as f'(x) and 1 - f(x) do.
    slope: e(x) -> f'(x). rest: 1 - f(x) <= rest e(x).
    units: how many unit roundoffs an implementation may be off 1 where f is 1 to all digits.

    1. Over a ball f moves by the radius times the slope at the end nearest to zero, and by no more
       than takes it to the other one of -1 and 1.
    2. Where f is nearer to 1 than u^2, so that not even twice the digits tell them apart, it is
       taken to return 1, off by the rest alone. An op whose implementations return less has a form.
    """

    def rule(a: Ball, p: Precision) -> Ball:
        mid = np.asarray(f(a.mid))
        size = np.abs(mid)
        nearest = np.abs(a.mid)
        if not a.is_exact:
            nearest = np.fmax(nearest - a.rad, 0) * (1 - gamma(4, FLOAT64.u))  # not above it
        left, spread = falls(nearest), np.zeros(a.shape)
        if not a.is_exact:
            spread = np.fmin(a.rad * slope(left), 1 + size)
            size = np.minimum(size + spread, 1)
        left = left * rest
        for q in (p, FLOAT64):
            limits = q.ulps(getattr(q, ulp)) * size
            if not least(left) > q.u**2:
                limits = np.where(left <= q.u**2, left + units * q.u, limits)
            spread += limits
        spread += rounded_by(size, 0, p)
        return Ball(mid, up(spread), p)

    return rule


# tanh' = 1 / cosh^2 = 4 e / (1 + e)^2 and 1 - tanh = 2 e / (1 + e), where e = e^(-2x).
_tanh = _saturating(
    np.tanh, "tanh_ulp", lambda x: np.exp(-2 * x), lambda e: 4 * e / (1 + e) ** 2, rest=2
)
# erf' = 2 / sqrt(pi) e^(-x^2), and 1 - erf = 2 / sqrt(pi) times the integral over all t > 0 of
# e^(-(x + t)^2) <= e^(-x^2) e^(-t^2), which is at most e^(-x^2). PyTorch's float32 GELU', which is
# 1/2 (1 + erf) + z P', is off far below zero by as much as an error of erf of one unit.
_erf = _saturating(
    erf, "erf_ulp", lambda x: np.exp(-x * x), lambda e: 2 / np.sqrt(np.pi) * e, rest=1, units=1
)


def _arctan2(a: Ball, b: Ball, p: Precision) -> Ball:
    """Enclose the angle of a point, from -pi to pi.

    1. A point at the distance r from zero that moves by d < r turns by arcsin(d / r) at most.
    2. Where it may be on the negative half of the axis, at which the angle jumps, or zero, its
       angle may be any: zeros have signs. At +0 itself it is pi.
    3. The angle is exactly zero on the positive half alone: elsewhere it may underflow.
    """
    mid = np.asarray(np.arctan2(a.mid, b.mid))
    moved, far = np.hypot(a.rad, b.rad), np.hypot(a.mid, b.mid)
    share = moved / far * (1 + gamma(8, FLOAT64.u))  # not below it, once rounded
    turns = np.where(share < 1, np.arcsin(np.minimum(share, 1)), np.inf)
    jumps = (np.abs(a.mid) <= a.rad) & ((a.rad > 0) | np.signbit(a.mid))
    crosses = jumps & (b.mid - b.rad < 0)
    rad = np.where(crosses | ~(share < 1), np.pi + np.abs(mid), turns)
    relative = p.ulps(p.atan2_ulp) + FLOAT64.ulps(FLOAT64.atan2_ulp)
    nonzero = nonzero_of(a) | (mid != 0)
    return Ball(mid, up(rad + rounded_by(np.abs(mid) + rad, relative, p, nonzero)), p)


def _logaddexp(a: Ball, b: Ball, p: Precision) -> Ball:
    """Enclose log(e^a + e^b) = max(a, b) + log(1 + e^-d), d = |a - b|.

    1. It grows with both, by no more than both: it lies between its values at both lower ends and
       at both upper ends, however often it is applied to its own result.
    2. An error u d of d moves e^-d by e^-d (e^(u d) - 1); e^-d has its own error, and so has the
       logarithm, which is at most e^-d; the last sum is rounded.
    """
    mid = np.asarray(np.logaddexp(a.mid, b.mid))
    (low_a, high_a), (low_b, high_b) = ends(a), ends(b)
    low, high = np.logaddexp(low_a, low_b), np.logaddexp(high_a, high_b)
    rad = np.maximum(high - mid, mid - low)
    apart, moved = np.abs(a.mid - b.mid), a.rad + b.rad
    share = np.exp(-np.maximum(apart - moved, 0)) * (1 + gamma(4, FLOAT64.u) * (1 + apart))
    size = np.abs(mid) + rad
    for q in (p, FLOAT64, FLOAT64, FLOAT64):  # the precision's; the midpoint's, and both ends'
        off = (np.expm1(q.u * (apart + moved)) + q.ulps(q.exp_ulp + q.log1p_ulp)) * share
        rad += np.where(share > 0, off, 0)  # nothing is off where one of both is e^-inf
    rad += rounded_by(size, unit(p) + 2 * FLOAT64.u, p)
    return Ball(mid, unless_infinite(mid, up(rad), a, b), p)


Ball.rules |= {
    np.exp: _exp,
    np.expm1: _expm1,
    np.log: _log,
    np.log1p: _log1p,
    np.logaddexp: _logaddexp,
    np.arctan: _arctan,
    np.arctan2: _arctan2,
    np.arcsinh: _arcsinh,
    np.sin: _sin,
    np.cos: _cos,
    np.sqrt: _sqrt,
    np.power: _power,
    np.tanh: _tanh,
    erf: _erf,
}
Ball.rules[root] = lambda x: _root(read(x), x.precision)
