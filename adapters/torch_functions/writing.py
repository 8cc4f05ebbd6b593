"""Writing over entries, adding to them, and reducing them with others, by an index."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    along,
    array,
    made_of,
    number,
    reads,
    steps,
)
from backproof.adapters.torch_functions.indexing import at_along, index_of, place
from backproof.adapters.torch_functions.numbers import as_vectors
from backproof.reference.ops.cast import cast
from backproof.reference.ops.factors import product
from backproof.reference.ops.indexing import at, moved


@reads("setitem")
def setitem(_: Seen, x: Tensor, index: Any, values: Any) -> Call:
    return put(x, index_of(x, index), values)


def put(x: Tensor, index: Any, values: Any) -> Call:
    """Return the call that writes values over entries. Raises NotKnown where one is named twice.

    One number may be written over an entry as often as one likes, where it is a constant.
    """
    places = np.arange(x.numel()).reshape(tuple(x.shape))[index]
    if len(np.unique(places)) != np.size(places):
        if getattr(values, "requires_grad", False) or np.ndim(values):
            raise NotKnown("an index that names an entry twice")
        index = at(index, tuple(x.shape))
    return Call("put", (x, number(values)), {"index": index})


@reads("index_put")
def index_put(
    _: Seen, input: Tensor, indices: Any, values: Tensor, accumulate: bool = False
) -> Call:
    index = tuple(slice(None) if one is None else place(one) for one in indices)
    if accumulate:
        return Call("add_at", (input, values), {"index": index})
    return put(input, index, values)


@reads("put")
@as_vectors
def put_(_: Seen, input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Call:
    """Read it as writing to the entries as they stand in one row."""
    where = np.unravel_index(array(index) % input.numel(), tuple(input.shape))
    if accumulate:
        return Call("add_at", (input, source), {"index": where})
    return put(input, where, source)


@reads("diagonal_scatter")
def diagonal_scatter(
    _: Seen, input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Call:
    places = moved(tuple(input.shape), lambda a: np.diagonal(a, offset, dim1, dim2))
    return put(input, places, src)


@reads("select_scatter")
def select_scatter(_: Seen, input: Tensor, src: Tensor, dim: int, index: int) -> Call:
    return put(input, along(input, dim, int(index)), src)


@reads("slice_scatter")
def slice_scatter(
    _: Seen,
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Call:
    return put(input, along(input, dim, slice(start, end, step)), src)


@reads("index_add")
@as_vectors
def index_add(
    _: Seen, input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Call:
    places = {"index": along(input, dim, array(index))}
    if alpha == 1:
        return Call("add_at", (input, source), places)
    scaled = ("scale", (1,), {"factor": float(alpha)})
    return made_of("index_add", (input, source), scaled, ("add_at", (0, -1), places))


@reads("index_copy")
@as_vectors
def index_copy(_: Seen, input: Tensor, dim: int, index: Tensor, source: Tensor) -> Call:
    return put(input, along(input, dim, array(index)), source)


@reads("index_fill")
@as_vectors
def index_fill(_: Seen, input: Tensor, dim: int, index: Tensor, value: Any) -> Call:
    written = at(along(input, dim, array(index)), tuple(input.shape))
    return Call("put", (input, number(value)), {"index": written})


@reads("scatter")
@as_vectors
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
    return put(input, at_along(index, dim), value if src is None else part(src, index))


def part(source: Any, index: Tensor) -> Any:
    """Return the part of a source that an index has places for.

    PyTorch differentiates none that has more entries.
    """
    if not isinstance(source, torch.Tensor) or source.shape == index.shape:
        return source
    return source.detach()[tuple(map(slice, index.shape))]


# Reductions of an entry and of what is added to it.


@reads("scatter_add")
@as_vectors
def scatter_add(seen: Seen, input: Tensor, dim: int, index: Tensor, src: Tensor) -> Call:
    return reduced(seen, input, at_along(index, dim), part(src, index), "sum", is_one=True)


@reads("scatter_reduce")
@as_vectors
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
    return reduced(seen, input, at_along(index, dim), part(src, index), reduce, is_one=include_self)


@reads("index_reduce")
@as_vectors
def index_reduce(
    seen: Seen,
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Call:
    return reduced(
        seen, input, along(input, dim, array(index)), source, reduce, is_one=include_self
    )


def reduced(
    seen: Seen, x: Tensor, index: Any, source: Tensor, reduce: str, *, is_one: bool
) -> Call:
    """Return the call that reduces entries with those of a source that an index sends there.

    is_one: whether the entry itself is one of those that are reduced. Raises NotKnown where it is
    not, but is equal to the largest of them: PyTorch takes a share from that one all the same.
    """
    is_equal = array(x == seen.result)[index]
    if not is_one and reduce in ("amax", "amin") and is_equal.any():
        raise NotKnown("an entry equal to what is written over it, which PyTorch counts as well")
    shape = tuple(x.shape)
    to = np.arange(x.numel()).reshape(shape)[index]
    if reduce == "sum" and is_one:
        return Call("add_at", (x, source), {"index": index})
    if reduce not in ("sum", "mean"):
        return steps("reduce", {"x": x, "source": source}, *by_counts(x, to, reduce, is_one))
    counts = np.bincount(to.ravel(), minlength=x.numel()).reshape(shape) + is_one
    mask = at(index, shape) & (not is_one)
    mean = [("mean", "divide", "sum counts")] if reduce == "mean" else []
    return steps(
        "reduce",
        {"x": x, "source": source, "counts": np.maximum(counts, 1)},
        ("left", "masked_fill", "x", {"mask": mask, "value": 0}),
        ("sum", "add_at", "left source", {"index": index}),
        *mean,
    )


KINDS = {"prod": ("product", product), "amax": ("max", None), "amin": ("min", None)}
"""PyTorch's names of reductions -> an op along an axis, and the op where it is one of its own."""


def by_counts(x: Tensor, to: Any, reduce: str, is_one: bool) -> Iterator[Step]:
    """Yield the steps of a reduction: rows of equally many entries are reduced at once.

    to: the place in x, as one row, to which each entry of the source is sent.
    """
    op, own = KINDS[reduce]
    row = {"shape": (-1,)}
    yield "own", "reshape", "x", row
    yield "others", "reshape", "source", row
    yield "every", "concatenate", "own others", {"axis": 0}
    own_places = np.arange(x.numel())
    used = own_places if is_one else np.setdiff1d(own_places, to)
    places = np.concatenate([used, to.ravel()])
    entries = np.concatenate([used, x.numel() + np.arange(to.size)])
    order = entries[np.argsort(places, kind="stable")]
    counts = np.bincount(places)
    ends, last = np.cumsum(counts), "own"
    for n in np.unique(counts).tolist():
        rows = order[ends[counts == n][:, None] - n + np.arange(n)]
        yield f"rows{n}", "slice", "every", {"index": rows}
        yield f"y{n}", op, f"rows{n}", {"axis": 1}, own
        yield f"x{n}", "put", f"{last} y{n}", {"index": counts == n}
        last = f"x{n}"
    yield "y", "reshape", last, {"shape": tuple(x.shape)}


# From a mask, and of all entries.


@reads("masked_scatter")
def masked_scatter(_: Seen, input: Tensor, mask: Tensor, source: Tensor) -> Call:
    shape = np.broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    where = array(mask.expand(shape))
    return made_of(
        *("masked_scatter", (input, source)),
        ("reshape", (1,), {"shape": (-1,)}),
        ("slice", (-1,), {"index": slice(0, int(where.sum()))}),
        ("expand", (0,), {"shape": shape}),
        ("put", (-1, -2), {"index": where}),
    )


@reads("copy")
def copy(_: Seen, input: Tensor, src: Tensor, non_blocking: bool = False) -> Call:
    if input.shape == src.shape:
        return Call("cast", (src,), own=cast)
    return Call("expand", (src,), {"shape": tuple(input.shape)})
