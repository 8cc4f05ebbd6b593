"""Balls of sums and products of matrices: in any order, each row held to its own size."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers import sum_rules
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import BFLOAT16, FLOAT32, FLOAT64, Precision, gamma
from backproof.reference.ops import OPS
from tests.verifier.balls import BOTH, EVERY, inside, radii


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
        inside(m, r, (x, x)) for m, r, x in zip(ball.mid.ravel(), radii(ball), exactly, strict=True)
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
        assert inside(ball.mid[place], ball.rad[place], (exactly, exactly))


def test_adding_at_different_places_rounds_nothing() -> None:
    """Without repeated places, adding to zeros keeps every value and its radius."""
    for values in (Ball.exact([1.0, 2.0], FLOAT32), Ball([1.0, 2.0], [0.5, 0.25], FLOAT32)):
        target = np.zeros_like(values, shape=(3,))
        np.add.at(target, (np.array([2, 0]),), values)

        assert target.is_exact == values.is_exact
        assert target.mid.tolist() == [2, 0, 1]
        assert values.is_exact or target.rad.tolist() == [0.25, 0, 0.5]


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

        assert inside(ball.mid[0, 0], ball.rad[0, 0], (exactly, exactly))
        assert 0 < ball.rad[0, 0] < 16 * FLOAT64.u * scale


@BOTH
@pytest.mark.parametrize("scale", [1e-52, 1e-30, 1e-300, 1e52])
def test_rows_of_very_different_sizes(p: Precision, scale: float) -> None:
    """Every row and column of a product is held to its own size, whatever the largest entry is."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 8)), rng.standard_normal((8, 3))
    sizes = np.array([1, scale, 1])
    product = Ball.exact(a * sizes[:, None], p) @ Ball.exact(b * sizes[::-1], p)
    size = np.abs(a) @ np.abs(b) * np.outer(sizes, sizes[::-1])

    assert np.all(product.rad <= 2 * gamma(8, p.u + FLOAT64.u) * size + 64 * p.underflow)


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
