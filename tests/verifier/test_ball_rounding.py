"""Balls are rounded: by each step, into a precision, where they are read, and near zero."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    Precision,
    gamma,
)
from backproof.reference.ops import Array
from tests.verifier.balls import EVERY, NAME, each_of, inside


@EVERY
def test_one_unit_too_many_is_outside(p: Precision) -> None:
    """The balls are no wider than their model: an error beyond it is seen."""
    product = Ball.exact([3.0], p) * Ball.exact([1 / 3], p)

    assert product.contains(1.0).all()
    assert not product.contains(1 + 4 * p.u).any()


@EVERY
def test_rounded_holds_every_correct_rounding(p: Precision) -> None:
    """A decimal's ball holds the decimal and every correct rounding of it."""
    ball = Ball.rounded(["0.1", "-0.3"], p)
    ends = [(x, x) for x in map(Fraction, ("0.1", "-0.3"))]

    assert ball.contains(np.array([0.1, -0.3]).astype(p.dtype)).all()
    assert all(map(inside, ball.mid, ball.rad, ends))


def test_a_scalar_radius_is_a_radius() -> None:
    """A sum is not taken for exact because NumPy made its radius a scalar; nor is a float."""
    total = np.sum(Ball.exact([0.1, 0.2], FLOAT64))

    assert not Ball(2.0, 0.5, FLOAT64).is_exact
    assert (Ball([2.0], [0.5], FLOAT64) @ Ball.exact([3.0], FLOAT64)).rad > 1.5
    assert not total.is_exact
    assert total.rad > 0
    assert (total * 2.0).rad > 2 * total.rad


@EVERY
def test_short_constants_are_exact(p: Precision) -> None:
    """A constant that the precision can represent is exact, and so is a fill of minus infinity."""
    zero = Ball.exact([0.0], p)

    for constant in (0.5, 3, -0.75):
        assert np.where(zero > 0, 0, constant).is_exact
        assert np.maximum(zero - zero, constant).contains(max(constant, 0)).all()
    assert np.maximum(zero, -np.inf).is_exact


@EVERY
@pytest.mark.parametrize("constant", ["0.044715", "0.1", "1e-5"])
def test_other_constants_are_rounded(p: Precision, constant: str) -> None:
    """The ball of any other constant holds the decimal and its rounding to the precision."""
    zero = Ball.exact([0.0], p)
    ball = np.where(zero > 0, 0, float(constant))
    decimal = Fraction(constant)

    assert inside(ball.mid[0], ball.rad[0], (decimal, decimal))
    assert ball.contains([np.array(float(constant)).astype(p.dtype)]).all()
    assert ball.rad[0] <= 4 * (p.u * float(constant) + p.underflow)


def products(a: Any, b: Any) -> Any:
    """Return the inner products of all rows."""
    return a @ b.T


def flushed(x: Array, p: Precision) -> Array:
    """Return x with its subnormals set to zero."""
    return np.where(np.abs(x.astype(float)) < p.minimum, np.array(0, p.dtype), x)


@each_of(FLOAT64, FLOAT32, FLOAT16)
@pytest.mark.parametrize("operation", [np.add, np.subtract, np.multiply, products], ids=NAME)
def test_underflow(p: Precision, operation: Callable[..., Any]) -> None:
    """Gradual underflow lies inside; flushed operands and results only if p flushes."""
    rng = np.random.default_rng(0)
    small = p.minimum * rng.uniform(-3, 3, (64, 3))
    a = small.astype(p.dtype)
    factors = small[::-1] if operation in (np.add, np.subtract) else rng.uniform(-3, 3, (64, 3))
    b = factors.astype(p.dtype)
    gradual = operation(a, b)
    flush = flushed(operation(flushed(a, p), flushed(b, p)), p)
    narrow = p.narrow()
    sharp = operation(Ball.exact(a, narrow), Ball.exact(b, narrow))
    read = [Ball.exact(x, narrow.flushing()).read() for x in (a, b)]
    wide = operation(*read).read()

    assert sharp.contains(gradual).all()
    assert not sharp.contains(flush).all()
    assert wide.contains(gradual).all()
    assert wide.contains(flush).all()


@each_of(BFLOAT16, FLOAT16)
def test_into(p: Precision) -> None:
    """A float32 ball rounded into a precision holds all its rounded numbers, and little more."""
    rng = np.random.default_rng(0)
    mid, rad = rng.standard_normal(64), 2.0**-12 * rng.random(64)
    for wide in (Ball(mid, rad, FLOAT32), Ball.exact(mid, FLOAT32)):
        ball = wide.into(p)
        assert ball.precision is p
        for share in (-1, -0.5, 0, 1):
            inside = mid + share * np.asarray(wide.rad)
            assert ball.contains(inside).all()
            assert ball.contains(inside.astype(p.dtype)).all()
        assert np.all(ball.rad <= wide.rad + 2 * (p.u * (np.abs(mid) + wide.rad) + p.underflow))


@EVERY
def test_read(p: Precision) -> None:
    """A precision that flushes may read subnormals as zero; other numbers are read as they are."""
    x = np.array([p.minimum / 2, -p.minimum / 4, p.minimum, 0.0, 1.0])
    read = Ball.exact(x, p.flushing()).read()

    assert Ball.exact(x, p).read().is_exact
    assert read.contains(x).all()
    assert read.contains([0.0] * 5).tolist() == [True, True, False, True, False]
    assert read.rad[2:].tolist() == [0, 0, 0]
    assert Ball.exact(x[2:], p.flushing()).read().is_exact


def test_float16_flushes_around_an_op_not_in_it() -> None:
    """Operands and results of float16 may be flushed; no product and no step in between is."""
    x, y = np.full((1, 100), 2.0**-8), np.full((100, 1), 2.0**-7)
    for p in (FLOAT16.flushing(), FLOAT16.narrow().flushing()):
        a, b = Ball.exact(x, p), Ball.exact(y, p)
        product = a[:, :1] * b[:1]
        for ball in (a @ b, np.sum(a * b.T, axis=1), product * 1024):
            assert ball.read().contains([ball.mid]).all()
            assert not ball.read().contains([0.0]).any()
        assert not product.contains([0.0]).any()
        assert product.read().contains([0.0, 2.0**-15]).all()
        assert (a @ (Ball.exact(y * 2.0**-10, p).read())).contains([0.0]).all()


def test_a_flushed_ball_holds_zero() -> None:
    """A ball that reaches below the smallest normal number holds zero too, if subnormals flush."""
    p, least = FLOAT16.flushing(), FLOAT16.minimum
    ball = Ball([1.5 * least, -1.5 * least, 3 * least, 0.0], [least, least, least, 0.0], p).read()

    assert ball.contains([0.0] * 4).tolist() == [True, True, False, True]
    assert ball.rad.tolist() == [1.5 * least, 1.5 * least, least, 0]


@EVERY
def test_precision_constants(p: Precision) -> None:
    """The unit roundoff and the smallest normal and subnormal numbers are the format's."""
    import ml_dtypes  # noqa: PLC0415 knows bfloat16 too

    info = ml_dtypes.finfo(p.dtype)

    assert p.u == float(info.eps) / 2
    assert p.minimum == float(info.smallest_normal)
    assert p.underflow == float(info.smallest_subnormal)
    assert p.flushing().underflow == (p.underflow if p is FLOAT16 else p.minimum)


def test_gamma_is_bounded() -> None:
    """gamma_n is infinite where its bound does not hold."""
    assert gamma(2**8, BFLOAT16.u) == np.inf
    assert gamma(2, 2.0**-2) == 1
