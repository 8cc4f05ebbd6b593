"""A derivative that a program takes itself is a pass, and is certified like any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, bt, backproof = map(Lazy, ("torch", "backproof.torch", "backproof"))

Loss = Callable[[Callable[[Any], Any], Any, Any], Any]
"""(a function, a parameter of shape (3, 4), data of shape (5, 3)) -> a loss with its derivative."""


def forces(function: Any, w: Any, x: Any) -> Any:
    """The derivative of an energy with respect to places."""
    own = x.clone().requires_grad_()
    (d,) = torch.autograd.grad(function(own @ w).sum(), own, create_graph=True)
    return d.square().sum()


def seeded(function: Any, w: Any, x: Any) -> Any:
    """A product of a Jacobian and a vector, by way of two derivatives along seeds."""
    own, seed = x.clone().requires_grad_(), torch.ones(5, 4, requires_grad=True)
    (d,) = torch.autograd.grad(function(own @ w), own, seed * 0.5, create_graph=True)
    (moved,) = torch.autograd.grad(d, seed, x.cos(), create_graph=True)
    return moved.square().sum()


def several(function: Any, w: Any, x: Any) -> Any:
    """Two outputs, and two inputs, one of which is computed from the other."""
    h = x @ w
    outputs = function(h), (function(h) * h).sum(0)
    seeds = x @ torch.ones(3, 4), torch.arange(4.0)
    of = torch.autograd.grad(outputs, [w, h], seeds, create_graph=True)
    return sum(one.square().sum() for one in of)


def twice(function: Any, w: Any, x: Any) -> Any:
    """A second derivative."""
    own = x.clone().requires_grad_()
    (d,) = torch.autograd.grad(function(own @ w).sum(), own, create_graph=True)
    (dd,) = torch.autograd.grad(d.square().sum(), own, create_graph=True)
    return dd.sin().sum()


def adapted(function: Any, w: Any, x: Any) -> Any:
    """A step of gradient descent inside of the loss, from weights that are computed."""
    for _ in range(2):
        (d,) = torch.autograd.grad(function(x @ w).mean(), w, create_graph=True)
        w = w - 0.1 * d
    return function(x @ w).mean()


def constant(function: Any, w: Any, x: Any) -> Any:
    """A derivative that autograd takes for a constant if the function keeps its slope."""
    h = x @ w
    y = function(h)
    (d,) = torch.autograd.grad(y.sum(), h, create_graph=True)
    return y.sum() + (d * d).sum()


def large(function: Any, w: Any, x: Any) -> Any:
    """The same of a loss that is scaled, whose rounding is large beside such a derivative."""
    return 1e8 * constant(function, w, x)


def batched(function: Any, w: Any, x: Any) -> Any:
    """Derivatives in several directions at once."""
    own = x.clone().requires_grad_()
    y = function(own @ w)
    of = torch.eye(4)[:, None].expand(4, *y.shape)
    (J,) = torch.autograd.grad(y, own, of, create_graph=True, is_grads_batched=True)
    return J.square().sum()


LOSSES: dict[str, Loss] = {
    one.__name__: one for one in (forces, seeded, several, twice, adapted, constant, large, batched)
}


def cube(slope: float, *, stopped: bool = False) -> Any:
    """Return x^3 as a function of one's own, whose derivative is taken for slope x^2.

    stopped: whether its backward function takes its cotangent for a constant.
    """

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (x,) = ctx.saved_tensors
            return slope * (dy.detach() if stopped else dy) * x * x

    return Cube.apply


def program(loss: str, function: Any) -> tuple[Callable[[], Any], dict[str, Any]]:
    """Return a program of a function, and its parameter."""
    torch.manual_seed(0)
    w, x = torch.randn(3, 4, requires_grad=True), torch.randn(5, 3)
    return lambda: LOSSES[loss](function, w, x), {"w": w}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_right_derivative_inside_holds(loss: str) -> None:
    """Each derivative that the program takes has a certificate of its own."""
    certificate = bt.certify(*program(loss, cube(3)))

    assert certificate.holds, str(certificate)
    assert certificate.inner
    assert all(one.links for one in certificate.inner)
    assert f"{len(certificate.inner)} derivative" in str(certificate)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_wrong_derivative_inside_is_refuted(loss: str) -> None:
    """Calls that are right one by one, but are no derivative together, are refuted, and located."""
    certificate = bt.certify(*program(loss, cube(2)))

    assert not certificate.holds
    assert not certificate.proven
    assert "the derivative of Cube (test_inner_passes.py:" in str(certificate)


def kept() -> Any:
    """Return x^3 as a function of one's own, whose backward function keeps 3 x^2 as a constant."""

    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.slope = 3 * x * x
            return x * x * x

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy * ctx.slope

    return Kept.apply


@pytest.mark.parametrize("loss", sorted(LOSSES.keys() - {"twice"}))
def test_a_derivative_that_is_differentiated_wrongly_is_refuted(loss: str) -> None:
    """Its numbers are right, but what the backward function keeps is taken for a constant."""
    certificate = bt.certify(*program(loss, kept()))

    assert not certificate.holds
    assert not certificate.proven
    assert "with right derivatives in the loss: dE/dw: " in str(certificate)
    assert "hint" in str(certificate)


def test_a_twin_hides_nothing_that_is_wrong() -> None:
    """The same gradients another time do not make a certificate hold that did not."""
    loss, model = program("forces", kept())

    certificate = bt.certify(loss, model, against=loss)

    assert {one.verdict for one in certificate.twin if one.of == "twin"} == {"inside"}
    assert not certificate.holds
    assert not certificate.proven


@pytest.mark.parametrize("function", ["right", "kept"])
def test_beside_a_known_finding(function: str) -> None:
    """PyTorch's float32 GELU is known to be less accurate; that excuses nothing else."""
    of = kept() if function == "kept" else cube(3)

    certificate = bt.certify(*program("forces", lambda h: of(torch.nn.functional.gelu(h / 99))))

    assert certificate.known
    assert certificate.holds == (function == "right"), str(certificate)


SEEDS: dict[str, Callable[[Any, Any], Any]] = {
    "of the output": lambda y, _: y * y,
    "a parameter": lambda _, v: v,
    "of a parameter": lambda _, v: v.sin(),
}
"""(an output, another parameter of its shape) -> the seed of the output."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("end", ["right", "stopped"])
@pytest.mark.parametrize("name", ["", "trace"], ids=["here", "from files"])
def test_seeds_that_a_backward_function_stops(
    seed: str, end: str, name: str, tmp_path: Path
) -> None:
    """The derivative inside is right, but the loss then depends on nothing of its seed."""
    torch.manual_seed(0)
    w, v = torch.randn(4, requires_grad=True), torch.randn(4, requires_grad=True)

    def loss() -> Any:
        h = w.exp()
        y = cube(3, stopped=end == "stopped")(h)
        (d,) = torch.autograd.grad(y, h, SEEDS[seed](y, v), create_graph=True)
        return d.square().sum() + v.sum()

    if name:
        bt.record(loss, {"w": w, "v": v}, tmp_path / name)
        certificate = backproof.certify_trace(tmp_path / name)
    else:
        certificate = bt.certify(loss, {"w": w, "v": v})

    assert certificate.holds == (end == "right"), str(certificate)
    assert ("with right derivatives in the loss: dE/d" in str(certificate)) == (end != "right")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("slope", [2, 3])
@pytest.mark.parametrize("name", ["trace", "trace.zip"])
def test_from_its_files(loss: str, slope: float, name: str, tmp_path: Path) -> None:
    """A trace has the derivatives that the program takes itself, and is certified with them."""
    bt.record(*program(loss, cube(slope)), tmp_path / name)

    certificate = backproof.certify_trace(tmp_path / name)

    expected = bt.certify(*program(loss, cube(slope)))
    assert certificate.holds == (slope == 3)
    assert certificate.links == expected.links
    assert [one.links for one in certificate.inner] == [one.links for one in expected.inner]


def test_what_only_a_derivative_goes_through_may_be_unknown() -> None:
    """A function that is not known is named, though the calls of its derivative are all known."""

    class Unseen(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return torch.from_numpy(x.detach().numpy() ** 2)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 2 * dy * x

    certificate = bt.certify(*program("forces", Unseen.apply))

    assert not certificate.holds
    assert certificate.refuted is None
    assert "not certified: Unseen (test_inner_passes.py:" in str(certificate)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_that_overflow_outside_of_the_program(dtype: str) -> None:
    """The sum of seeds times outputs is no part of a program, so it may be too large."""
    w = torch.full((2, 2), 8.0, dtype=getattr(torch, dtype), requires_grad=True)

    def loss() -> Any:
        y = w * w
        (d,) = torch.autograd.grad(y, w, torch.full_like(y, 512.0), create_graph=True)
        return (d / 512).square().mean()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, str(certificate)


def test_inputs_that_the_outputs_do_not_depend_on() -> None:
    """Nothing is to be certified of a derivative that autograd does not compute."""
    w = torch.ones(3, requires_grad=True)

    def loss() -> Any:
        other = torch.ones(2, requires_grad=True)
        _, d = torch.autograd.grad(w.exp().sum(), [other, w], create_graph=True, allow_unused=True)
        return d.sin().sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, str(certificate)
    assert len(certificate.inner) == 1


def test_zeros_for_inputs_that_the_outputs_do_not_depend_on() -> None:
    """With `materialize_grads`, autograd returns constants there: zeros."""
    w, v = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)

    def loss() -> Any:
        of = [v.sin(), w]
        ds = torch.autograd.grad(w.exp().sum(), of, create_graph=True, materialize_grads=True)
        return sum((d + 1).square().sum() for d in ds) + of[0].sum()

    assert bt.certify(loss, {"w": w, "v": v}).holds


def test_what_is_rounding_alone_is_not_refuted() -> None:
    """The derivative of a sum of softmaxes is zero; what is left of it in bfloat16 is rounding."""
    torch.manual_seed(0)
    w = torch.randn(3, 4).bfloat16().requires_grad_()
    x = torch.randn(5, 3).bfloat16()

    def loss() -> Any:
        own = x.clone().requires_grad_()
        (d,) = torch.autograd.grad((own @ w).softmax(-1).sum(), own, create_graph=True)
        return d.square().sum()

    certificate = bt.certify(loss, {"w": w})

    assert [one.verdict for one in certificate.twin] == ["undecided"], certificate
    assert "nobody can tell" in str(certificate)
