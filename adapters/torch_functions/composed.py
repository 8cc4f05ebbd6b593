"""PyTorch's functions that are composed of several ops of the table.

A function of few steps is a small network, whose derivative is that of its steps (`composed`). Its
constants, such as an epsilon, are operands of it.
"""

import math
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

# Distances and angles.


def distance(name: str, a: str, b: str, *, keepdims: bool = False) -> list[Step]:
    """Return the steps of ||a - b + eps||, of which the last has a name."""
    return [
        (f"{name}-difference", "subtract", f"{a} {b}"),
        (f"{name}-moved", "add", f"{name}-difference eps"),
        (name, "norm", f"{name}-moved", {"axis": -1, "keepdims": keepdims}),
    ]


def is_euclidean(p: float) -> None:
    """Raise NotKnown for another norm."""
    if p != math.sqrt(4):
        raise NotKnown(f"p={p}")


@reads("pairwise_distance")
def pairwise_distance(
    _: Seen,
    a: Tensor,
    b: Tensor,
    p: float = 2.0,
    eps: float = 1e-6,
    keepdim: bool = False,
) -> Call:
    is_euclidean(p)
    operands = {"a": a, "b": b, "eps": eps}
    return steps("pairwise_distance", operands, *distance("far", "a", "b", keepdims=keepdim))


NEAR, FAR = "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"
"""PyTorch's names for a distance by a matrix product, and by its definition."""

MOST_ROWS = 25
"""Up to so many rows PyTorch takes distances by their definition."""


@reads("cdist")
def cdist(_: Seen, a: Tensor, b: Tensor, p: float = 2.0, compute_mode: Any = None) -> Call:
    """Read it as the length of each difference of a row of a and one of b."""
    is_euclidean(p)
    if compute_mode != FAR and (max(a.shape[-2], b.shape[-2]) > MOST_ROWS or compute_mode == NEAR):
        raise NotKnown("lengths by a matrix product, in which they cancel")
    rows, columns = (..., slice(None), None, slice(None)), (..., None, slice(None), slice(None))
    return steps(
        "cdist",
        {"a": a, "b": b},
        ("rows", "slice", "a", {"index": rows}),
        ("columns", "slice", "b", {"index": columns}),
        ("difference", "subtract", "rows columns"),
        ("length", "norm", "difference", {"axis": -1}),
    )


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
