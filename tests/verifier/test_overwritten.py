"""PyTorch programs that write over what was computed: each value is judged as it was."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, F, bt = map(Lazy, ("torch", "torch.nn.functional", "backproof.torch"))


def in_place(w: Any) -> Any:
    """Return numbers that were used, and then written over."""
    total = torch.zeros(3)
    total += w
    double = total * 2
    total.mul_(double)
    return F.relu(total + double, inplace=True)


def detached(w: Any) -> Any:
    """Return numbers of which some are detached in place: they hand nothing on from then on."""
    y = w * 2
    z = y + w
    return y.detach_() * z


def unchanged(w: Any) -> Any:
    """Write behind autograd's back what changes no number, as PyTorch's distributions do."""
    y = w * 2
    y.detach().clamp_(min=-100)
    return torch.exp(y)


@pytest.mark.parametrize("program", [in_place, detached, unchanged])
def test_writes_keep_what_was_there(program: Callable[[Any], Any]) -> None:
    """Values that a later call overwrites are judged as they were."""
    w = torch.randn(3, requires_grad=True)
    certificate = bt.certify(lambda: program(w).sum(), {"w": w})

    assert certificate.holds, certificate


def test_a_write_by_way_of_a_view_is_a_link_of_its_base() -> None:
    """A gradient that is wrong before a write by way of a view is refuted at that write."""
    w = torch.randn(3, requires_grad=True)

    def loss() -> Any:
        y = w * 2
        y[:2].mul_(3)
        y.register_hook(lambda cotangent: cotangent / 2)
        return y.sum()

    certificate = bt.certify(loss, {"w": w})
    (link,) = certificate.wrong

    assert (link.name, link.verdict) == ("dE/dmul", "refuted")
    assert certificate.place_of(link).function == "torch.Tensor.mul_"


@pytest.mark.parametrize("behind", [lambda y: y.detach(), lambda y: y.data], ids=["detach", "data"])
def test_a_write_that_is_not_differentiated_is_not_green(behind: Callable[[Any], Any]) -> None:
    """What is changed behind autograd's back is not known, and nothing is refuted for it."""
    w = torch.randn(3, requires_grad=True)

    def loss() -> Any:
        y = w * 2
        behind(y)[:2].mul_(3)
        return y.sum()

    certificate = bt.certify(loss, {"w": w})

    assert not certificate.holds
    assert [link for link in certificate.wrong if link.verdict == "refuted"] == []
    assert "by way of another tensor" in str(certificate)


@pytest.mark.parametrize("most", [0.5, 2.0])
def test_a_parameter_that_is_used_and_then_overwritten_is_not_green(most: float) -> None:
    """Both uses share a gradient, though they are of different numbers; if none changed, it holds.

    most: to which the numbers, below 1, are clamped.
    """
    w = torch.ones(3, requires_grad=True)

    def loss() -> Any:
        with torch.no_grad():
            w.copy_(torch.tensor([0.25, 0.75, 1.0]))
        before = torch.exp(w * 2)
        with torch.no_grad():
            w.clamp_(max=most)
        return (before + torch.tanh(w)).sum()

    assert bt.certify(loss, {"w": w}).holds == (most > 1)


def test_a_custom_function_that_writes_by_way_of_data_is_not_refuted() -> None:
    """As torchdiffeq has it: autograd does not count the write. What it computes is not known."""

    class Assign(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """Write a row, without counting the write."""

        @staticmethod
        def forward(ctx: Any, rows: Any, row: Any, i: int) -> Any:
            ctx.i = i
            rows.data[i] = row
            return rows

        @staticmethod
        def backward(ctx: Any, d: Any) -> Any:
            return d, d[ctx.i], None

    w = torch.randn(3, requires_grad=True)

    def loss() -> Any:
        rows = Assign.apply(torch.empty(2, 3), torch.exp(w), 0)
        rows = Assign.apply(rows, torch.sin(rows[0]), 1)
        return rows.square().sum()

    certificate = bt.certify(loss, {"w": w})

    assert [link for link in certificate.wrong if link.verdict == "refuted"] == []
    assert not certificate.holds
    assert "not certified: Assign" in str(certificate)


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "not seen"])
@pytest.mark.parametrize("factor", [2, 1], ids=["right", "wrong"])
def test_a_custom_function_may_write_over_its_operand(factor: int, is_seen: bool) -> None:  # noqa: FBT001
    """It marks the operand as written to, and is held to its forward pass if that was seen."""

    class Twice(torch.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            if is_seen:
                x.mul_(2)
            else:
                x.numpy()[:] = 2 * x.numpy()
            return x

        @staticmethod
        def backward(_: Any, d: Any) -> Any:
            return factor * d

    w = torch.rand(3, requires_grad=True)

    def loss() -> Any:
        y = w.sin()
        return y.square().sum() + Twice.apply(y + 1).sin().sum()

    certificate = bt.certify(loss, {"w": w})

    assert certificate.holds == (factor == 2 and is_seen), certificate
    assert bool(certificate.refuted) == (factor == 1 and is_seen)
