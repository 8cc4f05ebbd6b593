"""Distances: lengths of differences."""

from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import Call, Seen, Step, Tensor, reads, steps
from backproof.adapters.torch_functions.lengths import EUCLIDEAN, length, order
from backproof.reference.own import OWN


def distance(name: str, a: str, b: str, p: float, *, keepdims: bool = False) -> list[Step]:
    """Return the steps of ||a - b + eps||, of which the last has a name."""
    return [
        (f"{name}-difference", "subtract", f"{a} {b}"),
        (f"{name}-moved", "add", f"{name}-difference eps"),
        *length(p, f"{name}-moved", name, {"axis": -1, "keepdims": keepdims}),
    ]


@reads("pairwise_distance")
def pairwise_distance(
    _: Seen, a: Tensor, b: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Call:
    p = order(p, a.detach() - b.detach() + eps, -1)
    operands = {"a": a, "b": b, "eps": eps}
    return steps("pairwise_distance", operands, *distance("far", "a", "b", p, keepdims=keepdim))


@reads("dist")
def dist(_: Seen, a: Tensor, b: Tensor, p: float = 2.0) -> Call:
    p = order(p, a.detach() - b.detach())
    found = length(p, "difference", "y", {"axis": None})
    return steps("dist", {"a": a, "b": b}, ("difference", "subtract", "a b"), *found)


NEAR, FAR = ("use_mm_for_euclid_dist", 1), ("donot_use_mm_for_euclid_dist", 2)
"""PyTorch's names and numbers for distances by a matrix product, and by their definition."""

MOST_ROWS = 25
"""Up to so many rows PyTorch takes distances by their definition."""


@reads("cdist")
def cdist(_: Seen, a: Tensor, b: Tensor, p: float = 2.0, compute_mode: Any = None) -> Call:
    """Read it as the length of each difference of a row of a and one of b, or by a product."""
    is_far = compute_mode in FAR or p != EUCLIDEAN
    if not is_far and (max(a.shape[-2], b.shape[-2]) > MOST_ROWS or compute_mode in NEAR):
        return Call("distances", (a, b), own=OWN["distances"])
    rows, columns = (..., slice(None), None, slice(None)), (..., None, slice(None), slice(None))
    return lengths("cdist", (a, rows), (b, columns), p)


@reads("pdist")
def pdist(_: Seen, x: Tensor, p: float = 2.0) -> Call:
    """Read it as the length of each difference of two rows."""
    first, second = np.triu_indices(len(x), 1)
    return lengths("pdist", (x, first), (x, second), p)


def lengths(name: str, a: tuple[Tensor, Any], b: tuple[Tensor, Any], p: float) -> Call:
    """Return the call of the lengths of differences of rows; each: an array, and an index of it."""
    (x, rows), (y, columns) = a, b
    p = order(p, x.detach()[rows] - y.detach()[columns], -1)
    return steps(
        name,
        {"a": x, "b": y},
        ("rows", "slice", "a", {"index": rows}),
        ("columns", "slice", "b", {"index": columns}),
        ("difference", "subtract", "rows columns"),
        *length(p, "difference", "length", {"axis": -1}),
    )
