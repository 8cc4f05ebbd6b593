"""The promise of a Ball: what is exact and what is computed both lie inside."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from reference.numbers.ball import Ball
from reference.numbers.exact import enclosure, exact, rational, workprec
from reference.numbers.precision import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    PRECISIONS,
    Precision,
    gamma,
)
from reference.ops.softmax import log_softmax_forward

Array = np.ndarray[Any, Any]

OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a, _: -a,
    "absolute": lambda a, _: np.abs(a),
    "maximum": np.maximum,
    "where": lambda a, b: np.where(a > 0, b, a),
    "max": lambda a, _: np.max(a, axis=1, keepdims=True),
    "exp": lambda a, _: np.exp(-np.abs(a) / 64),
    "log": lambda a, b: np.log(np.abs(a) + np.abs(b)),
    "sqrt": lambda a, _: np.sqrt(np.abs(a)),
    "tanh": lambda a, _: np.tanh(a / 64),
    "sigmoid": lambda a, _: 1 / (1 + np.exp(-np.abs(a / 64))),
    "concatenate": lambda a, b: np.concatenate([a, b], axis=1),
    "matmul": lambda a, b: a @ b.T,
    "sum": lambda a, b: np.sum(a * b, axis=0),
    "shared": lambda a, b: np.sum(a * (1 - b) + 0.5 * b, axis=1, keepdims=True),
    "log_softmax": lambda a, _: log_softmax_forward(a / 64),
}
ACCUMULATING = ("matmul", "sum", "shared", "log_softmax")
"""In NumPy, bfloat16 and float16 accumulate as NumPy pleases: so in no other accumulator."""

EVERY = pytest.mark.parametrize("p", PRECISIONS.values(), ids=PRECISIONS)


def arrays(p: Precision) -> st.SearchStrategy[Array]:
    """Arrays (2, 5) of one precision, at most 2^5 in size and at least 2^-5, or zero, or equal."""
    significand = st.integers(2 ** (p.digits - 1), 2**p.digits - 1)
    positive = st.builds(lambda m, e: m * 2.0 ** (e - p.digits), significand, st.integers(-4, 5))
    entry = st.one_of(positive, positive.map(lambda x: -x), st.sampled_from([0.0, -0.0, 1.0]))
    return st.lists(entry, min_size=10, max_size=10).map(
        lambda entries: np.array(entries).astype(p.dtype).reshape(2, 5)
    )


@pytest.mark.parametrize("name", OPERATIONS)
@EVERY
@settings(max_examples=40)
@given(data=st.data())
def test_promise(p: Precision, name: str, data: st.DataObject) -> None:
    """For operands inside the balls, the exact result and the computed one lie inside."""
    operation = OPERATIONS[name]
    mids = [data.draw(arrays(p)) for _ in range(2)]
    if name in ("divide", "log"):
        mids[1] = np.where(mids[1] == 0, np.array(1, p.dtype), mids[1])
    moved = [m * np.array(1 + 2.0**-5, p.dtype) for m in mids]
    rads = [np.abs(x.astype(float) - m.astype(float)) for m, x in zip(mids, moved, strict=True)]
    q = p.narrow() if name in ACCUMULATING else p
    for balls in (
        [Ball(m, r, q) for m, r in zip(mids, rads, strict=True)],
        [Ball.exact(x, q) for x in moved],
    ):
        ball = operation(*balls)
        computed = operation(*moved)
        if p is BFLOAT16 and name in ACCUMULATING:  # NumPy returns the accumulator
            computed = computed.astype(p.dtype)
        with workprec():
            exactly = [enclosure(x) for x in np.ravel(operation(*map(exact, moved)))]

        assert computed.dtype == p.dtype
        assert ball.contains(computed).all()
        assert ball.precision is q
        assert all(map(_inside, ball.mid.ravel(), _radii(ball), exactly))


def _radii(ball: Ball) -> Array:
    return np.broadcast_to(ball.rad, ball.shape).ravel()


def _inside(mid: float, rad: float, ends: tuple[Fraction, Fraction]) -> bool:
    return np.isinf(rad) or all(abs(end - Fraction(mid)) <= Fraction(rad) for end in ends)


@pytest.mark.parametrize("n", [1, 2, 1000, 100_000])
@EVERY
def test_any_order_of_summation(p: Precision, n: int) -> None:
    """A sum lies inside whatever its order: pairwise, from either end, by size."""
    x = np.random.default_rng(n).standard_normal(n).astype(p.dtype)
    wide = np.float32 if p.accumulator else p.dtype
    ball = np.sum(Ball.exact(x, p))
    size = np.argsort(-np.abs(x.astype(float)))
    for order in (x, x[::-1], x[size], x[size[::-1]]):
        assert ball.contains(np.sum(order.astype(wide)).astype(p.dtype))
        assert ball.contains(np.cumsum(order.astype(wide))[-1].astype(p.dtype))
    assert ball.contains(float(sum(map(Fraction, x.astype(float).tolist()))))


@pytest.mark.parametrize("n", [1, 64, 100_000])
@EVERY
def test_inner_products(p: Precision, n: int) -> None:
    """So does an inner product, whatever the sizes of its terms, and so do its rows alone."""
    rng = np.random.default_rng(n)
    a = (rng.standard_normal((3, n)) * 2.0 ** rng.integers(-9, 3, (3, n))).astype(p.dtype)
    b = (rng.standard_normal((n, 2)) * 2.0 ** rng.integers(-9, 3, (n, 2))).astype(p.dtype)
    wide = np.float32 if p.accumulator else p.dtype
    ball = Ball.exact(a, p) @ Ball.exact(b, p)
    terms = (a.astype(wide)[:, :, None] * b.astype(wide)[None]).astype(wide)

    assert ball.contains((a.astype(wide) @ b.astype(wide)).astype(p.dtype)).all()
    assert ball.contains(np.cumsum(terms, axis=1)[:, -1].astype(p.dtype)).all()
    assert ball.contains(np.cumsum(terms[:, ::-1], axis=1)[:, -1].astype(p.dtype)).all()
    exactly = [
        sum((Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)), Fraction())
        for row in a.astype(float).tolist()
        for column in b.T.astype(float).tolist()
    ]
    assert all(
        _inside(m, r, (x, x))
        for m, r, x in zip(ball.mid.ravel(), _radii(ball), exactly, strict=True)
    )


@EVERY
def test_a_narrow_accumulator(p: Precision) -> None:
    """Accumulated in itself, a long bfloat16 or float16 sum leaves the ball of float32's sum."""
    x = np.full(2000, 1.5 * 2.0**-4).astype(p.dtype)
    one_by_one = x[0]
    for term in x[1:]:
        one_by_one = (one_by_one + term).astype(p.dtype)

    assert np.sum(Ball.exact(x, p)).contains(one_by_one) == (p.accumulator is None)
    assert np.sum(Ball.exact(x, p.narrow())).contains(one_by_one)


@EVERY
def test_cancellation(p: Precision) -> None:
    """A sum's rounding is measured by its terms, not by what is left of them."""
    wide = p.accumulator or p
    x = np.array([1, 1.5 * wide.u, -1])
    ball = np.sum(Ball.exact(x, p))

    assert ball.contains([2 * wide.u, 1.5 * wide.u]).all()
    assert not ball.contains([16 * wide.u]).any()


def flushed(x: Array, p: Precision) -> Array:
    """Return x with its subnormals set to zero."""
    return np.where(np.abs(x.astype(float)) < p.minimum, np.array(0, p.dtype), x)


@pytest.mark.parametrize("p", [FLOAT64, FLOAT32, FLOAT16], ids=lambda p: p.name)
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "matmul"])
def test_underflow(p: Precision, name: str) -> None:
    """Gradual underflow lies inside; flushed operands and results only if p flushes."""
    rng = np.random.default_rng(0)
    small = p.minimum * rng.uniform(-3, 3, (64, 3))
    a = small.astype(p.dtype)
    b = (small[::-1] if name in ("add", "subtract") else rng.uniform(-3, 3, (64, 3))).astype(
        p.dtype
    )
    operation = OPERATIONS[name]
    gradual = operation(a, b)
    flush = flushed(operation(flushed(a, p), flushed(b, p)), p)
    narrow = p.narrow()
    sharp = operation(Ball.exact(a, narrow), Ball.exact(b, narrow))
    wide = operation(Ball.exact(a, narrow.flushing()), Ball.exact(b, narrow.flushing()))

    assert sharp.contains(gradual).all()
    assert not sharp.contains(flush).all()
    assert wide.contains(gradual).all()
    assert wide.contains(flush).all()


def test_products_of_extreme_sizes() -> None:
    """Bounds computed in float32 hold beyond float32's range, on both sides."""
    for scale in (2.0**-500, 2.0**-140, 2.0**140, 2.0**500):
        a = np.array([[1.0, 2.0**-130, 3.0]]) * scale
        b = np.array([[1 / 3], [2.0**-20], [-1 / 3]])
        ball = Ball.exact(a, FLOAT64) @ Ball.exact(b, FLOAT64)
        exactly = sum(
            (Fraction(x) * Fraction(y) for x, y in zip(a[0], b[:, 0], strict=True)), Fraction()
        )

        assert _inside(ball.mid[0, 0], ball.rad[0, 0], (exactly, exactly))
        assert 0 < ball.rad[0, 0] < 16 * FLOAT64.u * scale


@given(st.floats(-8, 8))
def test_erf(x: float) -> None:
    """The error function, which Arb has too."""
    ball = erf(Ball.exact([x], FLOAT64))
    with workprec():
        exactly = enclosure(flint.arb(rational(x)).erf())

    assert _inside(ball.mid[0], ball.rad[0], exactly)
    assert ball.contains([erf(x)]).all()


@EVERY
def test_one_unit_too_many_is_outside(p: Precision) -> None:
    """The balls are no wider than their model: an error beyond it is seen."""
    product = Ball.exact([3.0], p) * Ball.exact([1 / 3], p)

    assert product.contains(1.0).all()
    assert not product.contains(1 + 4 * p.u).any()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    """Nothing in, nothing out, in the right shape."""
    empty = Ball.exact(np.zeros(shape), FLOAT32)

    assert (empty + empty * 2).shape == shape
    assert np.exp(empty).shape == shape
    assert empty.contains(np.zeros(shape)).shape == shape
    assert np.sum(empty).contains(0.0)
    if len(shape) == 2:
        product = empty @ empty.T
        assert product.shape == (shape[0], shape[0])
        assert product.contains(np.zeros(product.shape)).all()


def test_infinity_and_nan_are_nowhere() -> None:
    """What is not finite lies in no ball, not even in one of infinite radius."""
    for ball in (Ball([0.0], [np.inf], FLOAT64), Ball([0.0], 0.0, FLOAT64)):
        assert not ball.contains([np.nan]).any()
        assert not ball.contains([np.inf]).any()


def test_infinite_operands_promise_nothing() -> None:
    """Of a result that may be infinite, no number is said to be right."""
    infinite = Ball.exact([np.inf], FLOAT64)

    assert not (infinite - infinite).contains([0.0]).any()
    assert not np.exp(Ball.exact([1e4], FLOAT64)).contains([1.0]).any()


def test_signed_zeros_are_equal() -> None:
    """Zero and minus zero are one number."""
    assert Ball.exact([0.0], FLOAT64).contains([-0.0]).all()
    assert (Ball.exact([0.0], FLOAT32) * -1.0).contains([0.0]).all()


def test_comparisons_that_cannot_be_decided() -> None:
    """Where both may be, a choice holds both."""
    z = Ball([0.0, 1.0, -1.0], [0.5, 0.5, 0.5], FLOAT64)
    chosen = np.where(z > 0, 10.0, -10.0)

    assert chosen.contains([10.0, 10.0, -10.0]).all()
    assert chosen.contains([-10.0, 10.0, -10.0]).all()
    assert chosen.contains([10.0, -10.0, 10.0]).tolist() == [True, False, False]


def test_division_by_what_may_be_zero() -> None:
    """Nothing is known of a quotient whose divisor may be zero."""
    quotient = Ball([1.0], 0.0, FLOAT64) / Ball([1.0], [2.0], FLOAT64)

    assert quotient.rad.tolist() == [np.inf]


@EVERY
def test_rounded_holds_every_correct_rounding(p: Precision) -> None:
    """A decimal's ball holds the decimal and every correct rounding of it."""
    ball = Ball.rounded(["0.1", "-0.3"], p)
    ends = [(x, x) for x in map(Fraction, ("0.1", "-0.3"))]

    assert ball.contains(np.array([0.1, -0.3]).astype(p.dtype)).all()
    assert all(map(_inside, ball.mid, ball.rad, ends))


def test_a_scalar_radius_is_a_radius() -> None:
    """A sum's radius is not mistaken for exactness because NumPy made it a scalar."""
    total = np.sum(Ball.exact([0.1, 0.2], FLOAT64))

    assert not total.is_exact
    assert total.rad > 0
    assert (total * 2.0).rad > 2 * total.rad


def test_shares() -> None:
    """The share of a radius: 0 at the midpoint, 1 at the edge; of a zero radius, all or nothing."""
    assert Ball([1.0, 1.0, 1.0], [2.0, 2.0, 0.0], FLOAT64).shares([1.0, 3.0, 1.0]).tolist() == [
        0,
        1,
        0,
    ]
    assert Ball.exact([1.0, 1.0], FLOAT64).shares([1.0, 2.0]).tolist() == [0, np.inf]


def test_unknown_functions_are_refused() -> None:
    """What has no rule raises; it never falls back on midpoints alone."""
    with pytest.raises(TypeError):
        np.arctan(Ball.exact([1.0], FLOAT64))
    with pytest.raises(TypeError):
        np.median(Ball.exact([1.0], FLOAT64))


@EVERY
def test_precision_constants(p: Precision) -> None:
    """Unit roundoff, smallest normal and subnormal are those of the format."""
    import ml_dtypes  # noqa: PLC0415 knows bfloat16 too

    info = ml_dtypes.finfo(p.dtype)

    assert p.u == float(info.eps) / 2
    assert p.minimum == float(info.smallest_normal)
    assert p.underflow == float(info.smallest_subnormal)
    assert p.flushing().underflow == p.minimum


def test_gamma_is_bounded() -> None:
    """gamma_n is infinite where its bound does not hold: nothing is known then."""
    assert gamma(2**8, BFLOAT16.u) == np.inf
    assert gamma(2, 2.0**-2) == 1
