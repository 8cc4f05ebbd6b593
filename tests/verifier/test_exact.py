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
    exact,
    rational,
    round_half_up,
    significant,
    workprec,
)


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


def test_numpy_runs_on_balls() -> None:
    """NumPy's own exp and matrix product run on object arrays of balls."""
    with workprec():
        e = np.exp(exact(["1"])) @ exact([["1"]])

        assert significant(e[0], 40) == "2.718281828459045235360287471352662497757"
