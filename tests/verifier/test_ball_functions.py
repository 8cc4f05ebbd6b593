"""Balls of functions: both ends of the range lie inside, also for balls that reach far."""

from collections.abc import Callable
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import lu_factor, lu_solve
from scipy.special import erf

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import enclosure, exact, rational, workprec
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, Precision
from backproof.reference.ops.functions import arctan2, digamma, erf_inv, lgamma, solve, zeta
from tests.verifier.balls import BOTH, EVERY, NAME, inside
from tests.verifier.proven import outside


@given(st.floats(-8, 8))
def test_erf(x: float) -> None:
    """The ball of erf holds Arb's proven value and SciPy's computed one."""
    ball = erf(Ball.exact([x], FLOAT64))
    with workprec():
        exactly = enclosure(flint.arb(rational(x)).erf())

    assert inside(ball.mid[0], ball.rad[0], exactly)
    assert ball.contains([erf(x)]).all()


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        ((0, 3), (1, 0.5), 0.5, 3),
        ((1, 0.5), (0, 3), 0.5, 3),
        ((5, 1), (0, 3), 4, 6),
        ((0, 1), (0, 0), 0, 1),
        ((0, 0), (2, 0), 2, 2),
    ],
)
def test_maximum_and_minimum(a: Any, b: Any, low: float, high: float) -> None:
    """Both ends of a maximum's range lie inside, and the radius is no larger than they need."""
    one, two = (Ball([float(mid)], [float(rad)], FLOAT64) for mid, rad in (a, b))
    both = np.concatenate([one, two])
    for ball in (
        np.maximum(one, two),
        -np.minimum(-one, -two),
        np.max(both, axis=0, keepdims=True),
    ):
        furthest = max(ball.mid[0] - low, high - ball.mid[0])

        assert ball.contains([low]).all()
        assert ball.contains([high]).all()
        assert furthest <= ball.rad[0] <= furthest * (1 + 2.0**-40)


@EVERY
def test_a_first_power_is_exact(p: Precision) -> None:
    """x^1 is x; a higher power is rounded, and one of a ball is as wide as the ball."""
    exponents = Ball.exact([1.0, 2.0], p)
    once, twice = np.power(Ball.exact([0.875, 0.875], p), exponents).rad
    ball = np.power(Ball([0.875, 0.875], [0.125, 0.125], p), exponents)

    assert once == 0 < twice
    assert ball.contains([0.75, 0.75**2]).all()


@EVERY
def test_integer_powers_of_every_sign(p: Precision) -> None:
    """Integer powers of balls are enclosed below zero and around it; x^0 is 1, exactly."""
    mid, rad = np.array([-2.0, -0.5, 0.0, 0.25]), np.array([0.5, 0.75, 1.0, 0.0])
    ends = [mid - rad, mid, mid + rad]
    for n in (0, 1, 2, 3, 5):
        ball = Ball(mid, rad, p) ** n

        assert np.all(np.isfinite(ball.rad))
        assert all(ball.contains(end**n).all() for end in ends)
    assert np.isfinite((Ball(mid, rad, p) ** -1).rad).tolist() == [True, False, False, True]
    assert np.all((Ball(mid, rad, p) ** 0).rad == 0)
    assert np.all((Ball.exact([0.0], p) ** 3).rad == 0)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_small_natural_power_is_as_wide_as_what_it_reaches(n: int) -> None:
    """x^n moves by (|mid| + rad)^n - |mid|^n, and its ball is no wider, but for rounding."""
    mid, rad = np.array([-2.0, -0.5, 0.0, 1.0, 3.0]), np.array([0.5, 0.75, 1.0, 2.0**-20, 0.0])
    furthest = (np.abs(mid) + rad) ** n - np.abs(mid) ** n
    ball = Ball(mid, rad, FLOAT64) ** n

    assert np.all(furthest <= ball.rad)
    rounding = 4 * FLOAT64.ulps(FLOAT64.pow_ulp)  # twice the ball's, and float64's of the radius
    assert np.all(ball.rad <= furthest + rounding * (np.abs(mid) + rad) ** n)


def test_a_power_whose_midpoint_underflows() -> None:
    """0.1^330 is zero in float64, and 0.15^330 is not: it lies inside the power of 0.1 +- 0.05."""
    assert (Ball([0.1], [0.05], FLOAT64) ** 330.5).contains([0.15**330.5]).all()


@pytest.mark.parametrize("x", ["1e300", "-1e300", "1e17", "1e8", "1", "1e-300"])
@pytest.mark.parametrize("share", ["0", "1e-10", "0.5", "2"])
@pytest.mark.parametrize("name", ["atan", "asinh"])
def test_arctan_and_arsinh(name: str, x: str, share: str) -> None:
    """Both ends of the range of a function lie inside, also for huge operands."""
    function = {"atan": np.arctan, "asinh": np.arcsinh}[name]
    mid, rad = float(x), abs(float(x)) * float(share)
    ball = function(Ball([mid], [rad], FLOAT64))
    with workprec():
        middle, radius = flint.arb(rational(mid)), flint.arb(rational(rad))
        for end in (middle - radius, middle, middle + radius):
            assert list(outside(ball, [getattr(end, name)()])) == []
    assert ball.contains([function(mid)]).all()


def trigamma(x: Any) -> Any:
    """Return the derivative of digamma."""
    return zeta(2, x)


REACHING = [*(np.exp, np.expm1, np.log, np.log1p, np.sqrt), *(lgamma, digamma, trigamma, erf_inv)]


@pytest.mark.parametrize("function", REACHING, ids=NAME)
def test_functions_of_balls_that_reach_far(function: Callable[[Any], Any]) -> None:
    """Both ends of a function's range lie inside, also for wide balls and near singularities."""
    rng = np.random.default_rng(0)
    mid = 10.0 ** (rng.uniform(-3, 0, 500) if function is erf_inv else rng.uniform(-3, 2.3, 500))
    share = np.where(rng.random(500) < 0.75, 1 - 10.0 ** -rng.integers(1, 17, 500), 2.0**-40)
    rad = share * (1 + mid if function is np.log1p else mid)
    ball = function(Ball(mid, rad, FLOAT64))
    with workprec():
        for end in (exact(mid) - exact(rad), exact(mid) + exact(rad)):
            known = np.isfinite(ball.rad)
            assert list(outside(ball[known], function(end[known]))) == []


def test_angles_of_balls() -> None:
    """A point's ball turns by what is seen of it from zero; at the jump, its angle may be any."""
    y, x = Ball([3.0, -0.0, 0.5, 0.0], [1.0, 0.0, 1.0, 0.0], FLOAT64), [4.0, -1.0, -1.0, 0.0]
    ball = arctan2(y, Ball(x, [1.0, 0.0, 0.5, 0.0], FLOAT64))
    ends = [np.arctan2(3 + i, 4 + j) for i in (-1, 1) for j in (-1, 1)]

    assert all(ball[:1].contains([end]).all() for end in ends)
    assert ball.rad[0] < 2**0.5 * np.max(np.abs(np.subtract(ends, ball.mid[0])))
    for end in (np.pi, -np.pi):
        assert ball[1:].contains([end] * 3).all()
    at_zero = arctan2(Ball.exact([0.0], FLOAT64), Ball.exact([-1.0], FLOAT64))
    assert [at_zero.contains([end]).item() for end in (np.pi, -np.pi, 0.0)] == [True, False, False]
    tiny = arctan2(Ball([0.0], [5e-324], FLOAT64), Ball.exact([4.0], FLOAT64))
    assert tiny.contains([5e-324]).all()  # it underflows, and is not exactly zero


@EVERY
def test_functions_of_what_is_not_their_own(p: Precision) -> None:
    """Of numbers that may be beyond where a function is defined, nothing is known."""
    for f in (lgamma, digamma, trigamma):
        assert np.isinf(f(Ball([-0.5, 0.0, 1.0], [0.0, 0.0, 1.0], p)).rad).tolist() == [True] * 3
    found = erf_inv(Ball([1.0, -1.0, 0.5], [0.0, 0.0, 0.5], p)).rad

    assert not np.any(np.isfinite(found[2]))


@EVERY
def test_sines_of_wide_balls(p: Precision) -> None:
    """Of operands of which nothing is known, sine and cosine are known to lie from -1 to 1."""
    for f in (np.sin, np.cos):
        ball = f(Ball([0.0, 1.0], [np.inf, 100.0], p))

        assert ball.contains([1.0, 1.0]).all()
        assert ball.contains([-1.0, -1.0]).all()
        assert np.all(ball.rad < 4)


def test_equations_that_are_nearly_singular() -> None:
    """Equations are enclosed while their matrix is surely regular; otherwise nothing is known."""
    for small in (1e-2, 1e-5):
        A = np.array([[1.0, 1.0], [1.0, 1.0 + small]])
        X = solve(Ball.exact(A, FLOAT32), Ball.exact([[2.0, 0.0], [1.0, 0.0]], FLOAT32))
        exactly = solve(exact(A), exact([[2.0, 0.0], [1.0, 0.0]]))

        assert list(outside(X, exactly)) == []
        assert X.rad[:, 1].tolist() == [0, 0]
    assert np.isinf(solve(Ball(A, np.full((2, 2), small), FLOAT32), X).rad).all()


@pytest.mark.parametrize("n", [3, 20])
@BOTH
def test_equations_are_solved_inside(p: Precision, n: int) -> None:
    """What LAPACK finds lies inside, whatever the matrix."""
    rng = np.random.default_rng(n)
    A, B = (rng.standard_normal(shape).astype(p.dtype) for shape in ((5, n, n), (5, n, 2)))
    ball = solve(Ball.exact(A, p), Ball.exact(B, p))

    assert np.mean(np.isfinite(ball.rad)) > 0.75
    assert (ball.contains(np.linalg.solve(A, B)) | np.isinf(ball.rad)).all()


@BOTH
def test_transposed_equations_are_solved_inside(p: Precision) -> None:
    """So does what is found by the factors of the transpose, as in a backward pass."""
    rng = np.random.default_rng(0)
    A = (np.tril(rng.standard_normal((500, 5, 5))) + 2 * np.eye(5)).astype(p.dtype)
    B = np.ones((500, 5, 1), p.dtype)
    ball = solve(Ball.exact(np.swapaxes(A, -1, -2), p), Ball.exact(B, p))
    found = [lu_solve(lu_factor(a), b, trans=1) for a, b in zip(A, B, strict=True)]

    assert np.mean(np.isfinite(ball.rad)) > 0.75
    assert (ball.contains(found) | np.isinf(ball.rad)).all()


@pytest.mark.parametrize("n", [1, 3, 20])
@BOTH
def test_determinants_are_inside(p: Precision, n: int) -> None:
    """What LAPACK's factors give lies inside, whatever the matrix; the sign is known."""
    rng = np.random.default_rng(n)
    A = rng.standard_normal((20, n, n)).astype(p.dtype)
    factors = [lu_factor(a) for a in A]
    pivots = np.array([np.diagonal(found) for found, _ in factors])
    swaps = [np.sum(swapped != np.arange(n)) for _, swapped in factors]
    products = np.prod(pivots, axis=-1, dtype=p.dtype) * (-1.0) ** np.array(swaps)
    logs = np.sum(np.log(np.abs(pivots)), axis=-1, dtype=p.dtype)
    det, (sign, log) = np.linalg.det(Ball.exact(A, p)), np.linalg.slogdet(Ball.exact(A, p))

    assert np.mean(np.isfinite(det.rad)) > 0.75
    assert det.contains(products).all()
    assert log.contains(logs).all()
    assert (sign == np.sign(products)).all()
    assert np.mean(det.rad[np.isfinite(det.rad)] < np.abs(det.mid[np.isfinite(det.rad)])) == 1


def test_the_determinant_of_what_may_be_singular_is_not_known() -> None:
    """Nothing is known where a matrix in the ball has the determinant zero."""
    A = Ball([[1.0, 1.0], [1.0, 1.5]], np.full((2, 2), 0.25), FLOAT64)

    assert np.isinf(np.linalg.det(A).rad)
    assert np.isinf(np.linalg.slogdet(A)[1].rad)
    assert np.isinf(np.linalg.det(Ball.exact(np.ones((2, 2)), FLOAT64)).rad)
