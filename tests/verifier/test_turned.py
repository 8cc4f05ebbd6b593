"""Tangents of second order that autograd computes from backward functions: right ones hold."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.ops.factors import cumprod
from backproof.reference.ops.factors import product as products
from backproof.reference.ops.log_sums import logcumsumexp, logcumsumexp_turned_round
from tests.verifier.lazy import Lazy
from tests.verifier.proven import outside

torch, F, bt = map(Lazy, ("torch", "torch.nn.functional", "backproof.torch"))
second = Lazy("backproof.adapters.torch_second")

NEAR_ONE = [1 - 10.0**-k for k in range(1, 7)]
BEYOND_ONE = [2 - x for x in NEAR_ONE]
MANY = np.random.default_rng(0).standard_normal((5, 4)).tolist()

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "cumprod": (lambda x: x.cumprod(0), MANY),
    "prod by an axis": (lambda x: x.prod(0), MANY),
    "prod": (lambda x: x.prod(), MANY),
    "prod with a zero": (lambda x: x.prod(0), [[0.0, 1.5], [2.5, -0.5], [0.3, 0.0]]),
    "vander": (lambda x: torch.linalg.vander(x), MANY[0]),  # noqa: PLW0108 imports nothing yet
    "logcumsumexp": (lambda x: x.logcumsumexp(0), MANY),
    "logcumsumexp of large numbers": (lambda x: (30 * x).logcumsumexp(0), MANY),
    "sinc": (lambda x: x.sinc(), [0.01, -0.3, 2.5, -4.0]),
    "asin": (lambda x: x.asin(), NEAR_ONE),
    "acos": (lambda x: x.acos(), NEAR_ONE),
    "atanh": (lambda x: x.atanh(), NEAR_ONE),
    "acosh": (lambda x: x.acosh(), BEYOND_ONE),
}


@pytest.fixture
def _installed() -> None:
    """Skip a test where PyTorch is not installed."""


def multiply_the_first_tangent(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first tangent that the recorder sees be a multiple of what autograd computes."""
    right = second.SecondRecorder.run_back

    def run_back(self: Any, *arguments: Any) -> Any:
        found = right(self, *arguments)
        first = next(iter(self.tangents))
        self.tangents[first] = (self.tangents[first] * factor).astype(self.tangents[first].dtype)
        return found

    monkeypatch.setattr(second.SecondRecorder, "run_back", run_back)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_tangents_hold(name: str, precision: str, seed: int) -> None:
    """Along any direction, the tangents are those that autograd computes.

    Near one, the terms of a tangent of a gradient may cancel in float32.
    """
    function, start = FUNCTIONS[name]
    torch.manual_seed(seed)
    x = torch.tensor(start, dtype=getattr(torch, precision), requires_grad=True)
    certificate = bt.certify(
        lambda: (
            (function(x) * torch.linspace(1, 2, function(x).numel()).view_as(function(x)))
            .square()
            .sum()
        ),
        {"x": x},
        second={"x": torch.randn(x.shape)},
    )
    links = certificate.second.links

    assert {link.verdict for link in links if link.quantity.kind == "value"} == {"inside"}
    assert not [link for link in links if link.verdict not in ("inside", "undecided")]
    assert certificate.holds or start in (NEAR_ONE, BEYOND_ONE), str(certificate)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_tangents_are_refuted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tangent of a value that is off by a thousandth is refuted."""
    function, start = FUNCTIONS[name]
    x = torch.tensor(start, requires_grad=True)
    multiply_the_first_tangent(1.001, monkeypatch)
    certificate = bt.certify(lambda: function(x).square().sum(), {"x": x}, second=True)

    assert not certificate.holds
    assert certificate.second.refuted, str(certificate)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_running_log_sums_in_bfloat16(
    seed: int, factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tangent that autograd computes by stored logarithms holds in bfloat16, and no double."""
    torch.manual_seed(seed)
    x, w = torch.randn(2, 3, 5).bfloat16()
    x.requires_grad_()
    multiply_the_first_tangent(factor, monkeypatch)
    certificate = bt.certify(lambda: w.mul(x.logcumsumexp(1)).sum(), {"x": x}, second=True)
    is_right = factor == 1

    assert certificate.proven == ("x",)
    assert (certificate.second.holds, certificate.second.refuted is None) == (is_right, is_right)


@pytest.mark.usefixtures("_installed")
def test_no_tangent_stands_for_zeros() -> None:
    """Autograd hands on nothing to a convolution of no images, which are zeros of its shape."""
    x, w = torch.randn(0, 3, 4, 4, requires_grad=True), torch.ones(2, 3, 2, 2)
    certificate = bt.certify(lambda: F.conv2d(x, w).square().sum(), {"x": x}, second=True)

    assert certificate.holds, str(certificate)


def test_the_same_tangents_on_paper() -> None:
    """The forms have the tangents of the functions themselves, also at a factor of zero."""
    x, t = map(exact, np.random.default_rng(0).standard_normal((2, 5, 2)))
    zeros = np.where(np.arange(5)[:, None] == [1, 3], exact(np.zeros(())), x)
    with workprec():
        for op, at in product([products, cumprod], [x, zeros]):
            (form,) = op.forms.values()
            found, right = (one.forward(Dual(at, t), axis=0).tangent for one in (form, op))
            assert [*map(str, np.ravel(found - right)[~holds_zero(found - right)])] == []


def test_the_tangent_by_logarithms_holds_the_exact_one() -> None:
    """Its ball in float64 holds the tangent of logcumsumexp, and not one of another dy."""
    x, t, dy = np.random.default_rng(0).standard_normal((3, 5, 2))
    balls = [Ball.exact(a, FLOAT64) for a in (t, dy)]
    (found,) = logcumsumexp_turned_round(
        *balls, logcumsumexp.forward(Ball.exact(x, FLOAT64), axis=0), Ball.exact(x, FLOAT64), axis=0
    )
    with workprec():
        right = logcumsumexp.forward(Dual(exact(x), exact(t)), axis=0).tangent

    assert [*outside(found, right)] == []
    assert len([*outside(found, 1.001 * right)]) == right.size


def test_log_sums_of_balls_are_no_wider_than_these() -> None:
    """Their balls hold the exact log-sums of both ends, and grow from each to the next by rounding.

    A logarithm of a sum moves no further than the numbers do.
    """
    x, rad = np.random.default_rng(0).standard_normal((20, 3)), 0.25
    found = logcumsumexp.forward(Ball(x, np.full(x.shape, rad), FLOAT64), axis=0)
    with workprec():
        ends = [logcumsumexp.forward(exact(x + d), axis=0) for d in (rad, -rad)]

    assert [name for end in ends for name in outside(found, end)] == []
    assert (found.rad < 2 * rad).all()


def holds_zero(differences: Any) -> Any:
    """Return which Arb balls hold zero."""
    return np.array([d.contains(0) for d in np.ravel(differences)])
