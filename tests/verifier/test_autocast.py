"""Under autocast, casts of operands are links; what is rounded inside of a call is not known."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.calls import FAMILIES
from tests.verifier.lazy import Lazy

torch, F, bt = map(Lazy, ("torch", "torch.nn.functional", "backproof.torch"))
models = Lazy("tests.verifier.models")
torch_program = Lazy("backproof.adapters.torch_program")

ROUNDED = ("products", "lengths", "activations", "recurrent")
"""The families of calls that have products, or that autocast treats in another way."""


def certified(program: Callable[[Any], Any]) -> Any:
    """Return the certificate of a program of a matrix (4, 4) under autocast."""
    torch.manual_seed(0)
    w = torch.randn(4, 4, requires_grad=True)

    def loss() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            y = program(w)
        return torch.sigmoid(y.float()).sum()

    return bt.certify(loss, {"w": w})


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for family in ROUNDED for name in FAMILIES[family]]
)
def test_nothing_that_autocast_rounds_is_refuted(family: str, name: str) -> None:
    """Whatever is rounded, it is certified, or it is named."""
    certificate = certified(FAMILIES[family][name])

    assert certificate.refuted is None, str(certificate)
    assert certificate.holds or certificate.unknown, str(certificate)


SEEN: dict[str, Callable[[Any], Any]] = {
    "einsum": lambda w: torch.einsum("ij,jk->ik", w, w.sin()),
    "a matrix and a vector": lambda w: torch.mv(w, w[0].sin()),
    "a sum of products": lambda w: torch.addbmm(w, w[None], w[None].sin()),
    "products of rows": lambda w: torch.linalg.vecdot(w, w.sin()),
    "a sum that is written over": lambda w: (w * 1).addmm_(w, w.sin()),
    "slopes": lambda w: F.prelu(w @ w, w[0, :1].abs()),
    "reflected": lambda w: w.__rmatmul__(w.sin()),
    "written into a result": lambda w: (w @ w).index_put((torch.tensor([1]),), (w @ w)[:1]),
    "written over entries": lambda w: overwritten(w @ w, w.sin()),
}
"""Functions of which autocast rounds the operands, or whose results have been rounded before."""


def overwritten(y: Any, x: Any) -> Any:
    """Return y, a row of which is written over by one of another precision."""
    y[1] = x[0]
    return y


@pytest.mark.parametrize("name", SEEN)
def test_what_autocast_rounds_is_certified(name: str) -> None:
    """The casts of operands are recorded, and no other is made: autocast on CPUs leaves `mv`."""
    certificate = certified(SEEN[name])

    assert certificate.holds, str(certificate)


HIDDEN: dict[str, Callable[[Any], Any]] = {
    "einsum of three": lambda w: torch.einsum("ij,jk,kl->il", w, w, w),
    "einsum with a sum of one operand": lambda w: torch.einsum("ij,ik->k", w, w.sin()),
    "tensordot": lambda w: torch.tensordot(w, w.sin(), 1),
    "bilinear": lambda w: F.bilinear(w, w.sin(), w.expand(2, 4, 4)),
    "products in an order": lambda w: torch.linalg.multi_dot([w, w, w]),
    "a power": lambda w: torch.linalg.matrix_power(w, 3),
    "covariances": lambda w: torch.cov(w),  # noqa: PLW0108 imports nothing yet
}
"""Functions of which autocast rounds something inside."""


@pytest.mark.parametrize("name", HIDDEN)
def test_what_autocast_rounds_inside_is_not_known(name: str) -> None:
    """It is named, with the reason."""
    assert "steps that autocast rounds" in str(certified(HIDDEN[name]))


def test_a_wrong_product_under_autocast_is_refuted() -> None:
    """Half of an einsum is no einsum."""
    with models.Halving("einsum"):
        certificate = certified(SEEN["einsum"])

    assert certificate.refuted


@pytest.mark.parametrize("is_right", [True, False])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_custom_function_makes_casts_of_its_own(*, is_first: bool, is_right: bool) -> None:
    """A weight that is used inside and outside has a cast in each, through which gradients flow."""

    class Product(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            x, w = (t.bfloat16() for t in ctx.saved_tensors)
            return (dy @ w.T).float(), (x.T @ dy).float() if is_right else None

    def program(w: Any) -> Any:
        other = w.sin() @ w if not is_first else 0
        own = Product.apply(w.cos(), w)
        return own + (w.sin() @ w if is_first else other)

    certificate = certified(program)

    assert certificate.holds == is_right, certificate
    assert bool(certificate.refuted) != is_right


NORMED: dict[str, Callable[[Any, Any], Any]] = {
    "once": lambda x, w: F.layer_norm(x, (4,), w[0], w[1]),
    "weights of two norms": lambda x, w: F.layer_norm(
        F.layer_norm(x, (4,), w[0], w[1]).sin(), (4,), w[0], w[1]
    ),
    "by lengths": lambda x, w: F.rms_norm(x, (4,), w[0]) + w[1],
    "of images": lambda x, w: F.batch_norm(x, None, None, w[0], w[1], training=True),
    "of groups": lambda x, w: F.group_norm(x, 2, w[0], w[1]),
}
"""Norms of numbers in a lower precision, whose weights are in float32."""


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("factor", [1, 0.5, 0])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", NORMED)
def test_weights_of_norms_hold_unless_a_gradient_is_wrong(
    name: str, dtype: str, factor: float
) -> None:
    """Their gradients are stored in float32, and computed as in the precision of the numbers.

    PyTorch adds up 48 rows of a layer norm in that precision, and of two norms in float32.
    """
    torch.manual_seed(0)
    w, v = (torch.randn(4, 4, requires_grad=True) for _ in range(2))
    x, t = torch.randn(48, 4), torch.randn(48, 4)

    def loss() -> Any:
        gained = w * 1
        if factor != 1:
            gained.register_hook(lambda cotangent: factor * cotangent)
        with torch.autocast("cpu", getattr(torch, dtype)):
            y = NORMED[name](x @ v, gained)
        return 64 * (y.float() * t).sum()

    certificate = bt.certify(loss, {"w": w, "v": v})

    assert certificate.holds == (factor == 1), certificate
    assert bool(certificate.refuted) == (factor != 1)


@pytest.mark.parametrize("factor", [1, 1.2])
def test_weights_of_a_norm_that_is_computed_in_float32_are_held_to_it(factor: float) -> None:
    """Gradients that are no numbers of bfloat16 were not computed in it, and have no freedom."""

    class Norm(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            deviation, mean = torch.std_mean(x.float(), -1, correction=0, keepdim=True)
            h = (x.float() - mean) / deviation
            ctx.save_for_backward(h, deviation, w)
            return (h * w).to(x.dtype)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            h, deviation, w = ctx.saved_tensors
            dh = dy.float() * w
            mean, along = dh.mean(-1, keepdim=True), (dh * h).mean(-1, keepdim=True)
            dx = (dh - mean - h * along) / deviation
            return dx.to(dy.dtype), factor * (dy.float() * h).sum(0)

    torch.manual_seed(1)
    w, v = (torch.randn(*n, requires_grad=True) for n in ((16,), (16, 16)))
    x, t = torch.randn(48, 16), torch.randn(48, 16)

    def loss() -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            y = Norm.apply(x @ v, w)
        return (y.float() * t).sum()

    certificate = bt.certify(loss, {"w": w, "v": v})

    assert certificate.holds == (factor == 1), certificate
    assert bool(certificate.refuted) == (factor != 1)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_sum_of_lower_precision_that_cancels_is_not_refuted(dtype: str) -> None:
    """A batch norm takes off what a layer norm adds: of that gradient, only rounding is left."""
    torch.manual_seed(0)
    w, v, x, t = (torch.randn(n, 4, requires_grad=n == 4) for n in (4, 4, 48, 48))

    def loss() -> Any:
        with torch.autocast("cpu", getattr(torch, dtype)):
            y = F.layer_norm(x @ v, (4,), w[0], w[1])
            return 64 * (F.batch_norm(y, None, None, training=True).float() * t).sum()

    certificate = bt.certify(loss, {"w": w, "v": v})

    assert certificate.refuted is None, certificate


def in_contexts(*numbers: int, cache: bool = True) -> Callable[[Any], Any]:
    """Return a program that uses a weight so many times in each of some contexts of autocast."""

    def program(w: Any) -> Any:
        y = w
        for n in numbers:
            with torch.autocast("cpu", torch.bfloat16, cache_enabled=cache):
                for _ in range(n):
                    y = y.sin() @ w
        return y.float().sum()

    return program


CONTEXTS: dict[str, Callable[[], Callable[[Any], Any]]] = {
    "one": lambda: in_contexts(3),
    "several": lambda: in_contexts(1, 2, 1),
    "without a cache": lambda: in_contexts(3, cache=False),
}
"""Programs in which autocast makes one cast of a weight, or several."""


@pytest.mark.parametrize("name", CONTEXTS)
def test_casts_are_those_of_the_program(name: str) -> None:
    """What is recorded is what users run, to the last digit: each cast receives its own part."""
    program = CONTEXTS[name]()
    torch.manual_seed(0)
    w = torch.randn(16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(program(w), w)
    recorded = torch_program.record(lambda: program(w), {"w": w}, "program")

    assert (recorded.trace.gradients["w"] == gradient.numpy()).all()
