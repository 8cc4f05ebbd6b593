"""Balls of what is exactly zero, infinite or unknown, and of what is too small for float64."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, Precision
from backproof.reference.numbers.sum_rules import in_any_order
from backproof.reference.ops.functions import arctan
from tests.verifier.balls import EVERY, inside


@EVERY
@pytest.mark.parametrize("rad", [0.0, [[0.0] * 3] * 2], ids=["exact", "radius-zero"])
def test_zero_times_a_number_is_exactly_zero(p: Precision, rad: Any) -> None:
    """What is multiplied by zero is zero: nothing is rounded, and nothing underflows."""
    for q in (p, p.narrow(), p.flushing(), p.narrow().flushing()):
        zero, x = Ball(np.zeros((2, 3)), rad, q), Ball([[3.0, -2.0, 0.5]] * 2, [[0.25] * 3] * 2, q)
        added = np.zeros_like(x, shape=(4,))
        np.add.at(added, (np.array([1, 1]),), zero[:, 0])
        for ball in (
            *(zero * x, x * zero, zero / Ball.exact([3.0, -2.0, 0.5], q), zero * 0.1),
            *(zero + zero, zero - zero, -zero, np.sum(zero * x), np.sum(zero, axis=0)),
            *(zero @ x.T, x @ zero.T, zero.T @ x, in_any_order([zero, zero * x])),
            *(added, zero.rounding(), zero.into(p), Ball.rounded(zero.mid, q)),
            *(np.tanh(zero), erf(zero), arctan(zero)),
            *(np.sqrt(zero), np.expm1(zero), np.log1p(zero)),
        ):
            assert not np.any(ball.mid)
            assert not np.any(ball.rad)


@EVERY
def test_cancelling_terms_leave_no_rounding(p: Precision) -> None:
    """A number minus itself is exactly zero."""
    x = Ball.exact([0.1, 3.0, p.minimum], p)

    assert not np.any((x - x).rad)
    assert np.all((x + x).rad > 0)


def test_tiny_numbers_are_not_zero() -> None:
    """A product of numbers that float64 cannot hold is enclosed: it is not zero."""
    tiny, huge = Ball.exact([[1e-200]], FLOAT64), Ball.exact([[1e200]], FLOAT64)
    exactly = Fraction(1e-200) ** 2
    for ball in (tiny * tiny, tiny / huge, tiny @ tiny, np.sum(tiny * tiny, axis=0)):
        number = Fraction(1e-200) / Fraction(1e200) if ball.ndim == 1 else exactly

        assert ball.mid.ravel().tolist() == [0]
        assert inside(0.0, float(ball.rad.ravel()[0]), (number, number))
        assert 0 < ball.rad.ravel()[0] < 32 * FLOAT64.underflow
    assert np.exp(Ball.exact([-1e4], FLOAT64)).rad[0] > 0
    assert Ball.rounded(["1e-400"], FLOAT64).rad[0] > 0


def test_signed_zeros_are_equal() -> None:
    """Zero and minus zero are one number."""
    assert Ball.exact([0.0], FLOAT64).contains([-0.0]).all()
    assert (Ball.exact([0.0], FLOAT32) * -1.0).contains([0.0]).all()


def test_division_by_what_may_be_zero() -> None:
    """Nothing is known of the quotient, unless zero itself is divided: a branch not taken."""
    quotient = Ball([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], FLOAT64) / Ball([1.0] * 3, [2.0] * 3, FLOAT64)

    assert (quotient.mid[-1], quotient.rad.tolist()) == (0, [np.inf, np.inf, 0])


def test_infinity_and_nan_are_nowhere() -> None:
    """NaN and infinity lie in no ball, not even in one of infinite radius."""
    for ball in (Ball([0.0], [np.inf], FLOAT64), Ball([0.0], 0.0, FLOAT64)):
        assert not ball.contains([np.nan]).any()
        assert not ball.contains([np.inf]).any()


def test_infinite_operands_promise_nothing() -> None:
    """The ball of a result that may be infinite contains no number."""
    infinite = Ball.exact([np.inf], FLOAT64)

    assert not (infinite - infinite).contains([0.0]).any()
    assert not np.exp(Ball.exact([1e4], FLOAT64)).contains([1.0]).any()


def test_what_is_unknown_stays_unknown() -> None:
    """Zero times an unknown number is unknown: the radius is infinite, not NaN."""
    unknown, zero = Ball([[1.0]], [[np.inf]], FLOAT64), Ball([[0.0]], [[0.0]], FLOAT64)
    infinite = Ball.exact([[np.inf]], FLOAT64)

    for ball in (unknown * zero, zero * unknown, zero @ unknown, unknown @ zero, unknown + zero):
        assert ball.rad.tolist() == [[np.inf]]
    for ball in (infinite * zero, zero @ infinite, zero / zero):
        assert ball.rad.tolist() == [[np.inf]]


def test_an_unknown_number_is_unknown_alone() -> None:
    """In a matrix product, what is unknown of a row or a column stays in its row or column."""
    x = Ball([[1.0, 2.0], [3.0, 4.0]], [[0.0, np.inf], [0.0, 0.0]], FLOAT32)
    one = Ball.exact([[1.0, 0.5], [2.0, -1.0]], FLOAT32)

    assert np.isinf((x @ one).rad).tolist() == [[True, True], [False, False]]
    assert np.isinf((one @ x).rad).tolist() == [[False, True], [False, True]]
    assert np.all((x @ one).rad[1] <= 4 * FLOAT32.u * 10)


def test_an_infinite_padding_is_never_the_maximum() -> None:
    """Padding with -infinity leaves a maximum and its radius as they were; alone it is known."""
    for x in (Ball.exact([[3.0, -2.0]], FLOAT32), Ball([[3.0, -2.0]], [[0.5, 0.25]], FLOAT32)):
        padded = np.pad(x, ((0, 1), (1, 1)), constant_values=-np.inf)
        largest = np.max(padded, axis=1)

        assert padded.shape == (2, 4)
        assert padded.mid[0].tolist() == [-np.inf, 3, -2, -np.inf]
        assert largest.mid.tolist() == [3, -np.inf]
        assert largest[:1].contains([3.0]).all()
        assert largest[:1].contains([3.4]).all() == (not x.is_exact)
        assert not largest[:1].contains([3.6]).any()
        assert not largest[1:].contains([0.0]).any()
        assert not np.any(largest[1:].rad)
        assert not np.any(np.maximum(largest, largest)[1:].rad)
        assert np.argmax(padded, axis=1)[0] == 1


def test_a_maximum_that_overflows_is_not_known() -> None:
    """An infinity whose radius is infinite may be any number, and so may the largest of some."""
    overflows = np.exp(Ball([[800.0, 800.0]], [[1.0, 1.0]], FLOAT64))

    for largest in (np.max(overflows, axis=1), np.maximum(overflows, overflows)):
        assert np.isinf(largest.rad).all()


def test_comparisons_that_cannot_be_decided() -> None:
    """Where a comparison is undecided, the choice holds both branches."""
    z = Ball([0.0, 1.0, -1.0], [0.5, 0.5, 0.5], FLOAT64)
    chosen = np.where(z > 0, 10.0, -10.0)

    assert chosen.contains([10.0, 10.0, -10.0]).all()
    assert chosen.contains([-10.0, 10.0, -10.0]).all()
    assert chosen.contains([10.0, -10.0, 10.0]).tolist() == [True, False, False]


@pytest.mark.parametrize("rad", [2.0**-60, 0.5])
def test_a_radius_below_a_unit_leaves_a_comparison_open(rad: float) -> None:
    """A comparison stays undecided even if the midpoint plus the radius rounds to the midpoint."""
    one = Ball([1.0], [rad], FLOAT64)

    assert (one > 1.0).rad.tolist() == [0.5]
    assert (one < 1.0).rad.tolist() == [0.5]
    assert not np.any((one > 3.0).mid)
    assert not np.any((one < -1.0).mid)
