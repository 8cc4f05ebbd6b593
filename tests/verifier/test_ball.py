"""The promise of a Ball: the exact result and the computed one both lie inside."""

from collections.abc import Callable
from fractions import Fraction
from operator import attrgetter
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import lu_factor, lu_solve
from scipy.special import erf

from backproof.reference.numbers import sum_rules
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import enclosure, exact, rational, workprec
from backproof.reference.numbers.precision import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    PRECISIONS,
    Precision,
    gamma,
)
from backproof.reference.numbers.sum_rules import in_any_order
from backproof.reference.ops import OPS
from backproof.reference.ops.functions import (
    arctan,
    arctan2,
    digamma,
    erf_inv,
    erfc,
    erfcx,
    i0e,
    i1e,
    lgamma,
    logaddexp,
    root,
    solve,
    zeta,
)
from backproof.reference.ops.softmax import log_softmax_forward
from tests.verifier.proven import outside

Array = np.ndarray[Any, Any]


def _written(target: Any, values: Any) -> Any:
    target[:, ::2] = values
    return target


def _added(target: Any, values: Any) -> Any:
    np.add.at(target, (np.array([1, 1]),), values)
    return target


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a, _: -a,
    "absolute": lambda a, _: np.abs(a),
    "maximum": np.maximum,
    "sign": lambda a, b: np.sign(a * b - b) * b,
    "floor": lambda a, b: np.floor(a * b),
    "cos": lambda a, _: np.cos(a),
    "where": lambda a, b: np.where(a > 0, b, a),
    "max": lambda a, _: np.max(a, axis=1, keepdims=True),
    "exp": lambda a, _: np.exp(-np.abs(a) / 64),
    "log": lambda a, b: np.log(np.abs(a) + np.abs(b)),
    "sqrt": lambda a, _: np.sqrt(np.abs(a)),
    "tanh": lambda a, _: np.tanh(a / 64),
    "sigmoid": lambda a, _: 1 / (1 + np.exp(-np.abs(a / 64))),
    "minimum": np.minimum,
    "less": lambda a, b: np.where(a < b, b, a),
    "arctan": lambda a, b: arctan(a * b),
    "sin": lambda a, b: np.sin(a * b),
    "square": lambda a, _: a**2,
    "cube": lambda a, b: ((a - b) / 4) ** 3,
    "power": lambda a, b: (np.abs(a) + np.abs(b)) ** -1.5,
    "cumsum": lambda a, _: np.cumsum(a, axis=1),
    "expm1": lambda a, _: np.expm1(-np.abs(a) / 64),
    "log1p": lambda a, _: np.log1p(a / 64),
    "atan2": arctan2,
    "root": lambda a, b: root(a * b),
    "logaddexp": lambda a, b: logaddexp(a, logaddexp(b / 8, a)),
    "erf_inv": lambda a, _: erf_inv(a / 64),
    "lgamma": lambda a, b: lgamma(np.abs(a) + np.abs(b)),
    "digamma": lambda a, b: digamma(np.abs(a) + np.abs(b)),
    "zeta": lambda a, b: zeta(2, np.abs(a) + np.abs(b)),
    "erfc": lambda a, _: erfc(a / 16),
    "erfcx": lambda a, _: erfcx(a / 16),
    "i0e": lambda a, _: i0e(a),
    "i1e": lambda a, _: i1e(a),
    "tenth": lambda a, _: a * 0.1 + 0.044715,
    "concatenate": lambda a, b: np.concatenate([a, b], axis=1),
    "pad": lambda a, _: np.pad(a, ((0, 1), (2, 0))),
    "max-padded": lambda a, _: np.max(
        np.pad(a, ((0, 0), (2, 1)), constant_values=-np.inf), axis=0, keepdims=True
    )[:, 2:7],
    "transpose": lambda a, _: np.transpose(a, (1, 0)),
    "swapaxes": lambda a, _: np.swapaxes(a, 0, 1),
    "repeat": lambda a, _: np.repeat(a, 2, axis=1),
    "broadcast_to": lambda a, _: np.broadcast_to(a[:, None], (2, 3, 5)),
    "windows": lambda a, _: sliding_window_view(a, (2, 3), axis=(0, 1)),
    "reshape": lambda a, _: np.reshape(a, (5, 2)),
    "set": lambda a, b: _written(np.zeros_like(a), a[:, ::2] * b[:, ::2]),
    "add_at": lambda a, b: _added(np.zeros_like(a), a * b),
    "matmul": lambda a, b: a @ b.T,
    "matmul-3d": lambda a, b: np.broadcast_to(a, (2, 2, 5)) @ np.broadcast_to(b.T, (2, 5, 2)),
    "sum": lambda a, b: np.sum(a * b, axis=0),
    "sum-axes": lambda a, b: np.sum((a * b).reshape(2, 5, 1), axis=(0, 2)),
    "shared": lambda a, b: np.sum(a * (1 - b) + 0.5 * b, axis=1, keepdims=True),
    "log_softmax": lambda a, _: log_softmax_forward(a / 64),
}
ACCUMULATING = (
    *("matmul", "matmul-3d", "sum", "sum-axes", "cumsum", "add_at", "shared", "log_softmax"),
)
"""Operations that accumulate: in bfloat16 and float16, NumPy chooses the accumulator itself.

So they are held to balls with the precision itself as the accumulator.
"""

SCIPY = ("erf_inv", "erfc", "erfcx", "i0e", "i1e", "lgamma", "digamma", "zeta")
"""Operations that SciPy computes in float32 or float64."""

NAME = attrgetter("__name__")
NAME_OF = attrgetter("name")
EVERY = pytest.mark.parametrize("p", PRECISIONS.values(), ids=PRECISIONS)


def arrays(p: Precision) -> st.SearchStrategy[Array]:
    """Return arrays (2, 5) of a precision, with entries of sizes from 2^-5 to 2^5, or 0, -0, 1."""
    significand = st.integers(2 ** (p.digits - 1), 2**p.digits - 1)
    positive = st.builds(lambda m, e: m * 2.0 ** (e - p.digits), significand, st.integers(-4, 5))
    entry = st.one_of(positive, positive.map(lambda x: -x), st.sampled_from([0.0, -0.0, 1.0]))
    return st.lists(entry, min_size=10, max_size=10).map(
        lambda entries: np.array(entries).astype(p.dtype).reshape(2, 5)
    )


@pytest.mark.parametrize("name", OPERATIONS)
@EVERY
@settings(max_examples=12)
@given(data=st.data())
def test_promise(p: Precision, name: str, data: st.DataObject) -> None:
    """For operands inside the balls, the exact result and the computed one lie inside."""
    operation = OPERATIONS[name]
    mids = [data.draw(arrays(p)) for _ in range(2)]
    if name in ("divide", "log", "power", "lgamma", "digamma", "zeta"):
        mids[1] = np.where(mids[1] == 0, np.array(1, p.dtype), mids[1])
    moved = [m * np.array(1 + 2.0**-5, p.dtype) for m in mids]
    rads = [np.abs(x.astype(float) - m.astype(float)) for m, x in zip(mids, moved, strict=True)]
    q = p.narrow() if name in ACCUMULATING else p
    computed = operation(*moved)
    if p is BFLOAT16 and name in (*ACCUMULATING, "tenth", "power"):  # NumPy returns something wider
        computed = computed.astype(p.dtype)
    if name in SCIPY and p.accumulator:
        computed = computed.astype(p.dtype)
    with workprec():
        exactly = operation(*map(exact, moved))
    assert computed.dtype == p.dtype
    for balls in (
        [Ball(m, r, q) for m, r in zip(mids, rads, strict=True)],
        [Ball.exact(x, q) for x in moved],
    ):
        ball = operation(*balls)

        assert ball.contains(computed).all()
        assert ball.precision is q
        assert list(outside(ball, exactly)) == []


def _radii(ball: Ball) -> Array:
    return np.broadcast_to(ball.rad, ball.shape).ravel()


def _inside(mid: float, rad: float, ends: tuple[Fraction, Fraction]) -> bool:
    return np.isinf(rad) or all(abs(end - Fraction(mid)) <= Fraction(rad) for end in ends)


@pytest.mark.parametrize("n", [1, 2, 1000, 100_000])
@EVERY
def test_any_order_of_summation(p: Precision, n: int) -> None:
    """A sum lies inside in any order: pairwise, from either end, by size."""
    x = np.random.default_rng(n).standard_normal(n).astype(p.dtype)
    wide = np.float32 if p.accumulator else p.dtype
    ball = np.sum(Ball.exact(x, p))
    size = np.argsort(-np.abs(x.astype(float)))
    for order in (x, x[::-1], x[size], x[size[::-1]]):
        assert ball.contains(np.sum(order.astype(wide)).astype(p.dtype))
        assert ball.contains(np.cumsum(order.astype(wide))[-1].astype(p.dtype))
    assert ball.contains(float(sum(map(Fraction, x.astype(float).tolist()))))


@pytest.fixture(params=["bounds in float64", "bounds in float32"])
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the bounds of all products in one way: without this, large ones are in float32."""
    monkeypatch.setattr(sum_rules, "LARGE", 0 if "32" in request.param else np.inf)


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("n", [1, 64, 10_000])
@EVERY
def test_inner_products(p: Precision, n: int) -> None:
    """An inner product lies inside in any order, whatever the sizes of its terms."""
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
    """A long sum accumulated in bfloat16 or float16 itself leaves the ball of a float32 sum."""
    x = np.full(2000, 1.5 * 2.0**-4).astype(p.dtype)
    one_by_one = x[0]
    for term in x[1:]:
        one_by_one = (one_by_one + term).astype(p.dtype)

    assert np.sum(Ball.exact(x, p)).contains(one_by_one) == (p.accumulator is None)
    assert np.sum(Ball.exact(x, p.narrow())).contains(one_by_one)


@EVERY
def test_cancellation(p: Precision) -> None:
    """A sum's rounding is bounded by the sizes of its terms, not by the size of the sum."""
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
    read = [Ball.exact(x, narrow.flushing()).read() for x in (a, b)]
    wide = operation(*read).read()

    assert sharp.contains(gradual).all()
    assert not sharp.contains(flush).all()
    assert wide.contains(gradual).all()
    assert wide.contains(flush).all()


@pytest.mark.usefixtures("bounds")
def test_products_of_extreme_sizes() -> None:
    """Bounds of products hold above and below float32's range, too."""
    for scale in (2.0**-500, 2.0**-140, 2.0**140, 2.0**500):
        a = np.array([[1.0, 2.0**-130, 3.0]]) * scale
        b = np.array([[1 / 3], [2.0**-20], [-1 / 3]])
        ball = Ball.exact(a, FLOAT64) @ Ball.exact(b, FLOAT64)
        exactly = sum(
            (Fraction(x) * Fraction(y) for x, y in zip(a[0], b[:, 0], strict=True)), Fraction()
        )

        assert _inside(ball.mid[0, 0], ball.rad[0, 0], (exactly, exactly))
        assert 0 < ball.rad[0, 0] < 16 * FLOAT64.u * scale


@pytest.mark.parametrize("taken", [slice(0, 2), [0, 1]], ids=["a view", "a copy"])
def test_products_of_what_is_written_in_between(taken: Any) -> None:
    """A bound is of the entries as they are: of an array that is written, and of parts of it."""
    side = 256  # so large that bounds are computed in float32, once
    ones = Ball.exact(np.ones((side, side)), FLOAT64)
    whole = np.zeros_like(ones)
    whole[...] = ones
    before = whole[taken]
    _ = before @ ones
    part = whole[taken]
    whole[0] = 1000 * ones[0]
    after = whole[taken]
    added = np.zeros_like(ones)
    _ = added @ ones
    np.add.at(added, [0], ones[:1])

    for ball in (whole, part, after, added):
        product = ball @ ones
        again = Ball(ball.mid.copy(), ball.rad, FLOAT64) @ ones
        assert np.array_equal(product.rad, again.rad)


@given(st.floats(-8, 8))
def test_erf(x: float) -> None:
    """The ball of erf holds Arb's proven value and SciPy's computed one."""
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
    """Operations on empty arrays return empty arrays of the right shape."""
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
    """NaN and infinity lie in no ball, not even in one of infinite radius."""
    for ball in (Ball([0.0], [np.inf], FLOAT64), Ball([0.0], 0.0, FLOAT64)):
        assert not ball.contains([np.nan]).any()
        assert not ball.contains([np.inf]).any()


def test_infinite_operands_promise_nothing() -> None:
    """The ball of a result that may be infinite contains no number."""
    infinite = Ball.exact([np.inf], FLOAT64)

    assert not (infinite - infinite).contains([0.0]).any()
    assert not np.exp(Ball.exact([1e4], FLOAT64)).contains([1.0]).any()


def test_signed_zeros_are_equal() -> None:
    """Zero and minus zero are one number."""
    assert Ball.exact([0.0], FLOAT64).contains([-0.0]).all()
    assert (Ball.exact([0.0], FLOAT32) * -1.0).contains([0.0]).all()


def test_comparisons_that_cannot_be_decided() -> None:
    """Where a comparison is undecided, the choice holds both branches."""
    z = Ball([0.0, 1.0, -1.0], [0.5, 0.5, 0.5], FLOAT64)
    chosen = np.where(z > 0, 10.0, -10.0)

    assert chosen.contains([10.0, 10.0, -10.0]).all()
    assert chosen.contains([-10.0, 10.0, -10.0]).all()
    assert chosen.contains([10.0, -10.0, 10.0]).tolist() == [True, False, False]


def test_division_by_what_may_be_zero() -> None:
    """Nothing is known of a quotient whose divisor may be zero."""
    quotient = Ball([1.0], 0.0, FLOAT64) / Ball([1.0], [2.0], FLOAT64)

    assert quotient.rad.tolist() == [np.inf]


def test_zero_by_what_may_be_zero() -> None:
    """Zero itself, divided by anything but zero, is zero: a branch not taken hands nothing on."""
    quotient = Ball([0.0, 0.0], [0.0, 1.0], FLOAT64) / Ball([1.0, 1.0], [2.0, 2.0], FLOAT64)

    assert (quotient.mid.tolist(), quotient.rad.tolist()) == ([0, 0], [0, np.inf])


@EVERY
def test_rounded_holds_every_correct_rounding(p: Precision) -> None:
    """A decimal's ball holds the decimal and every correct rounding of it."""
    ball = Ball.rounded(["0.1", "-0.3"], p)
    ends = [(x, x) for x in map(Fraction, ("0.1", "-0.3"))]

    assert ball.contains(np.array([0.1, -0.3]).astype(p.dtype)).all()
    assert all(map(_inside, ball.mid, ball.rad, ends))


def test_a_scalar_radius_is_a_radius() -> None:
    """A sum is not taken for exact because NumPy made its radius a scalar; nor is a float."""
    total = np.sum(Ball.exact([0.1, 0.2], FLOAT64))

    assert not Ball(2.0, 0.5, FLOAT64).is_exact
    assert (Ball([2.0], [0.5], FLOAT64) @ Ball.exact([3.0], FLOAT64)).rad > 1.5
    assert not total.is_exact
    assert total.rad > 0
    assert (total * 2.0).rad > 2 * total.rad


def test_shares() -> None:
    """The share is 0 at the midpoint and 1 at the edge; for a zero radius it is 0 or infinite."""
    assert Ball([1.0, 1.0, 1.0], [2.0, 2.0, 0.0], FLOAT64).shares([1.0, 3.0, 1.0]).tolist() == [
        0,
        1,
        0,
    ]
    assert Ball.exact([1.0, 1.0], FLOAT64).shares([1.0, 2.0]).tolist() == [0, np.inf]


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

    assert _inside(ball.mid[0], ball.rad[0], (decimal, decimal))
    assert ball.contains([np.array(float(constant)).astype(p.dtype)]).all()
    assert ball.rad[0] <= 4 * (p.u * float(constant) + p.underflow)


def test_writing_to_zeros() -> None:
    """Written balls keep their radii at their places; writing exact numbers leaves zeros exact."""
    source = Ball([1.0, 2.0], [0.25, 0.5], FLOAT64)
    zeros = np.zeros_like(source, shape=(4,))
    zeros[1:3] = Ball.exact([3.0, 4.0], FLOAT64)
    zeros[0] = 5.0

    assert zeros.is_exact
    zeros[::3] = source
    assert zeros.mid.tolist() == [1, 3, 4, 2]
    assert zeros.rad.tolist() == [0.25, 0, 0, 0.5]
    assert source.mid.tolist() == [1, 2]


@EVERY
def test_adding_at_repeated_places(p: Precision) -> None:
    """Terms added at one place are a sum in any order; at a place without terms zero stays."""
    terms = np.random.default_rng(0).standard_normal(64).astype(p.dtype)
    index = np.arange(64) % 3
    wide = np.float32 if p.accumulator else p.dtype
    ball = np.zeros_like(Ball.exact(terms, p), shape=(4,))
    np.add.at(ball, (index,), Ball.exact(terms, p))

    for order in (np.arange(64), np.arange(64)[::-1], np.argsort(-np.abs(terms.astype(float)))):
        total = np.zeros(4, wide)
        np.add.at(total, (index[order],), terms[order].astype(wide))
        assert ball.contains(total.astype(p.dtype)).all()
    for place in range(4):
        exactly = sum(map(Fraction, terms[index == place].astype(float).tolist()), Fraction())
        assert _inside(ball.mid[place], ball.rad[place], (exactly, exactly))


def test_adding_at_different_places_rounds_nothing() -> None:
    """Without repeated places, adding to zeros keeps every value and its radius."""
    for values in (Ball.exact([1.0, 2.0], FLOAT32), Ball([1.0, 2.0], [0.5, 0.25], FLOAT32)):
        target = np.zeros_like(values, shape=(3,))
        np.add.at(target, (np.array([2, 0]),), values)

        assert target.is_exact == values.is_exact
        assert target.mid.tolist() == [2, 0, 1]
        assert values.is_exact or target.rad.tolist() == [0.25, 0, 0.5]


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
@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=NAME_OF)
def test_equations_are_solved_inside(p: Precision, n: int) -> None:
    """What LAPACK finds lies inside, whatever the matrix."""
    rng = np.random.default_rng(n)
    A, B = (rng.standard_normal(shape).astype(p.dtype) for shape in ((5, n, n), (5, n, 2)))
    ball = solve(Ball.exact(A, p), Ball.exact(B, p))

    assert np.mean(np.isfinite(ball.rad)) > 0.75
    assert (ball.contains(np.linalg.solve(A, B)) | np.isinf(ball.rad)).all()


@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=NAME_OF)
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
@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=NAME_OF)
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


@pytest.mark.parametrize("p", [BFLOAT16, FLOAT16], ids=lambda p: p.name)
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
def test_sums_over_several_axes(p: Precision) -> None:
    """A sum over several axes holds sums of all terms at once and sums axis after axis."""
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(p.dtype)
    wide = x.astype(np.float32 if p.accumulator else p.dtype)
    for axis in ((0, 2), (1, 2), (0, 1, 2)):
        ball = np.sum(Ball.exact(x, p), axis=axis, keepdims=True)
        one_by_one = wide
        for i in axis:
            one_by_one = np.sum(one_by_one, axis=i, keepdims=True)

        assert ball.shape == one_by_one.shape
        assert ball.contains(one_by_one.astype(p.dtype)).all()
        assert ball.contains(np.sum(wide, axis=axis, keepdims=True).astype(p.dtype)).all()
    flat = np.sum(Ball.exact(x.reshape(-1), p))
    assert (flat.mid, flat.rad) == (np.sum(Ball.exact(x, p)).mid, np.sum(Ball.exact(x, p)).rad)


@EVERY
def test_stacks_of_matrices(p: Precision) -> None:
    """A product of stacks of matrices has the balls of the single products, broadcast or not."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(p.dtype) for shape in ((2, 3, 4), (2, 4, 5)))
    x, y = Ball.exact(a, p), Ball.rounded(b, p)
    product, shared = x @ y, x @ y[0]
    for i in range(2):
        for found, expected in ((product[i], x[i] @ y[i]), (shared[i], x[i] @ y[0])):
            assert expected.shape == found.shape
            np.testing.assert_array_equal(expected.mid, found.mid)
            np.testing.assert_array_equal(expected.rad, found.rad)


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


@pytest.mark.usefixtures("bounds")
@EVERY
def test_products_of_which_one_factor_is_zero(p: Precision) -> None:
    """An entry of a matrix product is exactly zero where every term has a factor that is zero."""
    n = 400  # more than bfloat16 can add up with any bound
    a, b = np.zeros((2, n)), np.zeros((n, 2))
    a[0, ::2], a[1, ::3], b[1::2, 0], b[:, 1] = 3, 1 / 3, 0.1, 1
    for q in (p, p.narrow(), p.flushing()):
        for x in (Ball.exact(a, q), Ball(a, np.where(a, 0.25, 0), q)):
            product = x @ Ball.exact(b, q)

            assert (product.mid[0, 0], product.rad[0, 0]) == (0, 0)
            assert product.rad[1, 0] > 0
            assert np.all(product.rad[:, 1] > 0)


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("shapes", [((3,), (3, 2)), ((2, 3), (3,)), ((3,), (3,))], ids=str)
def test_products_of_vectors_with_zeros(shapes: tuple[Any, Any]) -> None:
    """A vector has the balls of a matrix of one row, where all terms are zero, too."""
    a, b = (np.full(s, 0.1) for s in shapes)
    a[:1], b[..., 1:] = 0, 0
    row, column = np.atleast_2d(a), b if b.ndim > 1 else b[:, None]
    pairs = ((a, b), (row, column))
    ball, whole = (Ball.exact(x, FLOAT64) @ Ball.exact(y, FLOAT64) for x, y in pairs)

    assert ball.shape == (a @ b).shape
    assert np.array_equal(ball.rad.ravel(), whole.rad.ravel())


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
        assert _inside(0.0, float(ball.rad.ravel()[0]), (number, number))
        assert 0 < ball.rad.ravel()[0] < 32 * FLOAT64.underflow
    assert np.exp(Ball.exact([-1e4], FLOAT64)).rad[0] > 0
    assert Ball.rounded(["1e-400"], FLOAT64).rad[0] > 0


@pytest.mark.parametrize("p", [FLOAT64, FLOAT32], ids=NAME_OF)
@pytest.mark.parametrize("scale", [1e-52, 1e-30, 1e-300, 1e52])
def test_rows_of_very_different_sizes(p: Precision, scale: float) -> None:
    """Every row and column of a product is held to its own size, whatever the largest entry is."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 8)), rng.standard_normal((8, 3))
    sizes = np.array([1, scale, 1])
    product = Ball.exact(a * sizes[:, None], p) @ Ball.exact(b * sizes[::-1], p)
    size = np.abs(a) @ np.abs(b) * np.outer(sizes, sizes[::-1])

    assert np.all(product.rad <= 2 * gamma(8, p.u + FLOAT64.u) * size + 64 * p.underflow)


@pytest.mark.parametrize("rad", [2.0**-60, 0.5])
def test_a_radius_below_a_unit_leaves_a_comparison_open(rad: float) -> None:
    """A comparison stays undecided even if the midpoint plus the radius rounds to the midpoint."""
    one = Ball([1.0], [rad], FLOAT64)

    assert (one > 1.0).rad.tolist() == [0.5]
    assert (one < 1.0).rad.tolist() == [0.5]
    assert not np.any((one > 3.0).mid)
    assert not np.any((one < -1.0).mid)


FOLDED: dict[str, dict[str, Any]] = {
    "batch_norm": {},
    "group_norm": {"groups": 3},
    "batch_norm_inference": {"mean": np.full(3, 0.257), "variance": np.full(3, 0.4)},
}


@pytest.mark.parametrize("op", FOLDED)
def test_folded_normalizations(op: str) -> None:
    """A normalization computed as x scale + shift lies in that form's ball, not in the plain's.

    The shift of 1/2 is rounded twice, and what is added to it is about as small as one rounding.
    """
    rng, options = np.random.default_rng(0), FOLDED[op]
    x = rng.standard_normal((8, 3, 5)).astype(np.float32)
    gamma, beta = (np.full(3, a, np.float32) for a in (1.1e-7, 0.5))
    axes = {"batch_norm": (0, 2), "group_norm": (2,)}.get(op)
    m = np.mean(x, axes, keepdims=True) if axes else np.float32(0.257)
    variance = np.var(x, axes, keepdims=True) if axes else np.float32(0.4)
    scale = gamma[:, None] / np.sqrt(variance + np.float32(1e-5))
    seen = x * scale + (beta[:, None] - m * scale)
    operands = [Ball.exact(a, FLOAT32) for a in (x, gamma, beta)]
    ways = (OPS[op], OPS[op].forms["folded into scale and shift"])
    own, folded = (way.forward(*operands, **options) for way in ways)

    assert np.all(folded.contains(seen))
    assert not np.all(own.contains(seen))


def test_a_first_term_in_the_sum() -> None:
    """A product that is added to its first term, one step after another, lies in a form's ball.

    The first term is so large beside the others that it is rounded in every step.
    """
    rng = np.random.default_rng(0)
    a = (1e-6 * rng.standard_normal((3, 64))).astype(np.float32)
    b = np.full((64, 2), 0.5, np.float32)
    c = np.float32([-0.67, 0.56])
    seen = np.broadcast_to(np.float32(-1.7) * c, (3, 2)).copy()
    for k in range(64):
        seen += np.float32(0.3) * a[:, k : k + 1] * b[k]
    operands = [Ball.exact(x, FLOAT32) for x in (c, a, b)]
    ways = (OPS["addmm"], OPS["addmm"].forms["adds up in one sum"])
    own, summed = (way.forward(*operands, alpha=0.3, beta=-1.7) for way in ways)

    assert np.all(summed.contains(seen))
    assert not np.all(own.contains(seen))


def test_unknown_functions_are_refused() -> None:
    """A function without a rule raises; it never falls back on midpoints alone."""
    with pytest.raises(TypeError):
        np.cosh(Ball.exact([1.0], FLOAT64))
    with pytest.raises(TypeError):
        np.median(Ball.exact([1.0], FLOAT64))


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


def test_a_power_whose_midpoint_underflows() -> None:
    """0.1^330 is zero in float64, and 0.15^330 is not: it lies inside the power of 0.1 +- 0.05."""
    assert (Ball([0.1], [0.05], FLOAT64) ** 330.5).contains([0.15**330.5]).all()


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


@EVERY
def test_sines_of_wide_balls(p: Precision) -> None:
    """Of operands of which nothing is known, sine and cosine are known to lie from -1 to 1."""
    for f in (np.sin, np.cos):
        ball = f(Ball([0.0, 1.0], [np.inf, 100.0], p))

        assert ball.contains([1.0, 1.0]).all()
        assert ball.contains([-1.0, -1.0]).all()
        assert np.all(ball.rad < 4)


@pytest.mark.parametrize("accumulates", [BFLOAT16.narrow(), FLOAT32], ids=["bfloat16", "float32"])
def test_a_sum_of_few_terms_beside_one_of_many_is_known(accumulates: Precision) -> None:
    """Each sum has the roundings of its own terms, not those of the longest beside it."""
    ones = Ball.exact(np.ones(200), accumulates)
    sums = np.cumsum(ones, axis=0)
    added = np.zeros_like(ones, shape=(2,))
    np.add.at(added, (np.minimum(np.arange(200), 1),), ones)

    for alone in (sums[0], added[0]):
        assert alone.rad <= 4 * accumulates.u
    assert added[1].rad > 100 * accumulates.u
