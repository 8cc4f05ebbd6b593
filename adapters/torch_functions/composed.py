"""PyTorch's functions that are composed of several ops of the table.

A function of few steps is a small network, whose derivative is that of its steps (`composed`). Its
constants, such as an epsilon, are operands of it.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    reads,
    steps,
)
from backproof.reference.own import QUOTIENTS, with_forms

# Angles.


@reads("cosine_similarity")
def cosine_similarity(_: Seen, a: Tensor, b: Tensor, dim: int = 1, eps: float = 1e-8) -> Call:
    """Read it as the inner product of a and b, each of length 1."""
    return steps(
        "cosine_similarity",
        {"a": a, "b": b},
        ("of-a", "normalize", "a", {"axis": dim, "eps": eps}),
        ("of-b", "normalize", "b", {"axis": dim, "eps": eps}),
        ("product", "multiply", "of-a of-b"),
        ("cosine", "sum", "product", {"axis": dim}),
    )


# Products of many.


def products(x: Tensor, dim: int) -> list[Step]:
    """Return the steps of the products of all entries up to each, along an axis."""
    before: tuple[slice, ...] = (slice(None),) * (dim % x.dim())
    found: list[Step] = [("y0", "slice", "x", {"index": (*before, slice(0, 1))})]
    for k in range(1, x.shape[dim]):
        found.append((f"x{k}", "slice", "x", {"index": (*before, slice(k, k + 1))}))
        found.append((f"y{k}", "multiply", f"y{k - 1} x{k}"))
    return found


@reads("cumprod")
def cumprod(_: Seen, x: Tensor, dim: int, **named: Any) -> Call:
    if named.get("dtype") not in (None, x.dtype):
        raise NotKnown("dtype")
    every = " ".join(f"y{k}" for k in range(x.shape[dim]))
    last = ("y", "concatenate", every, {"axis": dim})
    call = steps("cumprod", {"x": x}, *products(x, dim), last)
    return replace(call, own=with_forms(call.own, QUOTIENTS))


# Windows.


@reads("local_response_norm")
def local_response_norm(
    _: Seen, x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Call:
    """Read it as x / (k + alpha mean x^2)^beta, the mean over channels nearby, and zeros beyond."""
    around = ((0, 0), (size // 2, (size - 1) // 2), *((0, 0) for _ in x.shape[2:]))
    near = np.arange(x.shape[1])[:, None] + np.arange(size)
    return steps(
        "local_response_norm",
        {"x": x, "k": k},
        ("square", "multiply", "x x"),
        ("around", "pad", "square", {"width": around}),
        ("near", "slice", "around", {"index": (slice(None), near)}),
        ("mean", "mean", "near", {"axis": 2}),
        ("share", "scale", "mean", {"factor": alpha}),
        ("more", "add", "share k"),
        ("power", "power", "more", {"exponent": beta}),
        ("y", "divide", "x power"),
    )
