"""PyTorch's functions are read as ops: each spelling is certified, and a wrong one is located."""

from typing import Any

import pytest

from tests.verifier.calls import FAMILIES
from tests.verifier.lazy import Lazy

torch = Lazy("torch")
bt, models = map(Lazy, ("backproof.torch", "tests.verifier.models"))
calls = Lazy("backproof.adapters.torch_functions.calls")

ROWS = [(family, name) for family, rows in FAMILIES.items() for name in rows]


@pytest.fixture(autouse=True)
def _installed() -> None:
    """Skip the tests where PyTorch is not installed."""
    pytest.importorskip("torch")


def certified(program: Any) -> Any:
    """Return the certificate of a program of a matrix (4, 4)."""
    torch.manual_seed(0)
    w = torch.randn(4, 4, requires_grad=True)
    return bt.certify(lambda: torch.sigmoid(program(w)).sum(), {"w": w})


@pytest.mark.parametrize(("family", "name"), ROWS)
def test_calls_are_read_as_ops(family: str, name: str) -> None:
    """Each spelling of a call is read as an op with the right options."""
    certificate = certified(FAMILIES[family][name])

    assert certificate.holds, str(certificate)


def test_a_function_has_one_reader() -> None:
    """A second row for a function is an error: it would take the place of the first."""
    with pytest.raises(ValueError, match="two readers: tan"):
        calls.reads("tan", "tangent")(lambda _: None)


WRONG = {
    "rsqrt": ("arithmetic", "roots"),
    "clamp": ("choices", "clamp"),
    "gather": ("indexing", "gather"),
    "__setitem__": ("indexing", "write rows"),
    "roll": ("moving", "roll"),
    "std": ("reductions", "std"),
    "bmm": ("products", "bmm"),
    "hardswish": ("activations", "hard"),
    "scaled_dot_product_attention": ("attention", "dropout"),
    "conv1d": ("images", "conv1d"),
    "group_norm": ("norms", "group_norm"),
    "gru_cell": ("recurrent", "GRU cell"),
    "cross_entropy": ("losses", "cross_entropy"),
}
"""Function -> a program that calls it, of each family."""


@pytest.mark.parametrize("function", WRONG)
def test_a_wrong_gradient_is_located(function: str) -> None:
    """A function whose gradient is half of what it must be is refuted, by its name and place."""
    family, name = WRONG[function]

    def program(w: Any) -> Any:
        with models.Halving(function):
            return FAMILIES[family][name](w)

    certificate = certified(program)
    link = certificate.refuted

    assert not certificate.holds
    assert link is not None, str(certificate)
    assert certificate.place_of(link).function.endswith(function)
    assert certificate.unknown == ()
