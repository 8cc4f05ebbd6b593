"""Taking entries out by an index."""

from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    along,
    array,
    entries,
    made_of,
    reads,
)
from backproof.adapters.torch_functions.numbers import as_vectors


def index_of(x: Tensor, index: Any) -> tuple[Any, ...]:
    """Return an index of x, between brackets, as NumPy takes it.

    To NumPy an integer beside an array is an array too, to PyTorch it is not, so that the axes of
    the result stand in another order. And PyTorch takes some lists for tuples. So PyTorch itself
    says which entries these are.
    """
    is_list = isinstance(index, list) and not all(isinstance(one, int) for one in index)
    found = tuple(map(place, index if is_list or isinstance(index, tuple) else (index,)))
    if is_list or (any(isinstance(one, int) for one in found) and any(map(is_array, found))):
        places = torch.arange(x.numel(), device=x.device).view(tuple(x.shape))[index]
        return np.unravel_index(array(places), tuple(x.shape))
    return found


def is_array(one: Any) -> bool:
    """Return whether a part of an index is an array."""
    return isinstance(one, np.ndarray)


def place(one: Any) -> Any:
    """Return one part of an index as NumPy takes it. Raises NotKnown."""
    if isinstance(one, slice):
        return slice(*(None if n is None else int(n) for n in (one.start, one.stop, one.step)))
    if one is None or one is Ellipsis or (isinstance(one, int) and not isinstance(one, bool)):
        return one
    if isinstance(one, torch.Tensor) and one.dtype != torch.uint8:
        a = array(one)
        return int(a) if a.ndim == 0 and a.dtype.kind == "i" else a
    if isinstance(one, list | tuple | range | np.ndarray):
        return np.asarray(one)
    raise NotKnown(f"an index that is a {type(one).__name__}")


def at_along(index: Tensor, dim: int) -> tuple[Any, ...]:
    """Return the index of entries (index's shape) that it names along one axis."""
    places = [*np.indices(tuple(index.shape), sparse=True)]
    places[dim % index.dim()] = array(index)
    return tuple(places)


def taken(x: Tensor, dim: int, index: Tensor) -> Call:
    """Return the call that takes the entries that an index names along one axis."""
    return Call("slice", (x,), {"index": at_along(index, dim)})


@reads("getitem")
def getitem(_: Seen, x: Tensor, index: Any) -> Call:
    return Call("slice", (x,), {"index": index_of(x, index)})


@reads("gather")
@as_vectors
def gather(_: Seen, input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Call:
    return taken(input, dim, index)


@reads("take_along_dim")
@as_vectors
def take_along_dim(_: Seen, input: Tensor, indices: Tensor, dim: int | None = None) -> Call:
    if dim is None:
        return entries(input, lambda a: np.take(a, array(indices).ravel()))
    others = [[*t.shape] for t in (input, indices)]
    for shape in others:
        shape[dim] = 1
    whole, places = ([*np.broadcast_shapes(*map(tuple, others))] for _ in range(2))
    whole[dim], places[dim] = input.shape[dim], indices.shape[dim]
    return expanded(input, whole, at_along(indices.expand(places), dim))


def expanded(x: Tensor, shape: Any, index: Any) -> Call:
    """Return the call that takes entries of x when it is expanded to a shape."""
    if x.shape == tuple(shape):
        return Call("slice", (x,), {"index": index})
    whole = ("expand", (0,), {"shape": tuple(shape)})
    return made_of("take", (x,), whole, ("slice", (-1,), {"index": index}))


@reads("index_select")
@as_vectors
def index_select(_: Seen, input: Tensor, dim: int, index: Tensor) -> Call:
    return Call("slice", (input,), {"index": along(input, dim, array(index))})


@reads("masked_select")
def masked_select(_: Seen, input: Tensor, mask: Tensor) -> Call:
    shape = np.broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    return expanded(input, shape, array(mask.expand(shape)))


@reads("select")
def select(_: Seen, x: Tensor, dim: int, index: int) -> Call:
    return Call("slice", (x,), {"index": along(x, dim, int(index))})


@reads("narrow")
def narrow(_: Seen, x: Tensor, dim: int, start: int, length: int) -> Call:
    first = int(start) + (x.shape[dim] if start < 0 else 0)
    return Call("slice", (x,), {"index": along(x, dim, slice(first, first + length))})


@reads("embedding_bag")
def embedding_bag(
    seen: Seen,
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Call:
    """Read it as the sum or mean of rows, each of which is added to its bag; or as the largest."""
    if max_norm is not None or scale_grad_by_freq:
        raise NotKnown("max_norm or scale_grad_by_freq")
    n, ids = len(seen.result), array(input).ravel()
    if offsets is None:
        bags = np.repeat(np.arange(n), len(ids) // n)
    else:
        bags = np.searchsorted(array(offsets)[:n], np.arange(len(ids)), side="right") - 1
    kept = np.flatnonzero(ids != (-1 if padding_idx is None else padding_idx % len(weight)))
    ids, bags = ids[kept], bags[kept]
    if mode == "max":
        return largest_in_bags(weight, ids, bags, n)
    zeros = np.zeros((n, weight.shape[1]), dtype=np.float32)
    found: list[Any] = [("slice", (0,), {"index": (ids,)})]
    tensors: list[Any] = [weight, zeros]
    if per_sample_weights is not None:
        tensors.append(per_sample_weights)
        index = (*np.unravel_index(kept, tuple(input.shape)), None)
        found += [("slice", (2,), {"index": index}), ("multiply", (-2, -1))]
    found.append(("add_at", (1, -1), {"index": (bags,)}))
    if mode == "mean":
        sizes = np.maximum(np.bincount(bags, minlength=n), 1)[:, None]
        tensors.append(sizes.astype(np.float32))
        found.append(("divide", (-1, 2)))
    return made_of("embedding_bag", tensors, *found)


def largest_in_bags(weight: Tensor, ids: Any, bags: Any, n: int) -> Call:
    """Return the call that takes the largest entry of each column in each bag; the first of equal.

    Raises NotKnown for a bag of nothing.
    """
    rows = [ids[bags == bag] for bag in range(n)]
    if not all(map(len, rows)):
        raise NotKnown("an empty bag")
    W = weight.detach().double().cpu().numpy()
    largest = np.stack([own[np.argmax(W[own], axis=0)] for own in rows])
    return Call("slice", (weight,), {"index": (largest, np.arange(weight.shape[1]))})


@reads("embedding")
def embedding(
    seen: Seen,
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Call:
    if max_norm is not None or scale_grad_by_freq:
        raise NotKnown("max_norm or scale_grad_by_freq")
    options = {"index": array(input)}
    none = -1 if seen.function is torch.embedding else None
    if padding_idx not in (none, None):
        options["padding_index"] = padding_idx % len(weight)
    return Call("embedding", (weight,), options)
