"""The promise of a Ball: what is exact and what is computed both lie inside."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.numbers.ball import Ball
from reference.numbers.exact import enclosure, exact, workprec
from reference.numbers.precision import FLOAT64, PRECISIONS, Precision

OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "exp": lambda a, _: np.exp(-a / 64),
    "matmul": lambda a, b: a @ b.T,
    "sum": lambda a, b: np.sum(a * b, axis=0),
    "sigmoid": lambda a, _: 1 / (1 + np.exp(-(a / 64))),
    "shared": lambda a, b: np.sum(a * (1 - b) + 0.5 * b, axis=1, keepdims=True),
}


def arrays(precision: str) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """Arrays (2, 5) of one precision, at most 2^12 in size and at least 2^-12 or zero."""
    width = np.dtype(precision).itemsize * 8
    positive = st.floats(2.0**-12, 2.0**12, width=width)
    entry = st.one_of(positive, positive.map(lambda x: -x), st.sampled_from([0.0, -0.0, 1.0]))
    return st.lists(entry, min_size=10, max_size=10).map(
        lambda entries: np.array(entries, precision).reshape(2, 5)
    )


@pytest.mark.parametrize("name", OPERATIONS)
@given(data=st.data())
def test_promise(precision: str, name: str, data: st.DataObject) -> None:
    """For operands inside the balls, the exact result and the computed one lie inside."""
    p, operation = PRECISIONS[precision], OPERATIONS[name]
    mids = [data.draw(arrays(precision)) for _ in range(2)]
    if name == "divide":
        mids[1] = np.where(mids[1] == 0, np.array(1, precision), mids[1])
    moved = [m * np.array(1 + 2.0**-9, precision) for m in mids]
    balls = [Ball(m, np.abs(x.astype(float) - m), p) for m, x in zip(mids, moved, strict=True)]
    ball = operation(*balls)
    computed = operation(*moved)
    with workprec():
        exactly = [enclosure(x) for x in operation(*map(exact, moved)).ravel()]

    assert computed.dtype == precision
    assert ball.contains(computed).all()
    assert all(map(_inside, ball.mid.ravel(), ball.rad.ravel(), exactly))


def _inside(mid: float, rad: float, ends: tuple[Fraction, Fraction]) -> bool:
    return np.isinf(rad) or all(abs(end - Fraction(mid)) <= Fraction(rad) for end in ends)


@pytest.mark.parametrize("n", [1, 2, 1000, 100_000])
def test_any_order_of_summation(precision: str, n: int) -> None:
    """A sum lies inside whatever its order: pairwise, from either end, by size."""
    x = np.random.default_rng(n).standard_normal(n).astype(precision)
    ball = np.sum(Ball(x, 0, PRECISIONS[precision]))
    orders = [x, x[::-1], np.sort(x), x[np.argsort(-np.abs(x))]]

    assert all(ball.contains(np.sum(order)) for order in orders)
    assert all(ball.contains(np.cumsum(order)[-1]) for order in orders)
    assert ball.contains(float(sum(map(Fraction, x.tolist()))))


def test_cancellation(precision: str) -> None:
    """A sum's rounding is measured by its terms, not by what is left of them."""
    p = PRECISIONS[precision]
    x = np.array([1, 1.5 * p.u, -1], precision)
    ball = np.sum(Ball(x, 0, p))

    assert np.sum(x) == 2 * p.u
    assert ball.contains([np.sum(x), 1.5 * p.u]).all()


def test_one_unit_too_many_is_outside(precision: str) -> None:
    """The balls are no wider than their model: an error beyond it is seen."""
    p = PRECISIONS[precision]
    product = Ball([3.0], 0, p) * Ball([1 / 3], 0, p)

    assert product.contains(1.0).all()
    assert not product.contains(1 + 4 * p.u).any()


def test_nan_is_outside() -> None:
    """NaN lies in no ball, not even in one of infinite radius."""
    assert not Ball([0.0], np.inf, FLOAT64).contains([np.nan]).any()


def test_division_by_what_may_be_zero() -> None:
    """Nothing is known of a quotient whose divisor may be zero."""
    quotient = Ball([1.0], 0, FLOAT64) / Ball([1.0], 2, FLOAT64)

    assert quotient.rad.tolist() == [np.inf]


def test_rounded_holds_every_correct_rounding() -> None:
    """A decimal's ball holds the decimal, its float64 and its float32."""
    for p in PRECISIONS.values():
        ball = Ball.rounded(["0.1", "-0.3"], p)

        assert ball.contains(np.array([0.1, -0.3], p.dtype)).all()
        assert all(
            _inside(mid, rad, (x, x))
            for mid, rad, x in zip(ball.mid, ball.rad, map(Fraction, ("0.1", "-0.3")), strict=True)
        )


def test_unknown_functions_are_refused() -> None:
    """What has no rule raises; it never falls back on midpoints alone."""
    with pytest.raises(TypeError):
        np.arctan(Ball([1.0], 0, FLOAT64))
    with pytest.raises(TypeError):
        np.median(Ball([1.0], 0, FLOAT64))


def test_precision_constants() -> None:
    """U and the smallest normal number are those of the format."""
    for p in PRECISIONS.values():
        info = np.finfo(p.dtype)

        assert p.u == info.eps / 2
        assert p.minimum == info.smallest_normal


def test_gamma_is_bounded() -> None:
    """gamma_n refuses n for which the bound does not hold."""
    with pytest.raises(ValueError, match="n u must be below 1"):
        Precision("float32", digits=2, minimum=1).gamma(4)
