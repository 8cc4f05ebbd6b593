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

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cached_property
from math import frexp, isfinite, isnan
from typing import Any, ClassVar

import numpy as np

from backproof.reference.numbers.methods import Methods, Rules
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision, gamma
from backproof.reference.ops import Array


class Ball(Methods):
    """An array of balls [mid - rad, mid + rad].

    mid:       float64 array.
    rad:       float64 array of the same shape, >= 0, infinite where nothing is known; or the
               number 0.0 where all entries are exact.
    precision: whose rounding the operations model.

    The rule of a function of each entry takes balls and a precision; that of another function takes
    its arguments.
    """

    rules: ClassVar[Rules] = {}

    def __init__(self, mid: Any, rad: Any, precision: Precision) -> None:
        """Take the arrays as they are; none is copied, none is written to."""
        self.mid: Array = np.asarray(mid, dtype=np.float64)
        self.rad: Any = rad
        if type(rad) is not float or rad:
            self.rad = np.asarray(rad, dtype=np.float64)
            if self.rad.shape != self.mid.shape:
                self.rad = np.broadcast_to(self.rad, self.mid.shape)
        self.precision = precision
        self.terms = 1  # how many terms were added up for an entry
        self.changed = 0  # how often entries were written
        self.origin: tuple[Ball, Callable[[Array], Array], int] | None = None  # see `moved`

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
        rad = rounded_by(np.abs(mid), unit(precision), precision, a != 0)
        return cls(mid, unless_infinite(mid, rad, cls.exact(mid, precision)), precision)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.mid.shape

    @property
    def is_exact(self) -> bool:
        """Whether every radius is known to be zero."""
        return type(self.rad) is float  # NumPy's scalars are of a subclass

    @property
    def T(self) -> "Ball":
        """The transpose."""
        return self.moved(np.transpose)

    def reshape(self, *shape: int) -> "Ball":
        """Return the same entries in another shape."""
        return self.moved(lambda a: a.reshape(*shape))

    def moved(self, move: Callable[[Array], Array]) -> "Ball":
        """Return the same entries in other places."""
        rad = self.rad if self.is_exact else move(self.rad)
        moved = Ball(move(self.mid), rad, self.precision)
        moved.origin = self, move, self.changed
        return moved

    @cached_property
    def largest_size(self) -> Array:
        """The largest magnitude that each entry may have, computed once."""
        size = np.abs(self.mid)
        return size if self.is_exact else np.asarray(size + self.rad)

    @cached_property
    def bound32(self) -> tuple[Array, float]:
        """A float32 array B < 2 and a power of two s with |x| <= s (B (1 + u32) + minimum32).

        It is for bounds of products, which cost half as much in float32 as in float64. Scaling by s
        keeps B in float32's range. Where an entry is not finite, all of B is NaN. It is computed
        once for the same entries in other places.
        """
        if self.origin:
            ball, move, changed = self.origin
            if ball.changed == changed:
                bound, scale = ball.bound32
                return move(bound), scale
        size = self.mid if self.is_exact else np.abs(self.mid) + self.rad
        biggest = max(largest(size), -least(size))
        if not isfinite(biggest):
            return np.full(self.shape, np.nan, np.float32), 1.0
        scale = 2.0 ** max(frexp(biggest)[1] - 1, FLOAT64.exponent) if biggest else 1.0
        bound = np.empty(self.shape, np.float32)
        np.multiply(size, 1 / scale, out=bound, casting="same_kind")
        return np.abs(bound, out=bound), scale

    def __bool__(self) -> bool:
        raise TypeError("a ball has no truth value; write np.where(x > 0, a, b) for `if x > 0`")

    def __getitem__(self, index: Any) -> "Ball":
        return self.moved(lambda entries: entries[index])

    def at_largest(self) -> Array:
        """Return where the midpoints are the largest along the last axis: a convention at ties."""
        return np.asarray(self.mid == np.max(self.mid, axis=-1, keepdims=True))

    def middle(self) -> "Ball":
        """Return the midpoints alone."""
        return Ball.exact(self.mid, self.precision)

    def rounding(self) -> "Ball":
        """Return zeros whose radii are the error of rounding these balls once."""
        size = np.abs(self.mid) + self.rad
        rad = up(rounded_by(size, unit(self.precision), self.precision))
        return Ball(np.zeros(self.shape), rad, self.precision)

    def stored(self, precision: str = "") -> "Ball":
        """Return these balls rounded once into a precision, if theirs is a wider one.

        precision: its name; by default, that of the precision in which arrays are stored.
        """
        p, name = self.precision, precision or self.precision.stored
        is_wider = bool(name) and p.digits > PRECISIONS[name].digits
        return Ball(self.mid, self.into(PRECISIONS[name]).rad, p) if is_wider else self

    def read(self) -> "Ball":
        """Return an op's operands or results: if the precision flushes, subnormals may be zero."""
        return flushed(self) if self.precision.flushes else self

    def into(self, precision: Precision) -> "Ball":
        """Return these balls rounded once, into a precision. It underflows only if theirs does."""
        p = precision if self.precision.minimum else precision.unbounded()
        rad = rounded_once(self.mid, self.rad if self.is_exact else self.rad.copy(), unit(p), p)
        return Ball(self.mid, unless_infinite(self.mid, rad, self), p)

    def nearest(self, precision: Precision) -> "Ball":
        """Return these balls rounded to nearest in a precision, ties to even.

        Rounding is monotone, so the ends are rounded: a ball that is narrow for that precision
        becomes one number, or two neighbours.
        """
        low, high = (nearest_to(end, precision) for end in ends(self))
        if self.is_exact:
            return Ball.exact(low, self.precision)
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            mid = np.where(low == high, low, low / 2 + high / 2)
            rad = np.where(low == high, 0, up((high - low) / 2 + FLOAT64.u * np.abs(mid)))
        known = np.isfinite(mid)
        return Ball(np.where(known, mid, self.mid), np.where(known, rad, np.inf), self.precision)

    def by_rule(self, function: Callable[..., Any]) -> Any:
        """Return a function of an op's own by the rule that there is for it."""
        return self.rules[function](self)

    def chosen(self, seen: Any) -> "Ball":
        """Return exact columns of what was seen where it lies inside, and the balls decide.

        They do if the radii of a column are smaller than its midpoints, in the 2-norm.
        """
        size, spread = (np.sum(np.square(a), -2, keepdims=True) for a in (self.mid, self.rad))
        held = np.all(self.contains(seen), axis=-2, keepdims=True) & (spread < size)
        return Ball(np.where(held, seen, self.mid), np.where(held, 0, self.rad), self.precision)

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write to an array that `np.zeros_like` has made; other arrays are shared."""
        self.changes()
        ball = values if isinstance(values, Ball) else Ball.exact(values, self.precision)
        self.mid[index] = ball.mid
        if not ball.is_exact and self.is_exact:
            self.rad = np.zeros(self.shape)
        if not self.is_exact:
            self.rad[index] = ball.rad

    def changes(self) -> None:
        """Forget what was computed of entries that are about to be written."""
        self.changed += 1
        for known in ("bound32", "largest_size"):
            self.__dict__.pop(known, None)

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
            distance = np.asarray(np.asarray(values, np.float64) - self.mid)
            np.abs(distance, out=distance)
            if not self.is_exact:
                share = np.divide(distance, self.rad, out=distance)
                if not isnan(largest(share)):
                    return share
                distance = np.abs(np.asarray(values, np.float64) - self.mid)
            if isnan(largest(distance)):  # infinity minus infinity
                distance = np.where((values == self.mid) & (self.rad == 0), 0, distance)
            if self.is_exact:
                return np.where(distance > 0, np.inf, distance)
            share = np.where(distance == 0, 0, np.divide(distance, self.rad))
            return np.where(np.isfinite(distance), share, np.nan)

    def by_entry(self, rule: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        """Return a rule's ball of operands as the precision reads them, and of constants."""
        p = self.precision
        balls = [x if isinstance(x, Ball) else constant(x, p) for x in inputs]
        with np.errstate(all="ignore"):
            return rule(*(read(ball) for ball in balls), p)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            return super().__array_function__(func, types, args, kwargs)


def largest(a: Array) -> float:
    """Return the largest entry, NaN if there is one, and zero if there is none larger."""
    return float(np.maximum.reduce(a, axis=None, initial=0))


def least(a: Array) -> float:
    """Return the smallest entry, NaN if there is one, and infinity if there is none."""
    return float(np.minimum.reduce(a, axis=None, initial=np.inf))


def unit(p: Precision) -> float:
    """Return the sum of the unit roundoffs of a precision and of float64."""
    return p.u + FLOAT64.u


def rounded_by(size: Array, relative: Any, p: Precision, nonzero: Any = None) -> Array:
    """Return a bound of what one rounding changes; an exact zero is not rounded.

    size:    a bound of the magnitude; overwritten. relative: of the relative error.
    nonzero: where the number is not exactly zero. None: wherever the size is not; that will not do
             where the size itself may have underflowed in float64.
    """
    lost = p.underflow + 2 * FLOAT64.underflow  # the precision's; the midpoint's and the radius's
    if nonzero is None:
        nonzero = least(size) > 0 or size > 0
    rounding = np.asarray(size)
    rounding *= relative
    rounding += lost if nonzero is True or np.all(nonzero) else np.where(nonzero, lost, 0)
    return rounding


def rounded_once(
    mid: Array, spread: Any, relative: float, p: Precision, nonzero: Callable[[], Any] | None = None
) -> Array:
    """Return the radii of results that are rounded once, made larger as `up` does.

    spread:   what the operands' radii cause; overwritten. 0.0: they are exact.
    relative: a bound of the relative error. nonzero: returns where results are not exactly zero.
    None: wherever the largest magnitude is not.
    """
    enough = 1 + gamma(16, FLOAT64.u)
    rad = np.asarray(np.abs(mid))
    rad *= relative * enough
    if type(spread) is not float:  # NumPy's scalars are of a subclass
        spread *= (1 + relative) * enough
        rad += spread
    lost = (p.underflow + 3 * FLOAT64.underflow) * enough
    if least(rad) > 0:  # so none is zero, or NaN
        rad += lost
        return rad
    where = nonzero() if nonzero else (mid != 0) | (spread != 0)
    return known(rad + np.where(where, lost, 0))


def nonzero_of(a: Ball) -> Array:
    """Return where numbers are not exactly zero."""
    nonzero = a.mid != 0
    if not a.is_exact:
        nonzero |= a.rad != 0
    return np.asarray(nonzero)


def up(rad: Array, n: int = 1) -> Array:
    """Return rad made larger by what its own float64 evaluation may have lost.

    n: the terms of its longest sum. No rule below rounds more than n + 15 times, one after another.
    """
    rad *= 1 + gamma(n + 15, FLOAT64.u)
    return known(rad)


def known(rad: Array) -> Array:
    """Return radii that are infinite where they are NaN, as zero times infinity is."""
    return np.where(np.isnan(rad), np.inf, rad) if isnan(largest(rad)) else rad


def unless_infinite(mid: Array, rad: Array, *operands: Ball) -> Array:
    """Return the radii of a sum, zero where it is known to be infinite.

    It is where an operand is an infinity that is known, such as the fill of a mask, and the others
    have bounds. What overflows is not known.
    """
    if isfinite(largest(rad)):
        return rad
    is_known, is_bounded = np.False_, np.isinf(mid)
    for a in operands:
        is_known = is_known | (np.isinf(a.mid) & (a.rad == 0))
        is_bounded = is_bounded & np.isfinite(a.rad)
    return np.where(is_known & is_bounded, 0, rad)


def nearest_to(x: Array, p: Precision) -> Array:
    """Return float64 numbers rounded to p; those of size 2^e are multiples of 2^(e - digits)."""
    last = np.maximum(np.frexp(x)[1], p.exponent + 1) - p.digits
    return np.asarray(np.ldexp(np.rint(np.ldexp(x, -last)), last))


def read(a: Ball) -> Ball:
    """Return the operand of a step as the precision may read it."""
    return flushed(a) if a.precision.flushes_steps else a


def flushed(a: Ball) -> Ball:
    """Return the balls with zero in every one that has a subnormal number in it."""
    p, size = a.precision, np.abs(a.mid)
    subnormal = (size < p.minimum + a.rad) & (size > a.rad)
    return Ball(a.mid, np.where(subnormal, size, a.rad), p) if subnormal.any() else a


def constant(x: Any, p: Precision) -> Ball:
    """Return a constant of a formula as the precision holds it: 0.5 exactly, 0.044715 rounded.

    In float64 too, a constant of many binary digits is the rounding of the number that is meant,
    such as 1/10.
    """
    if isinstance(x, str):  # which NumPy would read
        raise TypeError(f"expected a number, found the text {x!r}")
    if not isinstance(x, int | float) or not isfinite(x):
        return Ball.exact(x, p)
    short = frexp(x)[0] * 2.0 ** min(p.digits, FLOAT32.digits)
    return Ball.exact(x, p) if short.is_integer() else Ball.rounded(x, p)


def ends(a: Ball) -> tuple[Array, Array]:
    """Return the lower and the upper ends, moved outwards by their own rounding."""
    if a.is_exact:
        return a.mid, a.mid
    rad = a.rad + np.where(a.rad > 0, FLOAT64.u * (np.abs(a.mid) + a.rad), 0)
    return a.mid - rad, a.mid + rad
