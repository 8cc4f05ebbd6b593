"""NumPy's functions over balls, duals and terms: exact results and derivatives lie inside."""

from collections.abc import Callable
from typing import Any

import flint
import numpy as np
import pytest

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.composed import COMPOSED
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, PRECISIONS, Precision
from backproof.reference.numbers.terms import Terms
from backproof.reference.verdict.custom import certify_op
from backproof.reference.verdict.deciding import resolution
from backproof.reference.verdict.unsupported import INSTEAD
from tests.verifier.balls import radii
from tests.verifier.documents import blocks
from tests.verifier.sandbox import ROOT

RNG = np.random.default_rng(5)
X = RNG.uniform(0.25, 2, (2, 3)) * [[1, -1, 1], [-1, 1, 1]]
Arb = Any


def total(entries: Any) -> Arb:
    """Return the sum of Arb balls."""
    return sum(entries, start=flint.arb(0))


def mean(row: Any) -> Arb:
    """Return the mean of Arb balls."""
    return total(row) / len(row)


def var(row: Any) -> Arb:
    """Return the variance of Arb balls."""
    return mean([(x - mean(row)) ** 2 for x in row])


def each(f: Callable[[Arb], Arb]) -> Callable[[Any], Any]:
    """Return a function of an array, entry by entry."""
    return np.vectorize(f, otypes=[object])


def rows(f: Callable[[Any], Arb]) -> Callable[[Any], Any]:
    """Return a function of each row of an array."""
    return lambda x: np.array([f(row) for row in x], dtype=object)


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "square": (np.square, each(lambda x: x * x)),
    "**": (lambda x: (x * x + 1) ** 1.5, each(lambda x: (x * x + 1) ** flint.arb(1.5))),
    "reciprocal": (np.reciprocal, each(lambda x: 1 / x)),
    "sin": (np.sin, each(lambda x: x.sin())),
    "cos": (np.cos, each(lambda x: x.cos())),
    "tan": (np.tan, each(lambda x: x.tan())),
    "arcsinh": (np.arcsinh, each(lambda x: x.asinh())),
    "log2": (lambda x: np.log2(x * x), each(lambda x: (x * x).log() / flint.arb(2).log())),
    "log10": (lambda x: np.log10(x * x), each(lambda x: (x * x).log() / flint.arb(10).log())),
    "logaddexp": (
        lambda x: np.logaddexp(x, 1 - x),
        each(lambda x: (x.exp() + (1 - x).exp()).log()),
    ),
    "clip": (
        lambda x: np.clip(x, -1, 1.5),
        each(lambda x: x.max(flint.arb(-1)).min(flint.arb(1.5))),
    ),
    "& | ~": (
        lambda x: np.where((x > 0) & (x < 1) | ~(x >= -1), x * x, x),
        each(lambda x: x * x if 0 < x < 1 or x < -1 else x),
    ),
    "mean": (lambda x: x.mean(axis=1), rows(mean)),
    "var": (lambda x: np.var(x, axis=1), rows(var)),
    "std": (lambda x: x.std(axis=1), rows(lambda row: var(row).sqrt())),
    "sum": (lambda x: x.sum(axis=-1), rows(total)),
    "min": (lambda x: x.min(axis=1), rows(lambda row: row[0].min(row[1]).min(row[2]))),
    "prod": (lambda x: x.prod(axis=1), rows(lambda row: row[0] * row[1] * row[2])),
    "cumsum": (np.cumsum, np.cumsum),
    "stack": (lambda x: np.stack([x, x * x], axis=1), lambda x: np.stack([x, x * x], axis=1)),
    "outer": (lambda x: np.outer(x, x), lambda x: np.outer(x, x)),
    "einsum": (
        lambda x: np.einsum("ij,kj->ik", x, x),
        lambda x: np.array([[total(a * b) for b in x] for a in x], dtype=object),
    ),
    "moves": (
        lambda x: np.flip(np.expand_dims(np.roll(x, 1, 1), 0), 2).squeeze(0).transpose(),
        lambda x: np.flip(np.roll(x, 1, 1), 1).T,
    ),
}
"""Name -> the function over any kind of number, and the same over arrays of Arb balls."""

EVERY = pytest.mark.parametrize(("function", "proven"), FUNCTIONS.values(), ids=FUNCTIONS)


@EVERY
@pytest.mark.parametrize("p", PRECISIONS.values(), ids=PRECISIONS)
def test_a_ball_holds_the_exact_result(
    p: Precision, function: Callable[..., Any], proven: Callable[..., Any]
) -> None:
    """It does for all operands in their balls, and decides; what NumPy says is inside too."""
    mid = X.astype(p.dtype).astype(float)
    rad = np.abs(mid) * 2.0 ** (2 - p.digits)
    ball = function(Ball(mid, rad, p))
    for share in (-0.5, 0, 0.5):
        operand = mid + share * rad
        with flint.ctx.workprec(200):
            exact = proven(arbs(operand)).ravel()
            lost = [
                abs(number - flint.arb(float(m))) > flint.arb(float(r))
                for number, m, r in zip(exact, ball.mid.ravel(), radii(ball), strict=True)
            ]
        assert ball.contains(function(operand)).all()
        assert not any(lost)
    assert resolution(ball, ball.mid) < 1


def arbs(x: Any) -> Any:
    """Return an array of Arb balls of radius zero."""
    return np.vectorize(lambda entry: flint.arb(float(entry)), otypes=[object])(x)


@EVERY
def test_a_derivative_is_the_limit(
    function: Callable[..., Any], proven: Callable[..., Any]
) -> None:
    """Over duals of balls it holds a quotient of differences, which Arb computes to 60 digits."""
    direction = RNG.standard_normal(X.shape)
    found = function(Dual(Ball.exact(X, FLOAT64), Ball.exact(direction, FLOAT64))).whole_tangent()
    with flint.ctx.workprec(600):
        h, x, d = flint.arb(2) ** -200, arbs(X), arbs(direction)
        quotient = (proven(x + d * h) - proven(x - d * h)) / (2 * h)
        near = np.array([float(q) for q in quotient.ravel()]).reshape(quotient.shape)

    assert found.contains(near).all()
    assert not found.contains(near * (1 + FLOAT32.u))[near != 0].any()


@pytest.mark.parametrize("function", [f for f, _ in FUNCTIONS.values()], ids=FUNCTIONS)
def test_terms_have_the_value(function: Callable[..., Any]) -> None:
    """Over terms it has NumPy's value to rounding, and terms that are no smaller."""
    found = function(Terms.of(X))

    assert function(Ball.exact(X, FLOAT64)).contains(found.mid).all()
    assert (found.magnitude >= np.abs(found.mid)).all()


def test_planted_compositions_are_outside() -> None:
    """A tangent that is off by 12 ulp, and a logarithm of another base, are not inside."""
    ball = np.tan(Ball.exact(X, FLOAT32))

    assert ball.contains(np.tan(X) * (1 + 10 * FLOAT32.u)).all()  # the limit: 5 ulp
    assert not ball.contains(np.tan(X) * (1 + 24 * FLOAT32.u)).any()
    assert not np.log2(Ball.exact(np.abs(X), FLOAT64)).contains(np.log(np.abs(X))).any()


def test_an_open_comparison_stays_open() -> None:
    """Where a comparison is not decided, neither is its contrary, nor a mask that needs it."""
    a = Ball([0.0, 1.0], [0.5, 0.5], FLOAT64)
    masks = [a > 0, ~(a > 0), (a > 0) & (a > -1), (a > 0) | (a > 9), a >= 0, a == 0]

    for number in (0.0, 1.0):
        assert all(m.contains(np.array([number, m.mid[1]])).all() for m in masks)
    assert [m.mid[1] for m in masks] == [1, 0, 1, 1, 1, 0]


@pytest.mark.parametrize("name", INSTEAD)
def test_what_is_written_instead_is_the_same(name: str) -> None:
    """The text that a message proposes runs over balls, in which NumPy's numbers lie."""
    x, y = np.array([0.3, 0.7, 0.2]) + (name == "arccosh"), np.array([0.4, 0.1, 0.25])
    function = np.linalg.norm if name == "linalg.norm" else getattr(np, name)
    operands = (x, y)[: getattr(function, "nin", 2 if name == "vdot" else 1)]
    known = {"np": np, "x": Ball.exact(x, FLOAT64), "y": Ball.exact(y, FLOAT64)}
    proposed = eval(INSTEAD[name], known)  # noqa: S307 our own texts

    assert proposed.contains(function(*operands)).all()


def test_a_method_that_is_missing() -> None:
    """A method that only NumPy has is named, with the function to write instead."""
    for method, said in (("argsort", "write np.argsort(x)"), ("byteswap", "NumPy's functions")):
        with pytest.raises(
            ValueError, match=rf"attribute \.{method} is not supported; .*"
        ) as error:
            certify_op(lambda x, m=method: getattr(x, m)(), lambda dy, *_: dy, {"x": [0.5]})
        assert said in str(error.value)


def test_all_that_is_composed_is_listed() -> None:
    """docs/own-op.md lists every function that is composed of others."""
    text = (ROOT / "docs/own-op.md").read_text(encoding="utf-8")
    names = {f.__name__.removeprefix("bitwise_") for f in COMPOSED}
    operators = {"greater_equal", "less_equal", "equal", "not_equal", "positive"}

    assert {n for n in names - operators if f"`{n}`" not in text} == set()
    assert blocks("docs/own-op.md")
