"""Proven digits: Arb balls (python-flint) in object arrays, and decimals rounded from them.

An Arb ball encloses the true value, so a digit on which both its ends agree is proven.
`np.exp` on an object array calls each element's `.exp()`: plain NumPy code runs as it is.
"""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import flint
import numpy as np

from backproof.reference.ops import Array

Number = int | flint.fmpq | flint.arb
"""A rational number known exactly, or a ball around a real one; they can be mixed."""

BITS = 200
"""Working precision of the proofs: 60 decimal digits, of which 10,000 updates lose four."""


class Undecided(ArithmeticError):
    """The ball is too wide to say which way its value rounds."""


def workprec() -> Any:
    """Return a context manager under which balls are computed with `BITS` bits."""
    return flint.ctx.workprec(BITS)


def rational(text: str | float) -> flint.fmpq:
    """Return the exact value of a decimal string or a float."""
    x = Fraction(text)
    return flint.fmpq(x.numerator, x.denominator)


def on_balls(function: Callable[[Any], Any]) -> Callable[[Number], flint.arb]:
    """Return the function, applied to a ball: its value at a rational is seldom rational."""
    return lambda x: function(flint.arb(x))


def exact(values: Any) -> Array:
    """Return an object array of Arb balls, in the shape of `values` (decimal strings, floats)."""
    a = np.asarray(values)
    balls = [flint.arb(rational(x)) for x in a.ravel().tolist()]
    return np.array(balls, dtype=object).reshape(a.shape)


def enclosure(x: Number) -> tuple[Fraction, Fraction]:
    """Return two fractions between which x lies; both are x where it is known exactly."""
    if isinstance(x, int | np.integer):  # such as the cotangent of the loss, the integer 1
        return Fraction(x), Fraction(x)
    if isinstance(x, flint.fmpq):
        exactly = Fraction(int(x.p), int(x.q))
        return exactly, exactly
    if not x.is_finite():
        raise Undecided(f"{x} is not finite")
    mid, rad, exponent = (int(part) for part in x.mid_rad_10exp(BITS))
    unit = Fraction(10) ** exponent
    return (mid - rad) * unit, (mid + rad) * unit


def round_half_up(x: Number, places: int) -> Decimal:
    """Return x rounded, ties away from zero, to a number of decimal places.

    Raises Undecided where the ends of the ball round to different decimals.
    """
    low, high = (_round_fraction(end, places) for end in enclosure(x))
    if low != high:
        raise Undecided(f"{x} is too wide to be rounded to {places} decimal places")
    return low


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


def _round_fraction(x: Fraction, places: int) -> Decimal:
    n = floor(abs(x) * Fraction(10) ** places + Fraction(1, 2))
    return Decimal((int(x < 0), tuple(int(digit) for digit in str(n)), -places))
