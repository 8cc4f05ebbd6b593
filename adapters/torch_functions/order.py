"""The largest and smallest of several entries, and those of any other rank."""

from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    array,
    axes_of,
    made_of,
    reads,
)
from backproof.adapters.torch_functions.numbers import as_vectors


def ordered(t: Tensor) -> Any:
    """Return the entries of a tensor, in float64. Raises NotKnown for NaN, which has no order."""
    if t.isnan().any():
        raise NotKnown("NaN")
    return t.detach().double().cpu().numpy()


@reads("max", "amax")
@as_vectors
def max_(seen: Seen, input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, torch.Tensor):
        return Call("maximum", (input, dim))
    if isinstance(seen.result, tuple):  # with an index, which of equal entries it is
        return chosen(input, seen.result, dim, np.max(ordered(input), dim), "the largest")
    return Call("max", (input,), {"axis": axes_of(dim), "keepdims": keepdim})


@reads("min", "amin")
@as_vectors
def min_(seen: Seen, input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    if isinstance(dim, torch.Tensor):
        return Call("minimum", (input, dim))
    if isinstance(seen.result, tuple):  # with an index, which of equal entries it is
        return chosen(input, seen.result, dim, np.min(ordered(input), dim), "the smallest")
    return Call("min", (input,), {"axis": axes_of(dim), "keepdims": keepdim})


@reads("aminmax")
def aminmax(seen: Seen, input: Tensor, *, dim: Any = None, keepdim: bool = False) -> list[Call]:
    least, most = (Seen(seen.function, t) for t in seen.result)
    return [min_(least, input, dim, keepdim), max_(most, input, dim, keepdim)]


@reads("fmax")
def fmax(_: Seen, input: Tensor, other: Tensor) -> Call:
    """Read it as `maximum`, of numbers that are no NaN."""
    ordered(input + other)
    return Call("maximum", (input, other))


@reads("fmin")
def fmin(_: Seen, input: Tensor, other: Tensor) -> Call:
    ordered(input + other)
    return Call("minimum", (input, other))


# Entries by an index that the call returns: it is an integer, and not differentiated.


def chosen(x: Tensor, found: Any, dim: int, right: Any, which: str) -> Call:
    """Return the call that takes values out of x by their index along an axis, which may be gone.

    found: values and index. Raises NotKnown where the values are not the right ones.
    """
    values, index = found
    if not np.array_equal(np.reshape(right, tuple(values.shape)), ordered(values)):
        raise NotKnown(f"values that are not {which}")
    places = [*np.indices(tuple(index.shape), sparse=True)]
    axis = dim % x.dim()
    places[axis : axis + index.dim() - x.dim() + 1] = [array(index)]
    return Call("slice", (x,), {"index": (*places,)})


def by_rank(x: Tensor, dim: int, ranks: Any) -> Any:
    """Return the entries of some ranks along an axis, from the smallest on."""
    return np.take(np.sort(ordered(x), dim), ranks, dim)


@reads("topk")
@as_vectors
def topk(
    seen: Seen, input: Tensor, k: int, dim: int = -1, largest: bool = True, *_: Any, **__: Any
) -> Call:
    """Read it as an index. Raises NotKnown where two of the values are the same entry."""
    values, index = seen.result
    if not np.diff(np.sort(array(index), dim), axis=dim).all():
        raise NotKnown("an index that names an entry twice")
    order, n = values.detach().argsort(dim), input.shape[dim]
    right = np.empty(tuple(values.shape))
    ranks = range(n - k, n) if largest else range(k)
    np.put_along_axis(right, array(order), by_rank(input, dim, ranks), dim)
    return chosen(input, (values, index), dim, right, "the largest or smallest")


@reads("sort")
@as_vectors
def sort(
    seen: Seen, input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> Call:
    index = np.sort(array(seen.result[1]), dim)
    if not (np.diff(index, axis=dim) == 1).all():
        raise NotKnown("an index that names an entry twice")
    ranks = range(input.shape[dim])[:: -1 if descending else 1]
    return chosen(input, seen.result, dim, by_rank(input, dim, ranks), "in order")


@reads("msort")
@as_vectors
def msort(seen: Seen, input: Tensor) -> Call:
    """Read it as `sort`, whose index it does not return."""
    index = input.detach().sort(0).indices
    right = by_rank(input, 0, range(len(input)))
    return chosen(input, (seen.result, index), 0, right, "in order")


@reads("kthvalue")
@as_vectors
def kthvalue(seen: Seen, input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Call:
    return chosen(input, seen.result, dim, by_rank(input, dim, [k - 1]), f"of rank {k}")


@reads("median", "nanmedian")
@as_vectors
def median(seen: Seen, input: Tensor, dim: int | None = None, keepdim: bool = False) -> Call:
    """Read it as the middle entry, the smaller of two; without an axis, as one of its equals."""
    if dim is not None:
        rank = (input.shape[dim] - 1) // 2
        return chosen(input, seen.result, dim, by_rank(input, dim, [rank]), "the medians")
    middle = by_rank(input.flatten(), 0, (input.numel() - 1) // 2)
    equal = {"index": ordered(input) == middle}
    return made_of("median", (input,), ("slice", (0,), equal), ("max", (-1,)))


@reads("mode")
@as_vectors
def mode(seen: Seen, input: Tensor, dim: int = -1, keepdim: bool = False) -> Call:
    rows = ordered(input.movedim(dim, -1))
    counts = np.sum(rows[..., None] == rows[..., None, :], -1)
    most = np.max(np.where(counts == counts.max(-1, keepdims=True), -rows, -np.inf), -1)
    return chosen(input, seen.result, dim, -most, "the most frequent, or not the smallest of them")


@reads("cummax")
@as_vectors
def cummax(seen: Seen, input: Tensor, dim: int) -> Call:
    right = np.maximum.accumulate(ordered(input), dim)
    return chosen(input, seen.result, dim, right, "the largest so far")


@reads("cummin")
@as_vectors
def cummin(seen: Seen, input: Tensor, dim: int) -> Call:
    right = np.minimum.accumulate(ordered(input), dim)
    return chosen(input, seen.result, dim, right, "the smallest so far")
