"""Tangents of second order that autograd computes from backward functions: right ones hold."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof.reference.numbers.dual import Dual
from backproof.reference.ops.factors import cumprod, product
from backproof.reference.ops.log_sums import logcumsumexp, logcumsumexp_turned_round
from tests.verifier.lazy import Lazy

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
    "asin": (lambda x: x.asin(), NEAR_ONE),
    "acos": (lambda x: x.acos(), NEAR_ONE),
    "atanh": (lambda x: x.atanh(), NEAR_ONE),
    "acosh": (lambda x: x.acosh(), BEYOND_ONE),
}


@pytest.fixture
def _installed() -> None:
    """Skip a test where PyTorch is not installed."""
    pytest.importorskip("torch")


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

    assert all(link.verdict == "inside" for link in links if link.quantity.kind == "value")
    assert not [link for link in links if link.verdict not in ("inside", "undecided")]
    assert certificate.holds or start in (NEAR_ONE, BEYOND_ONE), str(certificate)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_tangents_are_refuted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tangent of a value that is off by a thousandth is refuted."""
    function, start = FUNCTIONS[name]
    x = torch.tensor(start, requires_grad=True)
    right = second.SecondRecorder.run_back

    def run_back(self: Any, *arguments: Any) -> Any:
        found = right(self, *arguments)
        first = next(iter(self.tangents))
        self.tangents[first] = self.tangents[first] * np.float32(1.001)
        return found

    monkeypatch.setattr(second.SecondRecorder, "run_back", run_back)
    certificate = bt.certify(lambda: function(x).square().sum(), {"x": x}, second=True)

    assert not certificate.holds
    assert certificate.second.refuted, str(certificate)


@pytest.mark.usefixtures("_installed")
def test_no_tangent_stands_for_zeros() -> None:
    """Autograd hands on nothing to a convolution of no images, which are zeros of its shape."""
    x, w = torch.randn(0, 3, 4, 4, requires_grad=True), torch.ones(2, 3, 2, 2)
    certificate = bt.certify(lambda: F.conv2d(x, w).square().sum(), {"x": x}, second=True)

    assert certificate.holds, str(certificate)


def test_the_same_tangents_on_paper() -> None:
    """The forms have the tangents of the functions themselves, also at a factor of zero."""
    rng = np.random.default_rng(0)
    x, t, dy = rng.standard_normal((3, 5, 2))
    for op in (product, cumprod):
        for at in (x, np.where(np.arange(5)[:, None] == [1, 3], 0, x)):
            (form,) = op.forms.values()
            found, right = (one.forward(Dual(at, t), axis=0).tangent for one in (form, op))
            np.testing.assert_allclose(found, right, rtol=1e-12)
    right = logcumsumexp.forward(Dual(x, t), axis=0)
    (found,) = logcumsumexp_turned_round(t, dy, right.value, x, axis=0)
    np.testing.assert_allclose(found, right.tangent, rtol=1e-12)
