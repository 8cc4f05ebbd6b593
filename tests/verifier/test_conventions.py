"""The operands of one node receive by one convention at a tie."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import backprop
from backproof.reference.network import Network, Node
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.passes import certify
from tests.verifier.lazy import Lazy

torch, bt = Lazy("torch"), Lazy("backproof.torch")

A, B, W = np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0, 1.0]), np.array([1.0, 2, 3, 4])
TIES = {
    "the first receives all": (1.0, 0.0, True),
    "the second receives all": (0.0, 1.0, True),
    "each receives half": (0.5, 0.5, True),
    "both receive all": (1.0, 1.0, False),
    "none receives": (0.0, 0.0, False),
    "one receives half, and one all": (0.5, 1.0, False),
}
"""What is done at ties -> the shares of both operands, and whether a derivative does so."""


def certified(a: float, b: float, op: str) -> Certificate:
    """Return the certificate of the larger of two arrays with ties. a, b: their shares at ties."""
    nodes = (Node("y", op, ("a", "b")), Node("c", "multiply", ("y", "w")), Node("E", "sum", ("c",)))
    network = Network("ties", {"a": A, "b": B, "w": W}, {}, nodes, frozenset())
    trace = backprop(network, {"a": A, "b": B, "w": W})
    above, below = (A > B, A < B) if op == "maximum" else (A < B, A > B)
    ties = A == B
    gradients = {**trace.gradients, "a": W * (above + a * ties), "b": W * (below + b * ties)}
    leaves = {"a": A, "b": B, "w": W}
    return certify(network, leaves, replace(trace, gradients=gradients), "float64")


@pytest.mark.parametrize("op", ["maximum", "minimum"])
@pytest.mark.parametrize("name", TIES)
def test_all_operands_receive_by_one_convention(name: str, op: str) -> None:
    """Each array alone is as in some form; that both are is refuted if no form does both."""
    a, b, is_right = TIES[name]
    certificate = certified(a, b, op)
    refuted = [(link.name, link.problem) for link in certificate.links if link.verdict == "refuted"]

    assert certificate.holds == is_right
    assert [of for of, _ in refuted] == ([] if is_right else ["dE/db"])
    assert all(f"no form of {op} hands on" in str(problem) for _, problem in refuted)


def larger(a: float, b: float) -> Any:
    """Return a custom function of PyTorch, the larger of two arrays. a, b: their shares at ties."""

    class Larger(torch.autograd.Function):  # type: ignore[misc, name-defined]
        """max(x, y)."""

        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            """Return the larger entries."""
            ctx.save_for_backward(x, y)
            return torch.maximum(x, y)

        @staticmethod
        def backward(ctx: Any, d: Any) -> Any:
            """Return what both receive."""
            x, y = ctx.saved_tensors
            return d * ((x > y) + a * (x == y)), d * ((x < y) + b * (x == y))

    return Larger.apply


@pytest.mark.parametrize("name", TIES)
def test_both_operands_of_a_custom_function_receive_by_one_convention(name: str) -> None:
    """So it is in programs."""
    a, b, is_right = TIES[name]
    x, y = (torch.tensor(of, requires_grad=True) for of in (A, B))
    function, w = larger(a, b), torch.tensor(W)

    def loss() -> Any:
        return (function(x, y) * w).sum()

    certificate = bt.certify(loss, {"x": x, "y": y})

    assert certificate.holds == is_right, str(certificate)
