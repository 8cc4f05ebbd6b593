"""What PyTorch is known to compute instead is known where a loss has derivatives, too."""

from contextlib import nullcontext
from typing import Any

import pytest

from tests.verifier.lazy import Lazy

torch, F, bt = map(Lazy, ("torch", "torch.nn.functional", "backproof.torch"))
dispatch = Lazy("torch.utils._python_dispatch")


def off_by(factor: float) -> Any:
    """Return a mode that multiplies what computes the derivative of GELU."""

    class OffBy(dispatch.TorchDispatchMode):  # type: ignore[misc, name-defined]
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = function(*args, **(kwargs or {}))
            return result * factor if "gelu_backward" in str(function) else result

    return OffBy()


@pytest.mark.parametrize("factor", [1, 1.00001])
def test_the_slope_of_gelu_is_known_in_a_loss(factor: float) -> None:
    """The float32 slope of GELU near zero is a finding; numbers beside it are refuted."""
    torch.manual_seed(0)
    w, v = ((torch.randn(40) * 0.1).requires_grad_() for _ in range(2))

    def loss() -> Any:
        x = torch.ones(40, requires_grad=True)
        with nullcontext() if factor == 1 else off_by(factor):
            (dx,) = torch.autograd.grad((v * F.gelu(w * x)).sum(), x, create_graph=True)
            (dy,) = torch.autograd.grad((F.gelu(w * x) ** 2).sum(), x, create_graph=True)
        return (dx + dy).square().sum()

    certificate = bt.certify(loss, {"w": w, "v": v})

    assert certificate.holds == (factor == 1), certificate
    assert ("gelu_backward" in {link.name for link in certificate.wrong}) == (factor != 1)
    if factor == 1:
        assert any("gradient of F.gelu" in cause for cause in certificate.known.values())
