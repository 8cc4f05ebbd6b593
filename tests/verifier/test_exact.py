"""Proven digits, and the rounding of decimals."""

from decimal import Decimal
from fractions import Fraction

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backproof.reference.numbers.exact import (
    Undecided,
    enclosure,
    exact,
    nearest,
    rational,
    real,
    reals,
    round_half_up,
    significant,
    workprec,
)

E = "2.71828182845904523536028747135266249775724709369995957496696762772407663035"


@pytest.mark.parametrize(
    ("text", "places", "expected"),
    [
        ("0.041085", 5, "0.04109"),  # a tie: the article's 0.5 x 0.08217
        ("-0.041085", 5, "-0.04109"),
        ("0.0410849999", 5, "0.04108"),
        ("0.5", 0, "1"),
        ("0.25", 4, "0.2500"),
    ],
)
def test_ties_go_up(text: str, places: int, expected: str) -> None:
    """Half a unit rounds away from zero, on the decimal itself and never on its float."""
    assert expected == str(round_half_up(rational(text), places))


@pytest.mark.parametrize(
    ("text", "places", "expected"),
    [
        ("0.0075", 3, {"0.007", "0.008"}),
        ("-0.5", 0, {"-1", "0"}),
        ("0.00749", 3, {"0.007"}),
        ("0.0075", 4, {"0.0075"}),
        ("-0.001", 2, {"0.00"}),
    ],
)
def test_a_tie_has_two_nearest_decimals(text: str, places: int, expected: set[str]) -> None:
    """A number has one nearest decimal, but halfway between two it has both."""
    assert expected == {str(decimal) for decimal in nearest(rational(text), places)}


@given(st.fractions(), st.integers(0, 12))
def test_rounding_is_within_half_a_unit(x: Fraction, places: int) -> None:
    """A rounded number has the places asked for and lies within half a unit of the number."""
    rounded = round_half_up(flint.fmpq(x.numerator, x.denominator), places)

    assert -rounded.as_tuple().exponent == places  # type: ignore[operator]
    assert abs(Fraction(rounded) - x) <= Fraction(1, 2 * 10**places)


def test_a_straddling_ball_is_undecided() -> None:
    """A ball around a tie proves neither side, and raises Undecided."""
    with workprec(), pytest.raises(Undecided, match="too wide to be rounded to 5 decimal places"):
        round_half_up(flint.arb(rational("0.041085")), 5)


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=9).filter(bool))
def test_significant_digits_are_proven(x: Decimal) -> None:
    """At least as many significant digits as asked for are returned, all of them right."""
    with workprec():
        text = significant(flint.arb(rational(str(x))), 30)

    assert Decimal(text) == x
    assert len(Decimal(text).as_tuple().digits) >= 30


def test_what_may_be_zero_has_no_digits() -> None:
    """A ball that holds zero proves no digit; zero itself is written as it is."""
    with workprec():
        third = flint.arb(1) / 3
        with pytest.raises(Undecided, match="may be zero"):
            significant(third - third, 1)

    assert significant(flint.arb(0), 40) == "0"


def test_infinity_is_undecided() -> None:
    """A ball that is not finite raises Undecided."""
    with pytest.raises(Undecided, match="not finite"):
        round_half_up(flint.arb(1) / 0, 5)


@pytest.mark.parametrize("exponent", [10**8, -(10**8), 10**60])
def test_what_no_decimal_reaches_is_undecided(exponent: int) -> None:
    """A ball of a hundred million digits is undecided at once; its digits are not written."""
    with pytest.raises(Undecided, match="beyond"):
        nearest(flint.arb(exponent).exp(), 5)


def test_rational_arithmetic_is_exact() -> None:
    """Sums, products and quotients of rationals are rational, in arrays and with other numbers."""
    total = reals([["0.15", "0.20"]]) @ reals([["0.05"], ["0.10"]]) + real("0.35")
    found = 2 * abs(0.5 * -total[0, 0] / 1) ** 2 - flint.fmpq(1, 3)

    assert enclosure(found) == (2 * (Fraction("0.3775") / 2) ** 2 - Fraction(1, 3),) * 2


def test_any_other_function_gives_a_ball() -> None:
    """An elementary function encloses its value, which further arithmetic keeps enclosed."""
    with workprec():
        low, high = enclosure(1 - np.exp(reals(["0", "1"]))[1] / 2)

        assert low < high
        assert low <= 1 - Fraction(E) / 2 <= high


@pytest.mark.parametrize("n", [99, 10**9])
def test_long_rationals_become_balls(n: int) -> None:
    """A power whose digits would fill the memory is a ball; a short one is exact."""
    assert isinstance((real("1.1") ** 2).value, flint.fmpq)
    assert isinstance((real("1.1") ** n).value, flint.arb)
    assert isinstance((real("1.1") ** 40 * real("1.1") ** 40).value, flint.arb)


@given(st.fractions(), st.fractions())
def test_order(x: Fraction, y: Fraction) -> None:
    """Rationals compare as the numbers that they are."""
    one, other = real(x), real(y)  # type: ignore[arg-type] of a Fraction

    assert (x < y, x <= y, x > y, x >= y, x == y, x != y) == (
        one < other,
        one <= other,
        one > other,
        one >= other,
        one == other,
        one != other,
    )


def test_numpy_runs_on_balls() -> None:
    """NumPy's own exp and matrix product run on object arrays of balls."""
    with workprec():
        e = np.exp(exact(["1"])) @ exact([["1"]])

        assert significant(e[0], 40) == "2.718281828459045235360287471352662497757"
