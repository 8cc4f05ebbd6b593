"""The derivative of an op as an op: its own derivative, proven."""

from typing import Any

import numpy as np
import pytest

from backproof.reference.derivative import derivative
from backproof.reference.numbers.exact import exact
from backproof.reference.ops import OPS
from tests.verifier.difference import close, gradient, on_paper

CASES: dict[str, tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "tanh": ("tanh", ((2, 3),), {}),
    "silu": ("silu", ((2, 3),), {}),
    "softmax": ("softmax", ((2, 3),), {}),
    "division": ("divide", ((2, 3), (3,)), {}),
    "dense": ("dense", ((2, 3), (3, 2), (2,)), {}),
    "convolution": ("conv", ((1, 2, 3, 3), (1, 2, 2, 2)), {"padding": 1}),
    "layer norm": ("layer_norm", ((2, 3), (3,), (3,)), {}),
    "batch norm": ("batch_norm", ((3, 2), (2,), (2,)), {}),
}
"""Name -> op, the shapes of its inputs, its options."""


def numbers(seed: int, *shapes: tuple[int, ...]) -> list[Any]:
    """Return numbers between 1/2 and 3/2, as balls."""
    rng = np.random.default_rng(seed)
    return [exact(rng.uniform(0.5, 1.5, shape)) for shape in shapes]


@pytest.mark.parametrize("name", CASES)
def test_the_derivative_of_a_derivative_is_proven(name: str) -> None:
    """What it hands on is the difference quotient, for the cotangent and for every input."""
    op, shapes, options = CASES[name]
    with on_paper():
        x = numbers(0, *shapes)
        (dy,) = numbers(1, np.shape(OPS[op].forward(*x, **options)))
        for k, shape in enumerate(shapes):
            found, (d,) = derivative(OPS[op], k), numbers(2, shape)
            operands = [dy, *x]
            handed_on = found.backward(d, None, *operands, **options)
            for i, operand in enumerate(operands):

                def moved(a: Any, i: int = i, d: Any = d, found: Any = found) -> Any:
                    others = [*operands[:i], a, *operands[i + 1 :]]  # noqa: B023 used at once
                    return np.sum(d * found.forward(*others, **options))

                assert close(handed_on[i], gradient(moved, operand)), (k, i)
