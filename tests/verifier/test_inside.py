"""Inside of custom functions, only what is known to be a constant is taken for one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.verifier.lazy import Lazy

torch, C, bt = map(Lazy, ("torch", "torch._C", "backproof.torch"))


def scaled(factor: Callable[[Any], Any]) -> Any:
    """Return a custom function x -> x f(x) that takes f(x) for a constant in its backward pass."""

    class Scaled(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            f = factor(x)
            ctx.save_for_backward(f)
            return x * f

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return dy * ctx.saved_tensors[0]

    return Scaled


def kernel(x: Any) -> Any:
    """Write twice an operand into memory that was made for it, beneath PyTorch."""
    y = torch.zeros_like(x)
    with C.DisableTorchFunction():  # as a kernel does not ask
        np.multiply(x.detach().numpy(), 2, out=y.numpy())
    return y


def script(code: str) -> Any:
    """Return a function of a script, whose calls no mode sees."""
    return torch.jit.CompilationUnit(f"def f(x, y):\n    return {code}\n").f


HIDDEN: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda x: x,
    "a view as a tensor": lambda x: x.as_subclass(torch.Tensor),
    "a parameter": lambda x: torch.nn.Parameter(x),  # noqa: PLW0108 imports nothing yet
    "a script": lambda x: script("x * y")(x, torch.tensor(2.0)),
    "of a script": lambda x: script("x * y")(x, torch.tensor(2.0)) + 1,
    "a script that writes": lambda x: script("y.copy_(x)")(x, torch.zeros_like(x)),
    "a kernel": kernel,
    "memory": lambda x: torch.tensor([]).set_(x.untyped_storage(), 0, (3,), (1,)),
    "DLPack": lambda x: torch.from_dlpack(x.detach()),
    "another custom function": lambda x: scaled(torch.ones_like).apply(x),
}
"""Functions of an operand that are no constants, most of them not seen."""


@pytest.mark.parametrize("name", HIDDEN)
def test_what_depends_on_an_operand_is_no_constant(name: str) -> None:
    """A backward pass that takes it for one is wrong, and not certified."""
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

    certificate = bt.certify(lambda: scaled(HIDDEN[name]).apply(w * 2).sum(), {"w": w})

    assert not certificate.holds
    assert not certificate.proven


def test_a_parameter_that_is_no_operand_is_no_constant() -> None:
    """A custom function that uses a parameter, and does not differentiate it, is named."""
    w, v = (torch.ones(3, requires_grad=True) for _ in range(2))

    certificate = bt.certify(
        lambda: scaled(lambda _: v * 1).apply(w).sum() + v.square().sum(), {"w": w, "v": v}
    )

    assert not certificate.holds
    assert "in its forward pass an operand of torch.Tensor.mul" in str(certificate)


def filled_in_parts(x: Any) -> Any:
    """Return a constant that is written in parts, and by way of views."""
    y = torch.empty_like(x)
    y[0] = 1
    y[1:].fill_(2)
    z = y.view(3)[2]
    z.mul_(1.5)
    return y


CONSTANTS: dict[str, Callable[[Any, Any], Any]] = {
    "made by the program": lambda _, made: made,
    "made of that": lambda _, made: made * 2 + torch.arange(3.0),
    "made inside": lambda x, _: torch.full_like(x, 2) + torch.tensor([1.0, 2.0, 3.0]),
    "written in parts": lambda x, _: filled_in_parts(x),
    "a mask": lambda x, _: (x > 1).to(x.dtype),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_is_one_inside(name: str) -> None:
    """What seen calls make of constants is one, in the program and inside of the function."""
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def loss() -> Any:
        made = torch.linspace(0, 1, 3) * 2
        return scaled(lambda x: CONSTANTS[name](x, made)).apply(w * 2).sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, certificate


def test_what_was_there_before_is_a_constant_inside() -> None:
    """A tensor of another module or of the function itself is one, whatever made it."""
    w, there = torch.ones(3, requires_grad=True), torch.from_numpy(np.arange(3.0, dtype=np.float32))

    certificate = bt.certify(lambda: scaled(lambda _: there).apply(w * 2).sum(), {"w": w})

    assert certificate.holds, certificate


PRECISIONS: dict[str, Callable[[Any], Any]] = {
    "lower": lambda x: x.bfloat16().float() * x,
    "at first": lambda x: (x * x).double(),
    "higher": lambda x: (x.double() * x).float(),
    "lower in the end": lambda x: (x * x).bfloat16(),
}
"""Forward passes in two precisions."""


@pytest.mark.parametrize("name", PRECISIONS)
@pytest.mark.parametrize("is_right", [True, False])
def test_what_is_rounded_inside_is_known(name: str, *, is_right: bool) -> None:
    """The numbers that are stored on the way are rounded, and nothing that is right is refuted."""

    class Squared(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return PRECISIONS[name](x)

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return (2 if is_right else 2.1) * dy.float() * ctx.saved_tensors[0]

    torch.manual_seed(0)
    w = torch.randn(64, requires_grad=True)

    certificate = bt.certify(lambda: Squared.apply(w.exp()).float().sum(), {"w": w})

    assert certificate.holds == is_right, str(certificate)
    assert bool(certificate.refuted) != is_right
