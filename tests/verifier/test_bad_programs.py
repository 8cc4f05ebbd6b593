"""PyTorch programs that cannot be certified: each is refused, with one clear reason."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, nn, bt = map(Lazy, ("torch", "torch.nn", "backproof.torch"))


def hidden(w: Any) -> Any:
    """Return a loss that gives a parameter a gradient by way of a hook alone."""
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.register_hook(lambda dy: setattr(w, "grad", dy))
    return y.sum()


def forward_mode(of: Any, x: Any, along: Any = None) -> Any:
    """Return how a function moves along a direction."""
    forward_ad = torch.autograd.forward_ad
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones(3) if along is None else along)
        return forward_ad.unpack_dual(of(dual)).tangent


def differentiated(w: Any) -> Any:
    """Return a loss whose graph is freed: it was differentiated already."""
    loss = (w * w).sum()
    loss.backward()
    return loss


BAD = {
    "backward makes a graph": (
        lambda w: (w * w).sum().backward(create_graph=True) or w.grad.sum(),
        "let the loss take its derivatives by torch.autograd.grad",
    ),
    "forward mode": (
        lambda w: forward_mode(lambda x: (w * x).sin(), torch.ones(3)).sum(),
        "forward-mode derivatives in the loss are not recorded",
    ),
    "forward mode along a parameter": (
        lambda w: forward_mode(lambda x: x.sin(), torch.ones(3), w).sum(),
        "forward-mode derivatives in the loss are not recorded",
    ),
    "backward is called": (differentiated, "and not call `backward`"),
    "no call seen": (hidden, "no call was seen that uses the parameters"),
    "no tensor": (lambda _: 1.0, "expected a tensor"),
    "several numbers": (lambda w: w * 2, "expected one number"),
    "no gradient": (lambda w: w.detach().sum(), "does not depend on the parameters"),
    "another leaf": (
        lambda _: torch.ones(2, requires_grad=True).sum(),
        "does not depend on the parameters",
    ),
    "eight bits": (
        lambda w: w.to(torch.float8_e4m3fn).float().sum(),
        "torch.float8_e4m3fn tensors are not certified",
    ),
    "nested": (
        lambda w: torch.nested.as_nested_tensor([w[:2], w], layout=torch.jagged).sum(),
        "nested tensors are not certified",
    ),
    "grad": (
        lambda w: torch.func.grad(lambda x: (w * x).sum())(torch.ones(3)).sum(),
        "torch.func.s tensors are not certified",
    ),
    "vmap": (
        lambda w: torch.func.vmap(torch.exp)(w).sum() + w.sum(),
        r"transformations of torch.func are not certified: torch.exp \(test_bad_programs.py:",
    ),
}


@pytest.mark.filterwarnings("ignore:Using backward", "ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_error(name: str) -> None:
    """What cannot be certified is refused with the reason."""
    w = torch.ones(3, requires_grad=True)
    loss, said = BAD[name]

    with pytest.raises(bt.NotRecorded, match=said):
        bt.certify(lambda: loss(w), {"w": w})


ARGUMENTS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "a number for a loss": (
        lambda model, loss: bt.certify(loss(), model),
        "the loss: expected a function, found Tensor",
    ),
    "parameters without names": (
        lambda model, loss: bt.certify(loss, model.parameters()),
        r"such as dict\(model.named_parameters\(\)\); found gen",
    ),
    "NaN": (
        lambda _, loss: bt.certify(loss, {"w": torch.tensor([float("nan")]).requires_grad_()}),
        "parameter w: has numbers that are NaN",
    ),
    "no op": (
        lambda model, loss: bt.certify(loss, model, known={torch.tanh: "tanh"}),
        "expected an Op, or a function, found str",
    ),
}
"""What is wrong -> a call with a model and its loss, and the reason."""


@pytest.mark.parametrize("name", ARGUMENTS)
def test_bad_arguments_are_refused(name: str) -> None:
    """An argument that is not what it should be is named."""
    model = nn.Linear(2, 1)
    call, said = ARGUMENTS[name]

    with pytest.raises(bt.NotRecorded, match=said):
        call(model, lambda: model(torch.ones(2)))


def test_a_program_that_is_not_deterministic_is_refused() -> None:
    """A loss that differs from call to call is an error that says so."""
    w, calls = torch.ones(3, requires_grad=True), []

    def loss() -> Any:
        calls.append(1)
        return (w * len(calls)).sum()

    with pytest.raises(bt.NotRecorded, match="not deterministic"):
        bt.certify(loss, {"w": w})


def test_a_model_that_raises_is_left_as_it_was() -> None:
    """What the program raises comes through, and modes and hooks are gone."""
    w = torch.ones(2, requires_grad=True)

    def loss() -> Any:
        raise KeyError(str((w * 2).sum()))

    with pytest.raises(KeyError):
        bt.certify(loss, {"w": w})
    assert not torch.overrides._get_current_function_mode_stack()  # noqa: SLF001
    assert not torch.nn.modules.module._global_forward_hooks  # noqa: SLF001
