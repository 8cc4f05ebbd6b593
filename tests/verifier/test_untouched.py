"""Whatever a program does to a tensor that was there before, it is as it was afterwards."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, bt = map(Lazy, ("torch", "backproof.torch"))


def give_memory(t: Any) -> None:
    """Give a tensor another memory, which has other numbers."""
    t.set_(torch.arange(6.0).view(2, 3))


def give_data(t: Any) -> None:
    """Give a tensor another memory by its attribute."""
    t.data = torch.arange(6.0).view(2, 3)


def double_data(t: Any) -> None:
    """Give a tensor twice its numbers by its attribute."""
    t.data = t.data * 2


def give_precision(t: Any) -> None:
    """Give a tensor numbers of another precision."""
    t.data = torch.arange(6.0).view(2, 3).double()


def give_more(t: Any) -> None:
    """Give a tensor more entries."""
    t.resize_(4, 3).fill_(2)


def give_fewer(t: Any) -> None:
    """Give a tensor fewer entries, and write to them."""
    t.resize_(1, 3).fill_(2)


def turn(t: Any) -> None:
    """Let a tensor be its transpose."""
    t.t_()


def turn_on_the_way(t: Any) -> None:
    """Write to a part of a tensor in another memory."""
    give_memory(t)
    t[0].mul_(3)


CHANGES: list[Callable[[Any], None]] = [
    *(
        give_memory,
        give_data,
        double_data,
        give_precision,
        give_more,
        give_fewer,
        turn,
        turn_on_the_way,
    )
]


RESIZED = (give_more, give_fewer)
"""What PyTorch refuses to do to a parameter."""

CASES = [("constant", one) for one in CHANGES]
CASES += [("parameter", one) for one in CHANGES if one not in RESIZED]


@pytest.mark.parametrize(("kind", "change"), CASES, ids=lambda one: getattr(one, "__name__", one))
def test_memory_and_shape_are_put_back(kind: str, change: Callable[[Any], None]) -> None:
    """A tensor has its own memory again, which its views share, its shape and its numbers."""
    pytest.importorskip("torch")
    whole = torch.arange(12.0) / 7
    t, w = whole[3:9].view(2, 3), torch.ones(1, requires_grad=True)
    t = torch.nn.Parameter(t) if kind == "parameter" else t

    def loss() -> Any:
        with torch.no_grad():
            change(t)
        return (t * w).square().sum()

    def state() -> Any:
        start = t.data_ptr() - whole.data_ptr()
        return start, t.shape, t.stride(), t.dtype, whole.tolist(), t.tolist()

    before = state()
    certificate = bt.certify(loss, {"w": w, "t": t} if kind == "parameter" else {"w": w})

    assert state() == before
    assert certificate.holds, str(certificate)


FLAGS: dict[str, tuple[bool, Callable[[Any, Any], Any]]] = {
    "written to": (False, lambda t, w: t[0].copy_(w)),
    "detached, and written to": (False, lambda t, w: t.detach_().mul_(0.5).add_(w)),
    "frozen": (True, lambda t, _: t.requires_grad_(False)),  # noqa: FBT003 PyTorch's own
    "trained": (False, lambda t, _: t.requires_grad_()),
}
"""What a program does -> whether a tensor requires a gradient before, and what is done to it."""


@pytest.mark.parametrize("name", FLAGS)
def test_a_leaf_is_the_same_leaf(name: str) -> None:
    """It keeps no history of the passes, and requires a gradient where it did."""
    pytest.importorskip("torch")
    is_trained, change = FLAGS[name]
    t = torch.ones(2, 3, requires_grad=is_trained)
    w = torch.rand(3, requires_grad=True)

    def loss() -> Any:
        change(t, w)
        return (t * w).square().sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, str(certificate)
    assert (t.is_leaf, t.requires_grad, t._backward_hooks) == (True, is_trained, None)  # noqa: SLF001
    assert torch.equal(t.detach(), torch.ones(2, 3))


def test_a_view_of_numbers_that_are_nan_is_put_back() -> None:
    """A view may name an entry twice, and what is NaN is equal to nothing."""
    pytest.importorskip("torch")
    t, w = torch.full((1,), torch.nan).expand(3), torch.ones(1, requires_grad=True)

    assert bt.certify(lambda: torch.where(t.isnan(), w, t).sum(), {"w": w}).holds
    assert t.isnan().all()


def test_the_numbers_that_enter_the_loss_are_those_before_the_memory_is_another() -> None:
    """What was recorded of a tensor stays as it was, also where its memory is put back."""
    pytest.importorskip("torch")
    t, w = torch.arange(6.0), torch.ones(1, requires_grad=True)

    def loss() -> Any:
        t.mul_(2)
        y = (t + w).square().sum()
        give_data(t)
        return y

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds, str(certificate)
    assert t.tolist() == [0, 1, 2, 3, 4, 5]


def test_the_method_that_gives_memory_is_pytorchs_again() -> None:
    """Modes see it while a program is recorded, and not afterwards."""
    pytest.importorskip("torch")
    w = torch.ones(1, requires_grad=True)
    before = torch.Tensor.set_
    bt.certify(lambda: w.square().sum(), {"w": w})

    assert "set_" not in vars(torch.Tensor)
    assert torch.Tensor.set_ is before
