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


def test_an_infinite_mask_of_a_wider_precision_is_not_refuted() -> None:
    """Where an operand has no bound in the precision of a node, nothing is known of the node."""
    w = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    lowest = torch.full_like(w, torch.finfo(w.dtype).min, requires_grad=False).triu(1)

    def loss() -> Any:
        return ((w + lowest).softmax(-1, dtype=torch.float32) ** 2).sum()

    certificate = bt.certify(loss, {"w": w})

    assert {link.verdict for link in certificate.wrong} == {"undecided"}


def test_a_saturated_probability_is_not_certified() -> None:
    """PyTorch bounds the logarithm of zero, and which the reference does not."""
    w = torch.tensor([0.0, 40.0], requires_grad=True)
    certificate = bt.certify(
        lambda: torch.nn.functional.binary_cross_entropy(w.sigmoid(), torch.ones(2)), {"w": w}
    )

    assert not certificate.holds
    assert "probabilities of 0 or 1" in str(certificate)


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
