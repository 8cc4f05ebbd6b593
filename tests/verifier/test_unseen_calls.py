"""PyTorch programs of which no mode sees every call: by subclasses, scripts and inner passes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, nn, bt = map(Lazy, ("torch", "torch.nn", "backproof.torch"))
models = Lazy("tests.verifier.models")


def leaf(*shape: int) -> Any:
    """Return a parameter with random numbers."""
    torch.manual_seed(0)
    return torch.randn(*shape, requires_grad=True)


def strict() -> Any:
    """Return a subclass of tensors that refuses functions until it was given a unit, as some do."""

    class Strict(torch.Tensor):  # type: ignore[misc, name-defined]
        @classmethod
        def __torch_function__(
            cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.Tensor.detach and not hasattr(args[0], "unit"):
                raise TypeError("a tensor without a unit")
            return super().__torch_function__(function, types, args, kwargs)

    return Strict


def subclassed(w: Any) -> Any:
    """Return a loss by way of a subclass: as views, of views, of which one is not used itself."""
    quantity = w.as_subclass(strict())
    view = quantity.as_subclass(torch.Tensor)
    return (quantity[0] * 2).as_subclass(torch.Tensor) * (view**2).sum() + view[1] * 3 * w[1]


def test_a_subclass_sees_the_calls_of_the_program_alone() -> None:
    """A subclass that refuses functions is certified, and so are the views that make it one."""
    w = leaf(3)

    certificate = bt.certify(lambda: subclassed(w).sum(), {"w": w})

    assert certificate.holds, certificate


def logarithms() -> Any:
    """Return a subclass of tensors whose product is the sum, as that of logarithms is."""

    class Logarithm(torch.Tensor):  # type: ignore[misc, name-defined]
        @classmethod
        def __torch_function__(
            cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            other = torch.add if function in (torch.mul, torch.Tensor.mul) else function
            return super().__torch_function__(other, types, args, kwargs)

    return Logarithm


@pytest.mark.parametrize("halved", [None, "add", "exp"])
def test_a_subclass_may_change_what_a_function_does(halved: str | None) -> None:
    """The calls that it makes instead are recorded, and each of them is held to its own op."""
    w = leaf(3)

    def loss() -> Any:
        x = w.as_subclass(logarithms())
        y = x * w.sin()
        y *= 2
        return y.exp().sum()

    with models.Halving(halved):
        certificate = bt.certify(loss, {"w": w})

    assert certificate.holds == (halved is None), certificate
    assert bool(certificate.refuted) == (halved is not None)


def test_a_parameter_of_a_subclass_is_certified() -> None:
    """So is a parameter that is one, and a view that is made of it first of all."""
    numbers = torch.randn(3).as_subclass(strict())
    numbers.unit = 1
    w = nn.Parameter(numbers)

    certificate = bt.certify(lambda: w.as_subclass(torch.Tensor).square().sum(), {"w": w})

    assert certificate.holds, certificate


def test_what_wraps_a_parameter_is_refused() -> None:
    """A subclass whose methods return no tensors is none, and what it wraps can be given."""

    class Wrapper(torch.nn.Parameter):  # type: ignore[misc, name-defined]
        def detach(self) -> Any:
            return "a wrapper"

    with pytest.raises(bt.NotRecorded, match="w: expected a tensor, found Wrapper"):
        bt.certify(lambda: torch.ones(1), {"w": Wrapper(torch.ones(3))})


def test_a_subclass_with_a_wrong_derivative_is_refuted() -> None:
    """A subclass may compute what it likes; a custom function of it is held to its forward pass."""
    w = leaf(3)

    class Half(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(_: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(_: Any, dy: Any) -> Any:
            return dy

    certificate = bt.certify(
        lambda: Half.apply(w.as_subclass(strict())).as_subclass(torch.Tensor).sum(), {"w": w}
    )

    assert not certificate.proven
    assert "the derivative of Half" in str(certificate)


@pytest.mark.parametrize("other", [lambda w: w * 3, lambda w: w.square()], ids=["scaled", "square"])
def test_what_is_computed_beside_a_script_is_not_refuted(other: Callable[[Any], Any]) -> None:
    """A scripted function is named, with the parameters that reach it, and nothing is refuted."""
    w, v = leaf(3), leaf(3)
    scripted = torch.jit.CompilationUnit("def f(x):\n    return x.exp()\n").f

    def loss() -> Any:
        y = other(w)
        return (scripted(y) + y).sum() + v.square().sum()

    certificate = bt.certify(loss, {"w": w, "v": v})

    assert certificate.proven == ("v",)
    assert not any(link.verdict == "refuted" for link in certificate.links)
    assert "ExpBackward0" in str(certificate)
    assert "reached by 1 of 2 parameters" in str(certificate)


def test_a_backward_pass_inside_of_a_backward_pass_has_its_own_cotangents() -> None:
    """A custom function may differentiate through its own result, as implicit functions do."""
    w = leaf(4)

    class Exp(torch.autograd.Function):  # type: ignore[misc, name-defined]
        factor = 1.0

        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            (y,) = ctx.saved_tensors
            with torch.enable_grad():
                (dx,) = torch.autograd.grad(y.square() / 2, y, dy)
            return Exp.factor * dx

    def loss() -> Any:
        return Exp.apply(w * 2).square().sum()

    assert bt.certify(loss, {"w": w}).holds

    Exp.factor = 0.5
    certificate = bt.certify(loss, {"w": w})
    assert not certificate.proven
    assert "the derivative of Exp" in str(certificate)


def test_a_program_may_write_to_its_frozen_parameters() -> None:
    """An average of the parameters is moved by each pass, and is as it was afterwards."""
    model = nn.ModuleDict({"student": nn.Linear(3, 3), "teacher": nn.Linear(3, 3)})
    model["teacher"].requires_grad_(requires_grad=False)
    before = model["teacher"].weight.clone()
    x = torch.ones(2, 3)

    def loss() -> Any:
        with torch.no_grad():
            model["teacher"].weight.mul_(0.9).add_(model["student"].weight, alpha=0.1)
        return (model["student"](x) - model["teacher"](x)).square().sum()

    assert bt.certify(loss, model).holds
    assert torch.equal(model["teacher"].weight, before)


def test_memory_that_is_freed_is_named() -> None:
    """What was freed has no numbers left, and is not read."""
    w = leaf(3)

    def loss() -> Any:
        y = w * 3
        z = (y * 2).sum()
        y.untyped_storage().resize_(0)
        return z

    with pytest.raises(bt.NotRecorded, match="frees the memory of a tensor"):
        bt.certify(loss, {"w": w})


@pytest.mark.parametrize("inside", [True, False], ids=["in a list", "as arguments"])
def test_tensors_in_a_list_are_named(inside: bool) -> None:  # noqa: FBT001 a case
    """Autograd does not see them, so that what a custom function makes of them is a constant."""
    w = leaf(3)

    class Product(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, *factors: Any) -> Any:
            x, y = factors[0] if inside else factors
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            x, y = ctx.saved_tensors
            return None if inside else (dy * y, dy * x)

    def loss() -> Any:
        factors = w * 2, w.sin()
        return (Product.apply([*factors]) if inside else Product.apply(*factors)).sum() + w.sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds != inside, certificate
    assert ("does not see tensors in lists" in str(certificate)) == inside
