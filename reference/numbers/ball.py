"""Ball: what any correct evaluation in a given precision may return.

A Ball is an array of midpoints and radii (Rump, Fast and parallel interval arithmetic, BIT 39,
1999). Plain NumPy code runs on it. Each operation encloses, for all operands inside their balls,
both the exact result and the result of any correct evaluation in the ball's precision, with sums
in any order:

    radius = (what the operands' radii cause) + (one operation's rounding, bounded by the
             largest magnitude that the result can have) + (underflow)

What is exactly zero, such as the product of zero and a number, is not rounded and cannot underflow.
Midpoints are computed in float64, so float64's own rounding is part of every radius, on top of
the modelled precision's: below, a unit is always the sum u + u64 of the two unit roundoffs.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from math import frexp, isfinite
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import lu
from scipy.special import erf, erfinv, gammaln, psi

from backproof.reference.numbers.composed import COMPOSED
from backproof.reference.numbers.methods import Methods
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision, gamma
from backproof.reference.ops import Array
from backproof.reference.ops.functions import zeta


class Ball(Methods):
    """An array of balls [mid - rad, mid + rad].

    mid:       float64 array.
    rad:       float64 array of the same shape, >= 0, infinite where nothing is known; or the
               number 0.0 where all entries are exact.
    precision: whose rounding the operations model.
    """

    def __init__(self, mid: Any, rad: Any, precision: Precision) -> None:
        """Take the arrays as they are; none is copied, none is written to."""
        self.mid: Array = np.asarray(mid, dtype=np.float64)
        self.rad: Any = rad
        if not self.is_exact:
            self.rad = np.asarray(rad, dtype=np.float64)
            if self.rad.shape != self.mid.shape:
                self.rad = np.broadcast_to(self.rad, self.mid.shape)
        self.precision = precision
        self.terms = 1  # how many terms were added up for an entry

    @classmethod
    def exact(cls, values: Any, precision: Precision) -> "Ball":
        """Return balls of radius zero: the numbers themselves."""
        return cls(values, 0.0, precision)

    @classmethod
    def rounded(cls, values: Any, precision: Precision) -> "Ball":
        """Return the balls in which any correct rounding of `values` lies.

        values: decimal strings or floats, an array or nested lists.
        """
        a = np.asarray(values)
        if a.dtype.kind == "U":
            fractions = [Fraction(x) for x in a.ravel().tolist()]
            a = np.array(fractions, dtype=object).reshape(a.shape)
        mid = a.astype(np.float64)
        rad = _rounding(np.abs(mid), _unit(precision), precision, a != 0)
        return cls(mid, _infinite(mid, rad, cls.exact(mid, precision)), precision)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.mid.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.mid.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.mid.size

    @property
    def is_exact(self) -> bool:
        """Whether every radius is known to be zero."""
        return type(self.rad) is float  # NumPy's scalars are of a subclass

    @property
    def T(self) -> "Ball":
        """The transpose."""
        turned = Ball(self.mid.T, self.rad if self.is_exact else self.rad.T, self.precision)
        if "bound32" in self.__dict__:  # the bound is computed once for both
            bound, scale = self.bound32
            turned.__dict__["bound32"] = bound.T, scale
        return turned

    @cached_property
    def bound32(self) -> tuple[Array, float]:
        """A float32 array B < 2 and a power of two s with |x| <= s (B (1 + u32) + minimum32).

        It is for bounds of products, which cost half as much in float32 as in float64. Scaling by s
        keeps B in float32's range. Where an entry is not finite, all of B is NaN.
        """
        size = self.mid if self.is_exact else np.abs(self.mid) + self.rad
        largest = max(float(np.max(size, initial=0)), -float(np.min(size, initial=0)))
        if not np.isfinite(largest):
            return np.full(self.shape, np.nan, np.float32), 1.0
        scale = 2.0 ** max(np.frexp(largest)[1] - 1, FLOAT64.exponent) if largest else 1.0
        bound = np.empty(self.shape, np.float32)
        np.multiply(size, 1 / scale, out=bound, casting="same_kind")
        return np.abs(bound, out=bound), scale

    def reshape(self, *shape: int) -> "Ball":
        """Return the same entries in another shape."""
        rad = self.rad if self.is_exact else self.rad.reshape(*shape)
        return Ball(self.mid.reshape(*shape), rad, self.precision)

    def __bool__(self) -> bool:
        raise TypeError("a ball has no truth value; write np.where(x > 0, a, b) for `if x > 0`")

    def __getitem__(self, index: Any) -> "Ball":
        return Ball(self.mid[index], self.rad if self.is_exact else self.rad[index], self.precision)

    def counted(self) -> "Ball":
        """Return the number of ones along the last axis: 1/2 +- 1/2 is a one or a zero."""
        rad = self.rad if self.is_exact else np.sum(self.rad, axis=-1)
        return Ball(np.sum(self.mid, axis=-1), rad, self.precision)

    def rounding(self) -> "Ball":
        """Return zeros whose radii are the error of rounding these balls once."""
        size = np.abs(self.mid) + self.rad
        rad = _up(_rounding(size, _unit(self.precision), self.precision))
        return Ball(np.zeros(self.shape), rad, self.precision)

    def stored(self) -> "Ball":
        """Return these balls rounded once into the precision in which arrays are stored."""
        p = self.precision
        return Ball(self.mid, self.into(PRECISIONS[p.stored]).rad, p) if p.stored else self

    def read(self) -> "Ball":
        """Return an op's operands or results: if the precision flushes, subnormals may be zero."""
        return _flushed(self) if self.precision.flushes else self

    def into(self, precision: Precision) -> "Ball":
        """Return these balls rounded once, into a precision."""
        rounding = _rounding(np.abs(self.mid) + self.rad, _unit(precision), precision)
        return Ball(self.mid, _infinite(self.mid, _up(rounding + self.rad), self), precision)

    def nearest(self, precision: Precision) -> "Ball":
        """Return these balls rounded to nearest in a precision, ties to even.

        Rounding is monotone, so the ends are rounded: a ball that is narrow for that precision
        becomes one number, or two neighbours.
        """
        low, high = (_nearest(end, precision) for end in _ends(self))
        if self.is_exact:
            return Ball.exact(low, self.precision)
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            mid = np.where(low == high, low, low / 2 + high / 2)
            rad = np.where(low == high, 0, _up((high - low) / 2 + FLOAT64.u * np.abs(mid)))
        known = np.isfinite(mid)
        return Ball(np.where(known, mid, self.mid), np.where(known, rad, np.inf), self.precision)

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write to an array that `np.zeros_like` has made; other arrays are shared."""
        ball = values if isinstance(values, Ball) else Ball.exact(values, self.precision)
        self.mid[index] = ball.mid
        if not ball.is_exact and self.is_exact:
            self.rad = np.zeros(self.shape)
        if not self.is_exact:
            self.rad[index] = ball.rad

    def __repr__(self) -> str:
        return f"Ball({self.mid}, +- {self.rad}, {self.precision.name})"

    def contains(self, values: Any) -> Array:
        """Return, entry by entry, whether `values` lie inside; NaN lies nowhere."""
        return np.asarray(self.shares(values) <= 1)

    def shares(self, values: Any) -> Array:
        """Return, entry by entry, the share of the radius used: |values - mid| / rad.

        Zero where a value is the midpoint of a ball of radius zero, which may be infinite; infinite
        or NaN where another value is not finite.
        """
        with np.errstate(all="ignore"):
            distance = np.asarray(np.subtract(values, self.mid, dtype=np.float64))
            np.abs(distance, out=distance)
            if not self.is_exact:
                share = np.divide(distance, self.rad)
                if not np.isnan(np.max(share, initial=0)):
                    return share
            if np.isnan(np.max(distance, initial=0)):  # infinity minus infinity
                distance = np.where((values == self.mid) & (self.rad == 0), 0, distance)
            if self.is_exact:
                return np.where(distance > 0, np.inf, distance)
            share = np.where(distance == 0, 0, np.divide(distance, self.rad))
            return np.where(np.isfinite(distance), share, np.nan)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.add and method == "at":
            return _add_at(*inputs)
        if method != "__call__" or kwargs:
            return NotImplemented
        rule = _UFUNCS.get(ufunc)
        if rule is None:
            return COMPOSED[ufunc](*inputs) if ufunc in COMPOSED else NotImplemented
        p = self.precision
        balls = [x if isinstance(x, Ball) else _constant(x, p) for x in inputs]
        with np.errstate(all="ignore"):
            return rule(*(_read(ball) for ball in balls), p)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(func) or COMPOSED.get(func)
        if rule is None:
            return NotImplemented
        with np.errstate(all="ignore"):
            return rule(*args, **kwargs)


def _unit(p: Precision) -> float:
    return p.u + FLOAT64.u


def _rounding(size: Array, relative: Any, p: Precision, nonzero: Any = None) -> Array:
    """Return a bound of what one rounding changes; an exact zero is not rounded.

    size:    a bound of the magnitude. relative: of the relative error.
    nonzero: where the number is not exactly zero. None: wherever the size is not; that will not do
             where the size itself may have underflowed in float64.
    """
    lost = p.underflow + 2 * FLOAT64.underflow  # the precision's; the midpoint's and the radius's
    rounding = np.asarray(relative * size)
    if nonzero is None:
        nonzero = np.min(size, initial=np.inf) > 0 or size > 0
    rounding += lost if np.all(nonzero) else np.where(nonzero, lost, 0)
    return rounding


def _nonzero(a: Ball) -> Array:
    """Return where numbers are not exactly zero."""
    nonzero = a.mid != 0
    if not a.is_exact:
        nonzero |= a.rad != 0
    return np.asarray(nonzero)


def _up(rad: Array, n: int = 1) -> Array:
    """Return rad made larger by what its own float64 evaluation may have lost.

    n: the terms of its longest sum. No rule below rounds more than n + 15 times, one after another.
    """
    rad *= 1 + gamma(n + 15, FLOAT64.u)
    if np.isnan(np.max(rad, initial=0)):  # zero times infinity: nothing is known
        rad = np.where(np.isnan(rad), np.inf, rad)
    return rad


def _infinite(mid: Array, rad: Array, *operands: Ball) -> Array:
    """Return the radii of a sum, zero where it is known to be infinite.

    It is where an operand is an infinity that is known, such as the fill of a mask, and the others
    have bounds. What overflows is not known.
    """
    if np.isfinite(np.max(rad, initial=0)):
        return rad
    is_known, is_bounded = np.False_, np.isinf(mid)
    for a in operands:
        is_known = is_known | (np.isinf(a.mid) & (a.rad == 0))
        is_bounded = is_bounded & np.isfinite(a.rad)
    return np.where(is_known & is_bounded, 0, rad)


def _nearest(x: Array, p: Precision) -> Array:
    """Return float64 numbers rounded to p; those of size 2^e are multiples of 2^(e - digits)."""
    last = np.maximum(np.frexp(x)[1], p.exponent + 1) - p.digits
    return np.asarray(np.ldexp(np.rint(np.ldexp(x, -last)), last))


def _read(a: Ball) -> Ball:
    """Return the operand of a step as the precision may read it."""
    return _flushed(a) if a.precision.flushes_steps else a


def _flushed(a: Ball) -> Ball:
    """Return the balls with zero in every one that has a subnormal number in it."""
    p, size = a.precision, np.abs(a.mid)
    subnormal = (size < p.minimum + a.rad) & (size > a.rad)
    return Ball(a.mid, np.where(subnormal, size, a.rad), p) if subnormal.any() else a


def _constant(x: Any, p: Precision) -> Ball:
    """Return a constant of a formula as the precision holds it: 0.5 exactly, 0.044715 rounded.

    In float64 too, a constant of many binary digits is the rounding of the number that is meant,
    such as 1/10.
    """
    if not isinstance(x, int | float) or not isfinite(x):
        return Ball.exact(x, p)
    short = frexp(x)[0] * 2.0 ** min(p.digits, FLOAT32.digits)
    return Ball.exact(x, p) if short.is_integer() else Ball.rounded(x, p)


# Exact operations: no rounding.


def _negative(a: Ball, p: Precision) -> Ball:
    return Ball(-a.mid, a.rad, p)


def _absolute(a: Ball, p: Precision) -> Ball:
    return Ball(np.abs(a.mid), a.rad, p)


def _maximum(a: Ball, b: Ball, p: Precision) -> Ball:
    mid = np.maximum(a.mid, b.mid)
    if a.is_exact and b.is_exact:
        return Ball.exact(mid, p)
    low, high = (np.maximum(*ends) for ends in zip(_ends(a), _ends(b), strict=True))
    return Ball(mid, _up(np.maximum(mid - low, high - mid)), p)


def _ends(a: Ball) -> tuple[Array, Array]:
    """Return the lower and the upper ends, moved outwards by their own rounding."""
    if a.is_exact:
        return a.mid, a.mid
    rad = a.rad + np.where(a.rad > 0, FLOAT64.u * (np.abs(a.mid) + a.rad), 0)
    return a.mid - rad, a.mid + rad


def _in_steps(f: Any) -> Callable[..., Ball]:
    """Return the rule of a function that grows in steps, and is exact between them."""

    def rule(a: Ball, p: Precision) -> Ball:
        mid = f(a.mid)
        if a.is_exact:
            return Ball.exact(mid, p)
        low, high = (f(end) for end in _ends(a))
        return Ball(mid, np.maximum(mid - low, high - mid), p)

    return rule


def _minimum(a: Ball, b: Ball, p: Precision) -> Ball:
    return -_maximum(-a, -b, p)


def _less(a: Ball, b: Ball, p: Precision) -> Ball:
    return _greater(b, a, p)


def _greater(a: Ball, b: Ball, p: Precision) -> Ball:
    """Return 1 where a > b for sure, 0 where a <= b for sure, and 1/2 +- 1/2 where unknown."""
    if a.is_exact and b.is_exact:
        return Ball.exact(a.mid > b.mid, p)
    # Rounding is monotone: where rounded ends are in order, so are the ends.
    yes, no = a.mid - a.rad > b.mid + b.rad, a.mid + a.rad < b.mid - b.rad
    no |= (a.mid <= b.mid) & (a.rad + b.rad == 0)
    if np.all(yes | no):
        return Ball.exact(yes, p)
    return Ball(np.where(yes, 1, np.where(no, 0, 0.5)), np.where(yes | no, 0, 0.5), p)


def _not(a: Ball, p: Precision) -> Ball:
    return Ball(1 - a.mid, a.rad, p)


def _where(condition: Any, a: Any, b: Any) -> Ball:
    p = next(x.precision for x in (condition, a, b) if isinstance(x, Ball))
    balls = (x if isinstance(x, Ball) else _constant(x, p) for x in (condition, a, b))
    mask, a, b = (_read(ball) for ball in balls)
    mid = np.where(mask.mid > 0, a.mid, b.mid)
    if mask.is_exact and a.is_exact and b.is_exact:
        return Ball.exact(mid, p)
    if mask.is_exact:
        return Ball(mid, np.where(mask.mid > 0, a.rad, b.rad), p)
    rad = np.where(mask.mid > 0, a.rad, b.rad)
    unknown = np.abs(a.mid - b.mid) + np.maximum(a.rad, b.rad)
    return Ball(mid, np.where(mask.rad > 0, _up(np.array(unknown)), rad), p)


def _max(a: Ball, axis: Any = None, *, keepdims: bool = False) -> Ball:
    mid = np.max(a.mid, axis=axis, keepdims=keepdims)
    if a.is_exact:
        return Ball.exact(mid, a.precision)
    low, high = (np.max(end, axis=axis, keepdims=keepdims) for end in _ends(a))
    return Ball(mid, _up(np.asarray(np.maximum(mid - low, high - mid))), a.precision)


def _concatenate(parts: Sequence[Any], axis: int = 0) -> Ball:
    p = next(part.precision for part in parts if isinstance(part, Ball))
    balls = [part if isinstance(part, Ball) else Ball.exact(part, p) for part in parts]
    mid = np.concatenate([ball.mid for ball in balls], axis=axis)
    if all(ball.is_exact for ball in balls):
        return Ball.exact(mid, p)
    rads = [np.broadcast_to(ball.rad, ball.shape) for ball in balls]
    return Ball(mid, np.concatenate(rads, axis=axis), p)


def _ones_like(a: Ball) -> Ball:
    return Ball.exact(np.ones(a.shape), a.precision)


def _zeros_like(a: Ball, *, shape: tuple[int, ...] | None = None) -> Ball:
    return Ball.exact(np.zeros(a.shape if shape is None else shape), a.precision)


def _moved(move: Callable[..., Any]) -> Callable[..., Ball]:
    """Return the rule of a function that moves and repeats entries, and computes nothing."""

    def rule(a: Ball, *arguments: Any, **options: Any) -> Ball:
        mid = move(a.mid, *arguments, **options)
        if a.is_exact:
            return Ball.exact(mid, a.precision)
        return Ball(mid, move(a.rad, *arguments, **options), a.precision)

    return rule


def _pad(a: Ball, width: Any, *, constant_values: float = 0) -> Ball:
    mid, value = (
        np.pad(a.mid, width, constant_values=constant_values),
        _constant(constant_values, a.precision),
    )
    if a.is_exact and value.is_exact:
        return Ball.exact(mid, a.precision)
    rad = np.broadcast_to(a.rad, a.shape)
    return Ball(mid, np.pad(rad, width, constant_values=value.rad), a.precision)


def _argmax(a: Ball, axis: int | None = None) -> Array:
    """Return where the midpoint is largest: certain only where the entries are exact."""
    return np.asarray(np.argmax(a.mid, axis=axis))


# Operations with one rounding.


def _sum_of(mid: Array, a: Ball, b: Ball, p: Precision) -> Ball:
    if a.is_exact and b.is_exact:
        rad = _rounding(np.abs(mid), _unit(p), p)
    else:
        spread, size = a.rad + b.rad, np.abs(mid)
        size += spread
        rad = _rounding(size, _unit(p), p)
        rad += spread
    return Ball(mid, _infinite(mid, _up(rad), a, b), p)


def _add(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(np.asarray(a.mid + b.mid), a, b, p)


def _subtract(a: Ball, b: Ball, p: Precision) -> Ball:
    return _sum_of(np.asarray(a.mid - b.mid), a, b, p)


def _multiply(a: Ball, b: Ball, p: Precision) -> Ball:
    mid = np.asarray(a.mid * b.mid)
    size = np.abs(mid)
    nonzero = np.min(size, initial=np.inf) > 0 or _nonzero(a) & _nonzero(b)
    if a.is_exact and b.is_exact:
        return Ball(mid, _up(_rounding(size, _unit(p), p, nonzero)), p)
    # |xy - mid_x mid_y| <= |mid_x| rad_y + rad_x |mid_y| + rad_x rad_y
    if a.is_exact or b.is_exact:
        spread = np.abs(a.mid) * b.rad if a.is_exact else a.rad * np.abs(b.mid)
    else:
        spread = np.abs(a.mid) * b.rad + a.rad * (np.abs(b.mid) + b.rad)
    size += spread
    rad = _rounding(size, _unit(p), p, nonzero)
    rad += spread
    return Ball(mid, _up(rad), p)


def _divide(a: Ball, b: Ball, p: Precision) -> Ball:
    # |x/y - mid_x/mid_y| <= (|mid_x| rad_y + rad_x |mid_y|) / (|mid_y| min|y|)
    mid, relative = np.asarray(a.mid / b.mid), p.ulps(p.divide_ulp) + FLOAT64.u
    size = np.abs(mid)
    if a.is_exact and b.is_exact:  # what is divided by zero is infinite, or NaN
        return Ball(mid, _up(_rounding(size, relative, p, _nonzero(a))), p)
    smallest = np.abs(b.mid) - b.rad
    spread = (size * b.rad + a.rad) / smallest
    size += spread
    rad = _rounding(size, relative, p, _nonzero(a))
    rad += spread
    return Ball(mid, np.where(smallest > 0, _up(rad), np.inf), p)


def _function(f: Any, ulp: str, grows: Callable[[Ball, Array], Array]) -> Callable[..., Ball]:
    """Return the rule of an elementary function.

    ulp:   the field of Precision that limits its error; float64's limit is added for NumPy's own.
    grows: (operand, f(mid)) -> a bound of |f(x) - f(mid)| over the operand's ball.
    """

    def rule(a: Ball, p: Precision) -> Ball:
        mid = np.asarray(f(a.mid))
        spread = 0.0 if a.is_exact else np.asarray(grows(a, mid))
        relative = p.ulps(getattr(p, ulp)) + FLOAT64.ulps(getattr(FLOAT64, ulp))
        nonzero = a.mid > -np.inf if f is np.exp else None  # no other e^x is zero
        rad = _rounding(np.abs(mid) + spread, relative, p, nonzero)
        rad += spread
        return Ball(mid, _up(rad), p)

    return rule


def _power(a: Ball, b: Ball, p: Precision) -> Ball:
    """Enclose x^y for x > 0 and for x = 0 < y; where y is known to be an integer, for every x."""
    mid, size = np.asarray(a.mid**b.mid), np.abs(a.mid)
    is_whole = np.asarray((b.mid == np.rint(b.mid)) & (b.rad == 0))
    is_exact = is_whole & ((b.mid == 0) | (b.mid == 1))  # x^0 is 1, and x^1 is x: not rounded
    is_zero = ~_nonzero(a) & (b.mid - b.rad > 0)  # and so is x^y
    # 1. ||x|^y - |mid|^mid_y| <= |mid|^mid_y (e^d - 1), d = |y log|x| - mid_y log|mid||.
    moved = (np.abs(b.mid) + b.rad) * _fall(size, a.rad) + np.abs(np.log(size)) * b.rad
    rad = np.abs(mid) * np.expm1(_up(np.asarray(moved)))
    # 2. Where x may be zero, for a natural y: |x^y| + |mid^y| <= (|mid| + rad)^y + |mid|^y.
    both = (size + a.rad) ** np.maximum(b.mid, 0) + np.abs(mid)
    rad = np.where(is_whole & (b.mid > 0) & ~np.isfinite(rad), both, rad)
    rad = np.where((is_whole & (b.mid == 0)) | is_zero, 0, rad)
    relative = np.where(is_exact, 0, p.ulps(p.pow_ulp) + FLOAT64.ulps(FLOAT64.pow_ulp))
    rad += _rounding(np.abs(mid) + rad, relative, p, nonzero=~is_exact & _nonzero(a))
    return Ball(mid, np.where((a.mid > 0) | is_whole | is_zero, _up(rad), np.inf), p)


def _growth(x: Array, rad: Array, y: Array) -> Array:
    """Return e^x (e^rad - 1) or, from rad = 1, e^(x + rad), which is never zero times infinity.

    y: e^x.
    """
    if np.max(rad, initial=0) < 1:
        return np.asarray(y * np.expm1(rad))
    end = x + rad + gamma(4, FLOAT64.u) * (np.abs(x) + rad)  # not below x + rad, once rounded
    return np.where(rad < 1, y * np.expm1(rad), np.exp(end))


def _fall(x: Array, rad: Array) -> Array:
    """Return log(x / (x - rad)), x >= 0, infinite where x - rad may not be positive."""
    share = rad / np.abs(x) * (1 + gamma(4, FLOAT64.u))  # not below rad / x, once rounded
    return np.where(share < 1, -np.log1p(-share), np.inf)


# e^x moves by e^mid (e^rad - 1) at most; log x by log(mid / (mid - rad)); sqrt x by sqrt(rad),
# and by rad / sqrt(mid).
_exp = _function(np.exp, "exp_ulp", lambda a, y: _growth(a.mid, a.rad, y))
# e^x - 1 moves as e^x does, and log(1 + x) as log does.
_expm1 = _function(np.expm1, "expm1_ulp", lambda a, _: _growth(a.mid, a.rad, np.exp(a.mid)))
_log1p = _function(
    np.log1p,
    "log1p_ulp",
    lambda a, _: np.where(a.mid > -1, _fall(1 + a.mid, a.rad), np.inf),
)
_log = _function(np.log, "log_ulp", lambda a, _: np.where(a.mid > 0, _fall(a.mid, a.rad), np.inf))
_sqrt = _function(
    np.sqrt,
    "sqrt_ulp",
    lambda a, y: np.where(a.rad <= a.mid, np.fmin(np.sqrt(a.rad), a.rad / y), np.inf),
)
# sin and cos move by no more than their operand does, and by no more than from -1 to 1.
_sin = _function(np.sin, "sin_ulp", lambda a, _: np.minimum(a.rad, 2))
_cos = _function(np.cos, "cos_ulp", lambda a, _: np.minimum(a.rad, 2))
# arctan' = 1 / (1 + x^2), largest at the end nearest to zero.
_arctan = _function(
    np.arctan,
    "arctan_ulp",
    lambda a, _: a.rad / (1 + np.maximum(np.abs(a.mid) - a.rad, 0) ** 2),
)
# arsinh' = 1 / sqrt(1 + x^2), largest at the end nearest to zero.
_arcsinh = _function(
    np.arcsinh,
    "arcsinh_ulp",
    lambda a, _: a.rad / np.sqrt(1 + np.maximum(np.abs(a.mid) - a.rad, 0) ** 2),
)


def _saturating(
    f: Any,
    ulp: str,
    slope: Callable[[Array], Array],
    rest: Callable[[Array], Array],
    units: int = 0,
) -> Callable[..., Ball]:
    """Return the rule of a function that is odd, grows, and stays between -1 and 1.

    ulp:   as in `_function`.
    slope: x >= 0 -> f'(x), which falls.
    rest:  x >= 0 -> a bound of 1 - f(x).
    units: how many unit roundoffs an implementation may be off 1 where f is 1 to all digits.

    1. Over a ball f moves by the radius times the slope at the end nearest to zero, and by no more
       than takes it to the other one of -1 and 1.
    2. Where f is nearer to 1 than u^2, so that not even twice the digits tell them apart, it is
       taken to return 1, off by the rest alone. An op whose implementations return less has a form.
    """

    def rule(a: Ball, p: Precision) -> Ball:
        mid = np.asarray(f(a.mid))
        nearest = np.fmax(np.abs(a.mid) - a.rad, 0) * (1 - gamma(4, FLOAT64.u))  # not above it
        rad = np.zeros(a.shape)
        if not a.is_exact:
            rad = np.fmin(a.rad * slope(nearest), 1 + np.abs(mid))
        size, left = np.minimum(np.abs(mid) + rad, 1), rest(nearest)
        rad += _rounding(size, 0, p)
        for q in (p, FLOAT64):
            rad += np.where(left <= q.u**2, left + units * q.u, q.ulps(getattr(q, ulp)) * size)
        return Ball(mid, _up(rad), p)

    return rule


# tanh' = 1 / cosh^2 = 4 e / (1 + e)^2 and 1 - tanh = 2 e / (1 + e), where e = e^(-2x).
_tanh = _saturating(
    np.tanh,
    "tanh_ulp",
    lambda x: 4 * np.exp(-2 * x) / (1 + np.exp(-2 * x)) ** 2,
    lambda x: 2 * np.exp(-2 * x),
)
# erf' = 2 / sqrt(pi) e^(-x^2), and 1 - erf = 2 / sqrt(pi) times the integral over all t > 0 of
# e^(-(x + t)^2) <= e^(-x^2) e^(-t^2), which is at most e^(-x^2). PyTorch's float32 GELU', which is
# 1/2 (1 + erf) + z P', is off far below zero by as much as an error of erf of one unit.
_erf = _saturating(
    erf,
    "erf_ulp",
    lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x),
    lambda x: np.exp(-x * x),
    units=1,
)


def _arctan2(a: Ball, b: Ball, p: Precision) -> Ball:
    """Enclose the angle of a point, from -pi to pi.

    1. A point at the distance r from zero that moves by d < r turns by arcsin(d / r) at most.
    2. Where it may be on the negative half of the axis, at which the angle jumps, or zero, its
       angle may be any: zeros have signs.
    """
    mid = np.asarray(np.arctan2(a.mid, b.mid))
    moved, far = np.hypot(a.rad, b.rad), np.hypot(a.mid, b.mid)
    share = moved / far * (1 + gamma(8, FLOAT64.u))  # not below it, once rounded
    turns = np.where(share < 1, np.arcsin(np.minimum(share, 1)), np.inf)
    crosses = (np.abs(a.mid) <= a.rad) & (b.mid - b.rad < 0)
    rad = np.where(crosses | ~(share < 1), np.pi + np.abs(mid), turns)
    relative = p.ulps(p.atan2_ulp) + FLOAT64.ulps(FLOAT64.atan2_ulp)
    return Ball(mid, _up(rad + _rounding(np.abs(mid) + rad, relative, p)), p)


def _erf_inv_growth(a: Ball, _: Array) -> Array:
    """Return the radius times the slope sqrt(pi) / 2 e^(y^2) at the end that is farther from 0."""
    end = (np.abs(a.mid) + a.rad) * (1 + gamma(4, FLOAT64.u))  # not nearer, once rounded
    y = erfinv(np.minimum(end, 1)) * (1 + FLOAT64.ulps(FLOAT64.erf_inv_ulp))
    slope = np.sqrt(np.pi) / 2 * np.exp(y * y * (1 + gamma(4, FLOAT64.u)))
    return np.where(end < 1, a.rad * slope, np.where(a.rad > 0, np.inf, 0))


_erf_inv = _function(erfinv, "erf_inv_ulp", _erf_inv_growth)

ROUNDED = 1 + 2.0**-40
"""More than float64's own roundings take from psi and its derivative of positive numbers."""


def _of_positive(
    f: Any,
    grows: Callable[[Array, Array], Array],
    rounds: Callable[[Array, Array, Precision], Array],
) -> Callable[..., Ball]:
    """Return the rule of a function of positive numbers; of others nothing is known.

    grows:  (lower end, upper end) -> a bound of |f'| between them.
    rounds: (upper end, bound of |f|, precision) -> a bound of the error of f.
    """

    def rule(a: Ball, p: Precision) -> Ball:
        mid = np.asarray(f(a.mid))
        low, high = _ends(a)
        rad = np.zeros(a.shape) if a.is_exact else a.rad * grows(low, high) * ROUNDED
        size = np.abs(mid) + rad
        rad = rad + rounds(high, size, p) + rounds(high, size, FLOAT64) + _rounding(size, 0, p)
        return Ball(mid, np.where(low > 0, _up(np.asarray(rad)), np.inf), p)

    return rule


def _log_of_gamma(_: Array, size: Array, p: Precision) -> Array:
    """Return the error of log Gamma: that of Gamma, which is relative, and that of a logarithm."""
    relative = p.ulps(p.tgamma_ulp)
    return relative / (1 - relative) + p.ulps(p.log_ulp) * size


SHIFT = 10
"""From here on asymptotic series are summed; up to it, term by term."""


def _by_recurrence(x: Array, size: Array, p: Precision) -> Array:
    """Return the error of psi(x) = log z - 1/(2z) - ... - sum of 1/(x + k), z = x + SHIFT.

    Each term has the errors of a sum, and of a logarithm or a quotient (DLMF 5.5.2, 5.11.2). The
    sum over k < SHIFT is psi(z) - psi(x), and psi(z) < log z, so all terms have together a size of
    2 log z + |psi(x)| at most, and of 1/z for the others.
    """
    share = gamma(SHIFT + 4, p.u) + p.ulps(max(p.divide_ulp, p.log_ulp))
    return share * (2 * np.log(x + SHIFT) + 1 / SHIFT + size)


def _by_powers(s: int) -> Callable[[Array, Array, Precision], Array]:
    """Return the error of zeta(s, x), the sum of (x + k)^-s, k < SHIFT, and of a series after it.

    All terms are positive, but for those of the series, of which at most SHIFT count. Each has the
    errors of a sum, s times, and of a power (DLMF 25.11.43).
    """

    def rounds(_: Array, size: Array, p: Precision) -> Array:
        return (gamma(2 * SHIFT + s + 4, p.u) + p.ulps(p.pow_ulp)) * size

    return rounds


# psi grows, from below zero to above it; its derivative zeta(2, x) falls, as every zeta(s, x) does.
_lgamma = _of_positive(
    gammaln, lambda low, high: np.maximum(np.abs(psi(low)), np.abs(psi(high))), _log_of_gamma
)
_digamma = _of_positive(psi, lambda low, _: zeta(2, low), _by_recurrence)


def _zeta(s: int, x: Ball) -> Ball:
    of = _of_positive(lambda x: zeta(s, x), lambda low, _: s * zeta(s + 1, low), _by_powers(s))
    return of(_read(x), x.precision)


# Sums: any order, in the accumulator.


def _accumulated(
    mid: Array, size: Array, spread: Any, n: Any, p: Precision, nonzero: Any = None
) -> Ball:
    """Return the ball of n accumulated terms and the rounding of their sum.

    size:    sum of the terms' largest magnitudes; overwritten. spread: what the operands' radii
             cause. n: a number, or one for each entry.
    nonzero: where not all terms are exactly zero. None: wherever the size is not.
    Source: Higham, sec. 3.5 (inner products) and 4.2 (sums): gamma_n times the size.
    """
    wide = p.accumulator or p
    terms = n * (size > 0 if nonzero is None else nonzero)
    rad, share = np.asarray(size), gamma(n, _unit(wide))
    if p.in_blocks:  # which the midpoints need not be
        share = np.minimum(share, gamma(2 * np.ceil(np.sqrt(n)), wide.u) + gamma(n, FLOAT64.u))
    if p.in_parts:
        share = share + gamma(np.ceil(np.log2(np.maximum(n, 1))), p.u)
    # In place: the largest array of all is touched as seldom as possible. A sum of zeros is zero.
    np.multiply(rad, share, out=rad, where=True if np.all(np.isfinite(share)) else rad != 0)
    rad += terms * (2 * (wide.underflow + FLOAT64.underflow))
    rad += spread
    if p.accumulator:
        rad += _rounding(np.abs(mid) + rad, p.u, p)
    return Ball(mid, _up(rad, int(np.max(n, initial=0))), p)


def _matmul(a: Ball, b: Ball, p: Precision) -> Ball:
    if p.products:
        a, b = (ball.nearest(p.products) for ball in (a, b))
    n = a.shape[-1]
    spread = 0.0
    if not (a.is_exact and b.is_exact):
        zero = np.zeros(())
        rad_a, rad_b = (np.broadcast_to(x.rad + zero, x.shape) for x in (a, b))
        spread = np.abs(a.mid) @ rad_b + rad_a @ (np.abs(b.mid) + rad_b)
    size, nonzero = _product_of_bounds(a, b)
    return _accumulated(a.mid @ b.mid, size, spread, n, p, nonzero)


def _solve(A: Ball, B: Ball) -> Ball:
    """Enclose the X of A X = B, as elimination with pivots finds it.

    1. What is found solves (A + D) X = B, where |D| <= gamma_3n |L| |U|, in the order of A's rows
       (Higham, Theorem 9.4).
    2. Let Y be near X, R near A^-1 and r = B - (A + D) Y. For every A in its ball, X - Y is
       R r + (1 - R (A + D)) (X - Y) (Rump, Verification Methods, Acta Numerica 2010, sec. 10.1).
    3. Let E be a bound of |1 - R (A + D)|, s < 1 the largest sum of its rows, and c = |R| |r|. Then
       |X - Y| <= c + E max c / (1 - s), in each column. Without such an s nothing is known.
    4. The solution for a column of zeros is zero.
    """
    p, n = A.precision, A.shape[-1]
    A, B = _read(A), _read(B)
    rad_A, rad_B = (np.broadcast_to(x.rad + np.zeros(()), x.shape) for x in (A, B))
    try:
        R, Y = np.linalg.inv(A.mid), np.linalg.solve(A.mid, B.mid)
    except np.linalg.LinAlgError:
        return Ball(np.zeros(B.shape), np.full(B.shape, np.inf), p)
    order, L, U = lu(A.mid)
    own = gamma(n + 2, FLOAT64.u)  # of the products below
    moved = rad_A + gamma(3 * n, _unit(p)) * (order @ np.abs(L) @ np.abs(U))
    E = np.abs(np.eye(n) - R @ A.mid) + np.abs(R) @ (moved + own * np.abs(A.mid)) + own * np.eye(n)
    size = np.abs(B.mid) + np.abs(A.mid) @ np.abs(Y)
    lost = 2 * n * (p.underflow + FLOAT64.underflow)
    r = np.abs(B.mid - A.mid @ Y) + own * size + rad_B + moved @ np.abs(Y) + lost
    c = np.abs(R) @ r
    share = np.max(np.sum(E, axis=-1, keepdims=True), axis=-2, keepdims=True) * (1 + 4 * own)
    spread = np.sum(E, axis=-1, keepdims=True) * np.max(c, axis=-2, keepdims=True) / (1 - share)
    rad = np.where(np.any(_nonzero(B), axis=-2, keepdims=True), _up(c + spread, n * n), 0)
    return Ball(Y, np.where(share < 1, rad, np.inf), p)


def _product_of_bounds(a: Ball, b: Ball) -> tuple[Array, Any]:
    """Return a bound of (|a| + rad_a) (|b| + rad_b), and where not all terms are exactly zero.

    It is computed in float32, unless an entry is so small that underflow matters there: in each of
    n terms either factor, the product or the sum may underflow, 8 n minimum32 in all.
    """
    n, nonzero = a.shape[-1], np.True_
    (bound_a, scale_a), (bound_b, scale_b) = a.bound32, b.bound32
    product = bound_a @ bound_b
    small = 8 * n * FLOAT32.minimum / FLOAT32.u
    fits = np.min(product, initial=np.inf) >= small  # NaN does not
    if not fits:  # except for the rows and the columns of zeros
        rows, columns = np.any(_nonzero(a), axis=-1), np.any(_nonzero(b), axis=-2)
        nonzero = rows[..., :, None] & columns[..., None, :]
        fits = np.min(product, initial=np.inf, where=nonzero) >= small
    if fits:
        size = product.astype(np.float64)
        size *= 1 + gamma(n + 7, FLOAT32.u)  # n + 6 roundings, and the underflow
        size *= scale_a
        size *= scale_b
        return np.asarray(size), nonzero
    terms = _nonzero(a).astype(np.float32) @ _nonzero(b).astype(np.float32)
    return (np.abs(a.mid) + a.rad) @ (np.abs(b.mid) + b.rad), terms > 0


def _sum(a: Ball, axis: Any = None, *, keepdims: bool = False) -> Ball:
    def add(x: Array) -> Array:
        return np.asarray(np.sum(x, axis=axis, keepdims=keepdims))

    a = _read(a)
    mid = add(a.mid)
    n = a.mid.size // max(mid.size, 1)
    spread = 0.0 if a.is_exact else add(np.broadcast_to(a.rad, a.shape))
    return _accumulated(mid, add(np.abs(a.mid)) + spread, spread, n, a.precision)


def _cumsum(a: Ball, axis: int | None = None) -> Ball:
    """Return the sums of the entries up to each, of as many terms."""
    a = _read(a if axis is not None else a.reshape(-1))
    axis = axis or 0
    spread = np.cumsum(np.broadcast_to(a.rad, a.shape), axis=axis)
    size = np.cumsum(np.abs(a.mid), axis=axis) + spread
    count = np.cumsum(np.ones(a.shape), axis=axis)
    return _accumulated(np.cumsum(a.mid, axis=axis), size, spread, count, a.precision)


def in_any_order(parts: Sequence[Ball]) -> Ball:
    """Return the sum of balls whose terms, all together, may be added up in any order."""
    p, terms = parts[0].precision, sum(part.terms for part in parts)
    mid = np.asarray(sum(part.mid for part in parts))
    spread = np.asarray(sum(np.broadcast_to(part.rad, mid.shape) for part in parts))
    size = np.asarray(sum(np.abs(part.mid) for part in parts)) + spread
    return _accumulated(mid, size, spread, terms, p)


def _add_at(target: Ball, index: Any, values: Any) -> None:
    """Add values to entries of `target`, an array of zeros; several may go to the same entry."""
    p = target.precision
    values = _read(values if isinstance(values, Ball) else Ball.exact(values, p))
    size, spread, count = (np.zeros(target.shape) for _ in range(3))
    np.add.at(target.mid, index, values.mid)
    np.add.at(size, index, np.abs(values.mid) + values.rad)
    np.add.at(spread, index, values.rad)
    np.add.at(count, index, 1)
    n = int(np.max(count, initial=0))
    target.terms = max(n, 1)
    if n > 1:
        target.rad = _accumulated(target.mid, size, spread, count, p).rad
    elif not values.is_exact:
        target.rad = spread


MOVES = (
    np.transpose,
    np.swapaxes,
    np.repeat,
    np.broadcast_to,
    sliding_window_view,
    np.reshape,
    np.ravel,
    np.expand_dims,
    np.squeeze,
    np.moveaxis,
    np.flip,
    np.roll,
    np.tile,
    np.take,
)
"""The functions that move and repeat entries, and compute nothing."""

_UFUNCS: dict[Any, Callable[..., Ball]] = {
    np.negative: _negative,
    np.absolute: _absolute,
    np.maximum: _maximum,
    np.minimum: _minimum,
    np.sign: _in_steps(np.sign),
    np.floor: _in_steps(np.floor),
    np.greater: _greater,
    np.less: _less,
    np.bitwise_and: _minimum,  # of masks
    np.bitwise_or: _maximum,
    np.invert: _not,
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _multiply,
    np.divide: _divide,
    np.matmul: _matmul,
    np.exp: _exp,
    np.expm1: _expm1,
    np.log: _log,
    np.log1p: _log1p,
    np.arctan: _arctan,
    np.arcsinh: _arcsinh,
    np.sin: _sin,
    np.cos: _cos,
    np.sqrt: _sqrt,
    np.power: _power,
    np.tanh: _tanh,
    erf: _erf,
    np.arctan2: _arctan2,
    erfinv: _erf_inv,
    gammaln: _lgamma,
    psi: _digamma,
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.linalg.solve: _solve,
    zeta: _zeta,
    np.concatenate: _concatenate,
    np.sum: _sum,
    np.cumsum: _cumsum,
    np.max: _max,
    np.where: _where,
    np.ones_like: _ones_like,
    np.zeros_like: _zeros_like,
    np.argmax: _argmax,
    np.pad: _pad,
    np.ndim: lambda a: a.ndim,
    np.shape: lambda a: a.shape,
    **{move: _moved(move) for move in MOVES},
}
