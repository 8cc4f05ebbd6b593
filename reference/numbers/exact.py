"""Proven digits: rationals and Arb balls (python-flint) in object arrays, and their roundings.

An Arb ball encloses the true value, so a digit on which both its ends agree is proven.
`np.exp` on an object array calls each element's `.exp()`: plain NumPy code runs as it is.
"""

import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

import flint
import numpy as np

from backproof.reference.ops import Array

BITS = 200
"""Working precision of the proofs: 60 decimal digits, of which 10,000 updates lose four."""

REACH = 1000
"""Numbers up to 10^REACH, and down to 10^-REACH, are written as decimals."""


class Undecided(ArithmeticError):
    """The ball is too wide to say which way its value rounds."""


def workprec() -> Any:
    """Return a context manager under which balls are computed with `BITS` bits."""
    return flint.ctx.workprec(BITS)


def rational(x: str | float | Fraction) -> flint.fmpq:
    """Return the exact value of a decimal string, a float or a fraction."""
    exactly = Fraction(x)
    return flint.fmpq(int(exactly.numerator), int(exactly.denominator))


def _operator(operate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: "Real", other: Any) -> Any:
        if isinstance(other, np.ndarray):
            return NotImplemented  # NumPy asks again, entry by entry
        found = operate(self.value, _value(other))
        return found if isinstance(found, bool) else Real(found)

    return method


class Real:
    """A real number: a rational for as long as it is known to be one, then an Arb ball.

    Sums, products and quotients of rationals are exact, so a tie of two roundings is seen as one.
    A rational of more than `BITS` bits becomes a ball, as does the value of any other function.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        """Take a rational or a ball."""
        self.value = flint.arb(value) if _bits(value) > BITS else value

    __add__ = _operator(operator.add)
    __radd__ = _operator(lambda a, b: b + a)
    __sub__ = _operator(operator.sub)
    __rsub__ = _operator(lambda a, b: b - a)
    __mul__ = _operator(operator.mul)
    __rmul__ = _operator(lambda a, b: b * a)
    __truediv__ = _operator(operator.truediv)
    __rtruediv__ = _operator(lambda a, b: b / a)
    __hash__ = None  # type: ignore[assignment]  # equal numbers may be unequal balls
    __eq__ = _operator(operator.eq)
    __ne__ = _operator(operator.ne)
    __lt__ = _operator(operator.lt)
    __le__ = _operator(operator.le)
    __gt__ = _operator(operator.gt)
    __ge__ = _operator(operator.ge)

    def __neg__(self) -> "Real":
        """Return -x."""
        return Real(-self.value)

    def __abs__(self) -> "Real":
        """Return |x|."""
        return Real(abs(self.value))

    def __pow__(self, n: int) -> "Real":
        """Return x^n; a long power is a ball from the start."""
        base: Any = flint.arb(self.value) if n * _bits(self.value) > BITS else self.value
        return Real(base**n)

    def __getattr__(self, name: str) -> Callable[[], "Real"]:
        """Return a function of Arb's at x, such as `exp`, for NumPy to call."""
        if name.startswith("_"):
            raise AttributeError(name)
        function = getattr(flint.arb(self.value), name)
        return lambda: Real(function())


Number = int | flint.fmpq | flint.arb | Real
"""A rational number known exactly, or a ball around a real one."""


def _value(x: Any) -> int | flint.fmpq | flint.arb:
    """Return what flint computes with: a float is the rational that it is."""
    if isinstance(x, Real):
        return x.value
    return rational(x) if isinstance(x, float) else x


def _bits(x: flint.fmpq | flint.arb) -> int:
    """Return the bits of a rational's longer part; of a ball, which does not grow, none."""
    return x.height_bits() if isinstance(x, flint.fmpq) else 0


def real(x: str | float) -> Real:
    """Return the exact value of a decimal string or a float, to compute with."""
    return Real(rational(x))


def exact(values: Any) -> Array:
    """Return an object array of Arb balls, in the shape of `values` (decimal strings, floats)."""
    return _entries(values, lambda x: flint.arb(rational(x)))


def reals(values: Any) -> Array:
    """Return an object array of `Real`s, in the shape of `values` (decimal strings, floats)."""
    return _entries(values, real)


def _entries(values: Any, number: Callable[[Any], Any]) -> Array:
    a = np.asarray(values)
    return np.array([number(x) for x in a.ravel().tolist()], dtype=object).reshape(a.shape)


def enclosure(x: Number) -> tuple[Fraction, Fraction]:
    """Return two fractions between which x lies; both are x where it is known exactly.

    Raises Undecided where x is not finite, or beyond 10^-`REACH` to 10^`REACH`.
    """
    x = _value(x)
    if not isinstance(x, flint.arb):
        x = flint.fmpq(x)  # such as the cotangent of the loss, the integer 1
        return (Fraction(int(x.p), int(x.q)),) * 2
    mid, rad, exponent = (int(part) for part in x.mid_rad_10exp(BITS))
    if not x.is_finite() or abs(exponent) > REACH:
        raise Undecided(f"{x.str(5)} is not finite, or beyond 10^-{REACH} to 10^{REACH}")
    unit = Fraction(10) ** exponent
    return (mid - rad) * unit, (mid + rad) * unit


def nearest(x: Number, places: int) -> set[Decimal]:
    """Return the decimals of so many places that are nearest to x: two, where x is a tie.

    Raises Undecided where the ends of the ball are not nearest to the same decimals.
    """
    low, high = (_nearest(end, places) for end in enclosure(x))
    if low != high:
        raise Undecided(f"{x} is too wide to be rounded to {places} decimal places")
    return low


def round_half_up(x: Number, places: int) -> Decimal:
    """Return x rounded, ties away from zero, to a number of decimal places. Raises Undecided."""
    return max(nearest(x, places), key=abs)


def significant(x: Number, digits: int) -> str:
    """Return x as a decimal string of `digits` proven significant digits; zero is "0".

    Raises Undecided where the ball does not prove that many.
    """
    low, high = enclosure(x)
    if low == high == 0:
        return "0"
    if low * high <= 0:
        raise Undecided(f"{x} may be zero: it has no proven digit")
    smaller = min(abs(low), abs(high))
    magnitude = len(str(smaller.numerator)) - len(str(smaller.denominator))
    if smaller < Fraction(10) ** magnitude:
        magnitude -= 1
    return f"{round_half_up(x, digits - 1 - magnitude):f}"


def _nearest(x: Fraction, places: int) -> set[Decimal]:
    units, half = x * Fraction(10) ** places, Fraction(1, 2)
    return {Decimal(f"{n}E{-places}") for n in (ceil(units - half), floor(units + half))}
