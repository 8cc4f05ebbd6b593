"""Kernels of one's own in PyTorch: right ones hold, and mistakes of their authors are refuted."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof import Op
from tests.verifier import kernels
from tests.verifier.lazy import Lazy

torch, functional, autograd, bt = map(
    Lazy, ("torch", "torch.nn.functional", "torch.autograd", "backproof.torch")
)
compilers, tracing = map(Lazy, ("functorch.compile", "torch.fx.experimental.proxy_tensor"))

PRECISIONS = ("float32", "bfloat16")
TARGETS = [1, 2, -100, 0, 5, 3, -100]


def leaves(precision: str, *shapes: tuple[int, ...]) -> dict[str, Any]:
    """Return parameters with random numbers."""
    torch.manual_seed(0)
    dtype = getattr(torch, precision)
    return {f"x{i}": torch.randn(s).to(dtype).requires_grad_() for i, s in enumerate(shapes)}


def of(function: Any, w: dict[str, Any], *others: Any) -> Callable[[], Any]:
    """Return a loss that applies a custom function to some parameters."""

    def loss() -> Any:
        y = function(*(t * 1 for t in w.values()), *others).float()
        return y.square().sum()

    return loss


def flash(mistake: str, precision: str, **options: Any) -> Any:
    """Return the certificate of flash attention."""
    function, w = kernels.flash(mistake), leaves(precision, *[(2, 10, 4)] * 3)
    known = {function: options["by"]} if options else {}
    return bt.certify(of(function.apply, w), w, known=known)


def cross_entropy(mistake: str, precision: str, **options: Any) -> Any:
    """Return the certificate of the cross-entropy of a linear layer."""
    function, w = kernels.linear_cross_entropy(mistake), leaves(precision, (7, 3), (6, 3))
    known = {function: options["by"]} if options else {}
    others = torch.tensor(TARGETS), 0.1, -100
    return bt.certify(of(function.apply, w, *others), w, known=known)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_flash_attention_holds(precision: str) -> None:
    """Its first maximum is minus infinity, and its backward pass reads its rounded result."""
    for options in ({}, {"by": kernels.attention}):
        certificate = flash("", precision, **options)

        assert certificate.holds, certificate


@pytest.mark.parametrize("mistake", ["scale", "delta", "mask", "last tile", "statistics"])
def test_a_mistake_in_flash_attention_is_refuted(mistake: str) -> None:
    """It is found at the function, whose value is right.

    In bfloat16, statistics that are rounded to it are as good as everything else.
    """
    certificate = flash(mistake, "float32")

    assert certificate.refuted.quantity.kind == "derivative"
    assert "the derivative of Flash" in str(certificate)
    assert flash(mistake, "bfloat16").holds == (mistake == "statistics")


def test_a_definition_names_the_mistake() -> None:
    """What is known of attention is known of a kernel that is held to attention."""
    assert "Jacobian's sum left out" in str(flash("delta", "float32", by=kernels.attention))
    assert "without the factor" in str(flash("scale", "float32", by=kernels.attention))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_chunked_cross_entropy_holds(precision: str) -> None:
    """Its logits are rounded to bfloat16, and their softmax is computed in float32."""
    for options in ({}, {"by": kernels.cross_entropy}):
        certificate = cross_entropy("", precision, **options)

        assert certificate.holds, certificate


@pytest.mark.parametrize("mistake", ["mean", "ignored", "cotangent"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_mistake_in_a_chunked_cross_entropy_is_refuted(mistake: str, precision: str) -> None:
    """So are a wrong number of targets, an ignored one, and a cotangent that is taken for 1."""
    for options in ({}, {"by": kernels.cross_entropy}):
        certificate = cross_entropy(mistake, precision, **options)

        assert certificate.refuted.quantity.kind == "derivative", certificate


WITHOUT_VARIANCE = {"float32": "refuted", "bfloat16": "undecided"}
"""Precision -> the verdict on a layer norm whose variance is taken for a constant."""


@pytest.mark.parametrize("precision", WITHOUT_VARIANCE)
def test_a_layer_norm_whose_variance_is_a_constant_is_not_green(precision: str) -> None:
    """In bfloat16 its ball is wide enough for the mistake, which leaves no digit right."""
    w = leaves(precision, (8, 16), (8, 16))

    def certificate(mistake: str) -> Any:
        def loss() -> Any:
            return (kernels.layer_norm(mistake).apply(w["x0"] * 1) * w["x1"]).sum()

        return bt.certify(loss, w)

    assert certificate("").holds
    assert not certificate("variance").holds
    assert {link.verdict for link in certificate("variance").wrong} == {WITHOUT_VARIANCE[precision]}


def quantized(slope: float) -> Any:
    """Return a function that rounds to multiples of a step, with a slope by hand."""

    class Quantized(autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(_: Any, x: Any, step: float) -> Any:
            return torch.round(x / step) * step

        @staticmethod
        def backward(_: Any, dy: Any) -> Any:
            return slope * dy, None

    return Quantized


def straight_through(x: Any, step: float) -> Any:
    """Return the same numbers with the slope 1."""
    return x + (torch.round(x / step) * step - x).detach()


STRAIGHT = Op(lambda x, step: np.floor(x / step + 0.5) * step, lambda dy, *_, **__: (dy,))


@pytest.mark.parametrize("given", ["definition", "op"])
def test_a_straight_through_estimator_is_what_its_author_says(given: str) -> None:
    """A slope that differs on purpose is held to the one that is meant; options have no names."""
    w = leaves("float32", (5,))
    by = straight_through if given == "definition" else STRAIGHT
    right, wrong = quantized(1.0), quantized(2.0)

    assert bt.certify(of(right.apply, w, 0.25), w).refuted
    assert bt.certify(of(right.apply, w, 0.25), w, known={right: by}).holds
    assert bt.certify(of(wrong.apply, w, 0.25), w, known={wrong: by}).refuted


def hidden() -> Any:
    """Return a function with two results whose forward pass nobody sees."""

    class Hidden(autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return torch.from_numpy(np.sin(x.numpy())), torch.from_numpy(np.cos(x.numpy()))

        @staticmethod
        def backward(ctx: Any, da: Any, db: Any) -> Any:
            (x,) = ctx.saved_tensors
            return da * torch.cos(x) - db * torch.sin(x)

    return Hidden


def test_a_definition_of_several_results() -> None:
    """Each result is held to its own; what is missing, or has another shape, is named."""
    w, function = leaves("float32", (5,)), hidden()
    loss = of(lambda x: torch.stack([*function.apply(x)]), w)

    def certificate(by: Any) -> Any:
        return bt.certify(loss, w, known={function: by} if by else {})

    assert "give a function that computes the same by `known=`" in str(certificate(None))
    assert certificate(lambda x: (torch.sin(x), torch.cos(x))).holds
    assert "returns fewer results" in str(certificate(torch.sin))
    assert "expected shape ()" in str(certificate(lambda x: (x.sum(), torch.cos(x))))
    assert certificate(lambda x: (torch.sin(x), torch.sin(x))).refuted
    assert "is not known" in str(certificate(lambda x: (torch.from_numpy(x.numpy()), x)))


def copied(slope: float) -> Any:
    """Return the identity by a copy that nobody sees, as of a message to other processes."""

    class Copied(autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            return torch.from_numpy(x.numpy().copy())

        @staticmethod
        def backward(_: Any, dy: Any) -> Any:
            return slope * dy

    return Copied


def test_a_definition_returns_what_it_was_given() -> None:
    """Such a function is the identity."""
    w, right, wrong = leaves("float32", (5,)), copied(1.0), copied(-1.0)

    assert bt.certify(of(right.apply, w), w, known={right: lambda x: x}).holds
    assert bt.certify(of(wrong.apply, w), w, known={wrong: lambda x: x}).refuted


def test_a_definition_draws_and_writes_for_itself() -> None:
    """It is run before a kernel that writes over its operands, with random numbers of its own."""

    class InPlace(autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x.mul_(3)

        @staticmethod
        def backward(_: Any, dy: Any) -> Any:
            return 3 * dy

    def by(x: Any) -> Any:
        torch.rand(())
        return 3 * x

    w = leaves("float32", (5,))

    def loss() -> Any:
        return (InPlace.apply(w["x0"] * 1) * torch.rand(5)).sum()

    assert bt.certify(loss, w, known={InPlace: by}).holds
    assert bt.certify(loss, w, known={InPlace: lambda x: x.mul_(3)}).holds
    assert bt.certify(loss, w, known={InPlace: lambda x: x.mul_(2)}).refuted


def test_what_a_definition_computes_without_gradients_is_a_constant() -> None:
    """So it is in a plain function; the custom functions that it applies compute all without."""

    def without(x: Any) -> Any:
        with torch.no_grad():
            twice = 2 * x
        return twice - x

    w, right, wrong = leaves("float32", (5,)), copied(-1.0), copied(1.0)
    applied = quantized(1.0)

    assert bt.certify(of(right.apply, w), w, known={right: without}).holds
    assert bt.certify(of(wrong.apply, w), w, known={wrong: without}).refuted
    assert bt.certify(of(wrong.apply, w), w, known={wrong: lambda x: applied.apply(x, 1)}).refuted


def registered(name: str, forward: Callable[..., Any], slope: Callable[..., Any]) -> Any:
    """Return an op of `torch.library`, with a derivative that is registered for it."""

    def compute(x: Any) -> Any:
        return forward(x)

    compute.__annotations__ = dict.fromkeys(("x", "return"), torch.Tensor)
    op = torch.library.custom_op(f"backproof_tests::{name}", compute, mutates_args=())
    op.register_autograd(
        lambda ctx, dy: dy * slope(*ctx.saved_tensors),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),  # noqa: ARG005
    )
    return op


def test_an_op_that_is_registered_is_held_to_its_body() -> None:
    """Its body is PyTorch's calls, which are recorded as those of a custom function are."""
    w = leaves("float32", (5,))
    right = registered("right", lambda x: 2 * torch.sin(x), lambda x: 2 * torch.cos(x))
    wrong = registered("wrong", lambda x: 2 * torch.sin(x), torch.cos)

    assert bt.certify(of(right, w), w).holds
    certificate = bt.certify(of(wrong, w), w)
    assert certificate.refuted
    assert "the derivative of backproof_tests.wrong" in str(certificate)


def test_an_op_that_is_registered_is_given() -> None:
    """It is given by any of its names, as an op or as a function, and is not PyTorch's namesake."""
    w = leaves("float32", (5,))
    op = registered(
        "sin", lambda x: torch.from_numpy(np.tanh(x.numpy())), lambda x: 1 - x.tanh() ** 2
    )
    packet = torch.ops.backproof_tests.sin
    by = Op(np.tanh, lambda dy, y, _: (dy * (1 - y * y),))

    assert "give a function that computes the same" in str(bt.certify(of(packet, w), w))
    for call in (op, packet):
        for key in (op, packet, packet.default):
            for given in (torch.tanh, by):
                certificate = bt.certify(of(call, w), w, known={key: given})

                assert certificate.holds, certificate
    assert bt.certify(of(op, w), w, known={op: torch.sin}).refuted


def test_a_graph_of_a_compiler_is_certified() -> None:
    """Its calls are PyTorch's own ops; a graph that differentiates is held to the forward one."""

    def f(x: Any, W: Any) -> Any:
        y = functional.gelu(functional.layer_norm(x @ W, (4,))).softmax(-1)
        y = functional.group_norm(functional.batch_norm(y, None, None, training=True), 2)
        y = functional.scaled_dot_product_attention(y[None, None], y[None, None], y[None, None])
        y = functional.conv1d(y[0], W[None, :3].expand(2, 3, 4), padding=1)
        rows = functional.embedding(torch.arange(2), W)
        losses = functional.nll_loss(y[0] @ rows[:, :3].T, torch.arange(2), reduction="none")
        return losses.sin()

    def compiled(*, broken: bool) -> Any:
        def backward(graph: Any, _: Any) -> Any:
            first = next(n for n in graph.graph.nodes if "mul.Tensor" in str(n.target))
            if broken:
                first.replace_all_uses_with(first.args[0])
                graph.recompile()
            return compilers.make_boxed_func(graph.forward)

        function = compilers.aot_function(
            f, lambda graph, _: compilers.make_boxed_func(graph.forward), backward
        )
        function(*w.values())  # compiled before it is recorded
        return function

    for precision in ("float32", "float64"):
        w = leaves(precision, (3, 5), (5, 4))
        graph = tracing.make_fx(f)(*(t.detach() for t in w.values()))

        assert bt.certify(of(graph, w), w).holds
        assert bt.certify(of(compiled(broken=False), w), w).holds
        assert not bt.certify(of(compiled(broken=True), w), w).holds
    assert bt.certify(of(compiled(broken=True), w), w).refuted


def test_a_gradient_that_cancels_inside_of_a_function_is_proven() -> None:
    """A bias before a batch norm receives zero on paper, and noise in fact: it is known for it."""

    def f(x: Any, b: Any) -> Any:
        return functional.batch_norm(x + b.reshape(1, -1), None, None, training=True).tanh()

    class Normed(autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, b: Any) -> Any:
            ctx.save_for_backward(x, b)
            return f(x, b)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            with torch.enable_grad():
                x, b = (t.detach().requires_grad_() for t in ctx.saved_tensors)
                return torch.autograd.grad(f(x, b), (x, b), dy)

    w = leaves("float32", (6, 4), (4,))
    certificate = bt.certify(of(Normed.apply, w), w)

    assert certificate.holds, certificate
    assert any(link.cancels for link in certificate.links)
