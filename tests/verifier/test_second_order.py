"""Second order of PyTorch programs: right Hessian products hold, and wrong ones are located."""

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof.reference.ops import Op
from tests.verifier.calls import FAMILIES
from tests.verifier.lazy import Lazy

torch, nn, F, attention = map(
    Lazy, ("torch", "torch.nn", "torch.nn.functional", "torch.nn.attention")
)
bt, models, program = map(
    Lazy, ("backproof.torch", "tests.verifier.models", "backproof.adapters.torch_program")
)

MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "mlp of tanh": lambda: models.mlp(nn.Tanh()),
    "mlp of ReLU": lambda: models.mlp(nn.ReLU()),
    "conv net": lambda: models.conv_net(),  # noqa: PLW0108 imports nothing yet
    "transformer": lambda: models.gpt(),  # noqa: PLW0108 likewise
}


def twice(loss: Callable[[], Any], model: Any, **options: Any) -> Any:
    """Return the certificate with second order. Only unfused attention has it."""

    def unfused() -> Any:
        with attention.sdpa_kernel(attention.SDPBackend.MATH):
            return loss()

    return bt.certify(unfused, model, **{"second": True, **options})


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_right_programs_hold(name: str, precision: str) -> None:
    """Every number of a Hessian product is decided and right, and is one line of the text."""
    torch.manual_seed(0)
    model, loss = MODELS[name]()
    certificate = twice(loss, model.to(getattr(torch, precision)))

    assert certificate.holds, str(certificate)
    assert certificate.second.proven == certificate.proven
    assert len(certificate.second.links) == len(certificate.links)
    assert all(link.quantity.tangent for link in certificate.second.links)
    assert f"second order, {precision}: holds: " in str(certificate)


def test_the_numbers_are_those_of_autograd() -> None:
    """What is certified is the Hessian times the direction, as autograd itself returns it."""
    w, v = torch.rand(3, 2, dtype=torch.float64, requires_grad=True), torch.rand(3, 2)

    def loss() -> Any:
        return (torch.tanh(w) @ torch.exp(w).T).softmax(-1).square().sum()

    found = program.record(loss, {"w": w}, "p", second={"w": v}).along
    (g,) = torch.autograd.grad(loss(), w, create_graph=True)
    (product,) = torch.autograd.grad(g, w, v.double())

    assert np.array_equal(found.directions["w"], v.double().numpy())
    assert found.tangents.gradients["w"] == pytest.approx(product.numpy(), rel=1e-12)


SAVED = [
    *(("arithmetic", "in place"), ("activations", "relu"), ("activations", "softmax")),
    *(("recurrent", "LSTM cell"), ("reductions", "std"), ("writing", "write by views")),
    *(("linear algebra", "equations"), ("linear algebra", "cholesky of a triangle")),
    *(("linear algebra", "determinants"), ("linear algebra", "cholesky's equations")),
]
"""Calls that write in place, whose derivatives are computed from results, or of several results."""


@pytest.mark.parametrize(("family", "name"), SAVED)
def test_results_that_derivatives_are_computed_from(family: str, name: str) -> None:
    """A cotangent's tangent is that of the node, and nothing of the node's own derivative."""
    torch.manual_seed(0)
    w = torch.randn(4, 4, requires_grad=True)

    def loss() -> Any:
        x = w * 1
        x.sigmoid_().exp_()
        return torch.sigmoid(FAMILIES[family][name](w) * x.sum().tanh_()).sum()

    certificate = twice(loss, {"w": w})

    assert certificate.holds, str(certificate)


STEPS: dict[str, Callable[[Any], Any]] = {
    "sign": lambda x: x.sign(),
    "round": lambda x: x.round(),
    "quotient": lambda x: torch.div(x, 0.3, rounding_mode="floor"),
}
"""Functions that are constant but for jumps."""


@pytest.mark.parametrize("name", STEPS)
def test_tangents_before_a_step_are_seen(name: str) -> None:
    """A step hands on zeros, which depend on nothing; the tangent of its operand is seen anyway."""
    torch.manual_seed(0)
    w = torch.randn(4, 4, requires_grad=True)

    certificate = twice(lambda: (STEPS[name](w.exp()) * w).tanh().sum(), {"w": w})

    assert certificate.holds, str(certificate)


def test_dropout_of_a_large_softmax_holds() -> None:
    """The tangents of a softmax that is nearly one are right as PyTorch computes them."""
    torch.manual_seed(7)
    w = torch.randn(4, 4, requires_grad=True)
    certificate = twice(lambda: FAMILIES["products"]["multi_head_attention"](w).sum(), {"w": w})

    assert certificate.holds, str(certificate)


@pytest.mark.parametrize("off", [0.0, 1e-5])
def test_what_follows_from_each_operand_is_rounded(off: float) -> None:
    """In a product of two precisions the parts of a tangent are rounded one by one, and no more.

    off: by how much the second derivative of the product is wrong.
    """
    torch.manual_seed(0)
    a = torch.randn(64, requires_grad=True)
    b = torch.randn(64, dtype=torch.float64, requires_grad=True)

    class Product(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            a, b = ctx.saved_tensors
            return (dy * (b + off * (b - b.detach()))).to(a.dtype), dy * a

    op = Op(lambda a, b: a * b, lambda dy, _, a, b: (dy * b, dy * a))
    certificate = bt.certify(
        lambda: Product.apply(a.exp(), b).tanh().sum(),
        {"a": a, "b": b},
        known={Product: op},
        second=True,
    )

    assert certificate.second.holds == (not off), str(certificate)


@pytest.mark.parametrize("fault", ["detached", "0.1 % too large"])
def test_a_wrong_second_derivative_is_located(fault: str) -> None:
    """A function whose backward function is right, and its derivative wrong, is refuted there."""
    model, x = nn.Linear(3, 3), torch.randn(5, 3)
    wrong = models.Detached if fault == "detached" else models.Longer
    certificate = twice(lambda: wrong.apply(torch.tanh(model(x))).sum(), model)
    link = certificate.second.refuted
    place = certificate.second.place_of(link)

    assert not certificate.holds
    assert certificate.wrong == ()
    assert certificate.proven == ("weight", "bias")
    assert certificate.second.proven == ()
    assert link.name == "tangent of dE/dtanh"
    assert (place.function, place.file) == (wrong.__name__, Path(__file__).name)


NONE = {
    "once differentiable": (lambda w: models.Once.apply(w * 1), "Once (test_second_order.py:"),
    "not implemented": (lambda w: F.hardsigmoid(w * 1), "F.hardsigmoid (test_second_order.py:"),
    "fused": (
        lambda w: F.scaled_dot_product_attention(*[w.view(1, 2, 2, 4)] * 3),
        "F.scaled_dot_product_attention (test_second_order.py:",
    ),
}


@pytest.mark.parametrize("name", NONE)
def test_what_has_no_second_derivative_is_said(name: str) -> None:
    """A function without a second derivative is named with its place, and nothing is green."""
    w = torch.randn(4, 4, requires_grad=True)
    of, said = NONE[name]
    certificate = bt.certify(lambda: torch.exp(of(w)).sum(), {"w": w}, second=True)

    assert (certificate.holds, certificate.proven, certificate.wrong) == (False, ("w",), ())
    assert f"not certified: {said}" in str(certificate)
    assert "it has no second derivative" in str(certificate)


def test_a_direction_may_be_given() -> None:
    """Parameters without a direction do not move; one that is no parameter's is refused."""
    w, v = (torch.rand(3, requires_grad=True) for _ in range(2))

    def loss() -> Any:
        return (torch.exp(w) * v).sum()

    certificate = bt.certify(loss, {"w": w, "v": v}, second={"w": torch.ones(3)})

    assert certificate.holds, str(certificate)
    with pytest.raises(bt.NotRecorded, match="'u', which is no parameter"):
        bt.certify(loss, {"w": w, "v": v}, second={"u": torch.ones(3)})
    with pytest.raises(bt.NotRecorded, match=r"direction of w: expected \(3,\), found \(2,\)"):
        bt.certify(loss, {"w": w, "v": v}, second={"w": torch.ones(2)})


def test_a_hook_of_a_module_may_see_gradients() -> None:
    """PyTorch asks for its own custom function where a module has such a hook."""
    model, x = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)), torch.randn(4, 3)
    model[1].register_full_backward_hook(lambda *_: None)
    model[1].register_full_backward_pre_hook(lambda *_: None)
    certificate = bt.certify(lambda: model(x).square().mean(), model, second=True)

    assert certificate.holds, str(certificate)


def test_gradients_may_be_sparse() -> None:
    """Those of an embedding, and their tangents, are certified with all their entries."""
    torch.manual_seed(0)
    model, ids = nn.Sequential(nn.Embedding(7, 3, sparse=True), nn.Linear(3, 2)), torch.arange(4)
    certificate = bt.certify(lambda: model(ids % 3).square().sum(), model, second=True)

    assert certificate.holds, str(certificate)
    assert certificate.second.proven == certificate.parameters


def test_a_derivative_in_the_loss_is_named() -> None:
    """It is not certified with second order; what the program computes beside it is not refuted."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(5, 4)

    def loss() -> Any:
        (slope,) = torch.autograd.grad(model(x).sum(), model[0].weight, create_graph=True)
        return slope.square().sum()

    certificate = bt.certify(loss, model, second=True)

    assert not certificate.holds
    assert certificate.refuted is None
    assert certificate.second.refuted is None, str(certificate)
    (unknown,) = certificate.unknown
    assert unknown.place.reason == "with second=True, derivatives in the loss are not certified"


def test_a_derivative_that_the_loss_does_not_use_changes_nothing() -> None:
    """A script may look at the slope of a loss, or detach it: it is a constant then."""
    w = torch.randn(3, requires_grad=True)

    def loss() -> Any:
        (slope,) = torch.autograd.grad(w.sin().sum(), w, create_graph=True)
        return torch.exp(w - slope.detach()).sum()

    certificate = bt.certify(loss, {"w": w}, second=True)

    assert certificate.holds, str(certificate)
    assert certificate.second.proven == ("w",)


def test_a_backward_pass_that_cannot_be_differentiated_is_refused() -> None:
    """It may raise an error of its own, as a call that writes into `out`; alone it is certified."""

    class Doubled(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """2 x."""

        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            """Return 2 x."""
            return x * 2

        @staticmethod
        def backward(_: Any, dy: Any) -> Any:
            """Return 2 dy."""
            return torch.mul(dy, 2, out=torch.empty_like(dy, requires_grad=False))

    w = torch.randn(4, requires_grad=True)

    def loss() -> Any:
        return Doubled.apply(w).exp().sum()

    assert bt.certify(loss, {"w": w}).holds
    with pytest.raises(bt.NotRecorded, match="there is no second derivative: mul"):
        bt.certify(loss, {"w": w}, second=True)


def test_a_certificate_is_data(tmp_path: Path) -> None:
    """Second order is in the page and in JSON."""
    model, loss = models.mlp(nn.Tanh())
    certificate = bt.certify(loss, model, second=True)
    certificate.report(tmp_path / "page.html")
    content = json.loads(certificate.to_json())["second"]

    assert "tangent of dE/dnet.0.weight" in (tmp_path / "page.html").read_text()
    assert content["holds"]
    assert len(content["links"]) == len(certificate.links)


def test_what_a_backward_pass_writes_to_is_put_back() -> None:
    """A custom function may add gradients to a memory of its own, in each of the passes."""
    w, total = torch.randn(3, requires_grad=True), torch.zeros(3)

    class Added(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """2 x."""

        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            """Return 2 x."""
            return 2 * x

        @staticmethod
        def backward(_: Any, dy: Any) -> Any:
            """Return 2 dy, and add it up."""
            total.add_(2 * dy)
            return 2 * dy

    certificate = bt.certify(lambda: Added.apply(w).exp().sum(), {"w": w}, second=True)

    assert certificate.holds, str(certificate)
    assert total.tolist() == [0, 0, 0]
    assert not total.requires_grad


def test_nothing_is_left_behind() -> None:
    """Gradients and the random state are as they were."""
    model, loss = models.mlp(nn.Tanh())
    state = torch.get_rng_state()
    bt.certify(loss, model, second=True)

    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("second", [False, True])
def test_a_pass_is_freed(second: bool) -> None:  # noqa: FBT001
    """Nothing of a pass lives on in what autograd keeps, so that a script may certify for weeks."""
    model, loss = models.mlp(nn.Tanh())

    def living() -> int:
        gc.collect()
        return sum(type(one).__name__.endswith("Recorder") for one in gc.get_objects())

    bt.certify(loss, model, second=second)
    before = living()
    bt.certify(loss, model, second=second)

    assert living() == before
