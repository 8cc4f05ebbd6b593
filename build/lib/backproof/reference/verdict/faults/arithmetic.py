"""Classical mistakes of add, multiply, scale, matmul and sum.

Shapes: a and b of add and multiply broadcast to y and dy; of matmul they are (..., I, K) and
(..., K, O).
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.verdict.faults.fault import (
    Fault,
    in_backward,
    in_both,
    in_cotangents,
    in_forward,
    with_options,
)

POSITIONS = {0: "first", 1: "second"}


def add() -> Iterator[Fault]:
    """Yield the faults of a + b."""
    yield in_forward("add", "subtracted", "a - b", lambda a, b: a - b, "a sign")
    for i, which in POSITIONS.items():
        yield in_backward(
            "add",
            i,
            f"{which} operand's gradient lost",
            "zero",
            lambda dy, y, *ab, i=i: np.zeros_like(ab[i]),
            "a residual branch that is cut off",
        )
        yield in_backward(
            "add",
            i,
            f"{which} operand's gradient halved",
            "half of dy",
            lambda dy, y, *ab, i=i: 0.5 * sum_to_shape(dy, ab[i].shape),
            "dy shared out between the branches",
        )
        yield not_summed("add", i)


def multiply() -> Iterator[Fault]:
    """Yield the faults of a b."""
    yield in_forward("multiply", "added", "a + b", lambda a, b: a + b, "the wrong operator")
    yield in_cotangents(
        "multiply",
        "own operand for the other",
        "a dy for da = b dy, b dy for db = a dy",
        lambda dy, y, a, b: (sum_to_shape(dy * a, a.shape), sum_to_shape(dy * b, b.shape)),
    )
    for i, which in POSITIONS.items():
        yield in_backward(
            "multiply",
            i,
            f"{which} operand taken for a constant",
            "zero",
            lambda dy, y, *ab, i=i: np.zeros_like(ab[i]),
            "the product rule's other half",
        )
        yield in_backward(
            "multiply",
            i,
            f"{which} operand's gradient not multiplied",
            "dy, without the other operand",
            lambda dy, y, *ab, i=i: sum_to_shape(dy, ab[i].shape),
            "add's backward function",
        )
        yield not_summed("multiply", i)


def not_summed(op: str, position: int) -> Fault:
    """Return the fault of a broadcast operand that receives from one of its places alone."""

    def first(dy: Any, y: Any, *operands: Any) -> Any:
        whole = OPS[op].backward(dy, y, *(np.broadcast_to(a, y.shape) for a in operands))
        shape = np.shape(operands[position])
        extra = np.ndim(dy) - len(shape)
        taken = whole[position][(0,) * extra]
        return taken[tuple(slice(n) for n in shape)]

    return in_backward(
        op,
        position,
        f"{POSITIONS[position]} operand's gradient not summed",
        "what the first of the places hands on that the operand was broadcast to",
        first,
        "a broadcast forgotten on the way back",
    )


def scale() -> Iterator[Fault]:
    """Yield the faults of factor x."""
    yield in_both(
        "scale",
        "factor forgotten",
        "what a factor of 1 gives",
        with_options("scale", lambda _: {"factor": 1.0}),
        "attention without 1 / sqrt D",
    )
    yield in_both(
        "scale",
        "factor squared",
        "what factor^2 gives",
        with_options("scale", lambda o: {"factor": o["factor"] * o["factor"]}),
        "1 / D for 1 / sqrt D, or a factor applied twice",
    )
    yield in_both(
        "scale",
        "divided by the factor",
        "what 1 / factor gives",
        with_options("scale", lambda o: {"factor": 1 / o["factor"]}),
    )


def matmul() -> Iterator[Fault]:
    """Yield the faults of a b."""

    def read(a: Any) -> Any:
        return a.reshape(*a.shape[:-2], a.shape[-1], a.shape[-2])

    backward = partial(in_backward, "matmul")
    yield backward(
        0,
        "second operand untransposed",
        "dy b with b read row by row, instead of dy b^T",
        lambda dy, y, a, b: dy @ read(b),
    )
    yield backward(
        1,
        "first operand untransposed",
        "a dy with a read row by row, instead of a^T dy",
        lambda dy, y, a, b: read(a) @ dy,
    )
    yield backward(
        1,
        "outer product the wrong way round",
        "dy^T a, read as (K, O)",
        lambda dy, y, a, b: (np.swapaxes(dy, -1, -2) @ a).reshape(*b.shape),
    )
    for i, which in POSITIONS.items():
        yield backward(
            i,
            f"{which} operand detached",
            "zero",
            lambda dy, y, *ab, i=i: np.zeros_like(ab[i]),
            "a stray detach() or stop_gradient",
        )


def total() -> Iterator[Fault]:
    """Yield the faults of sum."""
    yield in_forward("sum", "mean for sum", "the mean", lambda x: np.sum(x) / x.size)
    yield in_backward(
        "sum", 0, "mean for sum on the way back", "dy / n", lambda dy, y, x: (0 * x + dy) / x.size
    )
