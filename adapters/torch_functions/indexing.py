"""Taking entries out by an index, adding at one, and writing over what is there."""

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
    made_of,
    number,
    reads,
)
from backproof.reference.ops.cast import cast


def index_of(x: Tensor, index: Any) -> tuple[Any, ...]:
    """Return an index of x, between brackets, as NumPy takes it.

    To NumPy an integer beside an array is an array too, to PyTorch it is not, so that the axes of
    the result stand in another order. So PyTorch itself says which entries these are.
    """
    found = tuple(map(place, index if isinstance(index, tuple) else (index,)))
    if any(isinstance(one, int) for one in found) and any(map(is_array, found)):
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
    if isinstance(one, list | range | np.ndarray):
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


@reads("setitem")
def setitem(_: Seen, x: Tensor, index: Any, values: Any) -> Call:
    return put(x, index_of(x, index), values)


def put(x: Tensor, index: Any, values: Any) -> Call:
    """Return the call that writes values over entries. Raises NotKnown where one is named twice."""
    places = np.arange(x.numel()).reshape(tuple(x.shape))[index]
    if len(np.unique(places)) != np.size(places):
        raise NotKnown("an index that names an entry twice")
    return Call("put", (x, number(values)), {"index": index})


@reads("index_put")
def index_put(
    _: Seen,
    input: Tensor,
    indices: Any,
    values: Tensor,
    accumulate: bool = False,
) -> Call:
    index = tuple(slice(None) if one is None else place(one) for one in indices)
    if accumulate:
        return Call("add_at", (input, values), {"index": index})
    return put(input, index, values)


@reads("gather")
def gather(
    _: Seen,
    input: Tensor,
    dim: int,
    index: Tensor,
    *,
    sparse_grad: bool = False,
) -> Call:
    return taken(input, dim, index)


@reads("take_along_dim")
def take_along_dim(_: Seen, input: Tensor, indices: Tensor, dim: int | None = None) -> Call:
    if dim is None:
        raise NotKnown("dim=None")
    others = [[*t.shape] for t in (input, indices)]
    for shape in others:
        shape[dim] = 1
    whole, places = ([*np.broadcast_shapes(*map(tuple, others))] for _ in range(2))
    whole[dim], places[dim] = input.shape[dim], indices.shape[dim]
    index = {"index": at_along(indices.expand(places), dim)}
    if whole == [*input.shape]:
        return Call("slice", (input,), index)
    expanded = ("expand", (0,), {"shape": tuple(whole)})
    return made_of("take_along_dim", (input,), expanded, ("slice", (-1,), index))


@reads("index_select")
def index_select(_: Seen, input: Tensor, dim: int, index: Tensor) -> Call:
    return Call("slice", (input,), {"index": along(input, dim, array(index))})


@reads("masked_select")
def masked_select(_: Seen, input: Tensor, mask: Tensor) -> Call:
    return Call("slice", (input,), {"index": array(mask.expand_as(input))})


@reads("select")
def select(_: Seen, x: Tensor, dim: int, index: int) -> Call:
    return Call("slice", (x,), {"index": along(x, dim, int(index))})


@reads("narrow")
def narrow(_: Seen, x: Tensor, dim: int, start: int, length: int) -> Call:
    return Call("slice", (x,), {"index": along(x, dim, slice(int(start), int(start) + length))})


@reads("index_add")
def index_add(
    _: Seen,
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: float = 1,
) -> Call:
    if alpha != 1:
        raise NotKnown(f"alpha={alpha}")
    return Call("add_at", (input, source), {"index": along(input, dim, array(index))})


@reads("index_copy")
def index_copy(_: Seen, input: Tensor, dim: int, index: Tensor, source: Tensor) -> Call:
    return put(input, along(input, dim, array(index)), source)


@reads("index_fill")
def index_fill(_: Seen, input: Tensor, dim: int, index: Tensor, value: Any) -> Call:
    return put(input, along(input, dim, array(index)), value)


@reads("scatter_add")
def scatter_add(_: Seen, input: Tensor, dim: int, index: Tensor, src: Tensor) -> Call:
    return Call("add_at", (input, src), {"index": at_along(index, dim)})


@reads("scatter_reduce")
def scatter_reduce(
    seen: Seen,
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Call:
    if reduce != "sum" or not include_self:
        raise NotKnown(f"reduce={reduce!r}, include_self={include_self}")
    return scatter_add(seen, input, dim, index, src)


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
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotKnown("max_norm, scale_grad_by_freq or sparse")
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


@reads("scatter")
def scatter(
    _: Seen,
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
) -> Call:
    if reduce is not None:
        raise NotKnown(f"reduce={reduce!r}")
    return put(input, at_along(index, dim), value if src is None else src)


@reads("masked_scatter")
def masked_scatter(_: Seen, input: Tensor, mask: Tensor, source: Tensor) -> Call:
    at = array(mask.expand_as(input))
    flat = ("reshape", (1,), {"shape": (-1,)})
    first = ("slice", (-1,), {"index": slice(0, int(at.sum()))})
    return made_of("masked_scatter", (input, source), flat, first, ("put", (0, -1), {"index": at}))


@reads("copy")
def copy(_: Seen, input: Tensor, src: Tensor, non_blocking: bool = False) -> Call:
    if input.shape == src.shape:
        return Call("cast", (src,), own=cast)
    return Call("expand", (src,), {"shape": tuple(input.shape)})


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
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotKnown("max_norm, scale_grad_by_freq or sparse")
    options = {"index": array(input)}
    none = -1 if seen.function is torch.embedding else None
    if padding_idx not in (none, None):
        options["padding_index"] = padding_idx % len(weight)
    return Call("embedding", (weight,), options)
