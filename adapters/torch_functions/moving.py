"""Moving entries, which rounds nothing: shapes, axes, parts, copies, padding."""

from collections.abc import Sequence
from itertools import combinations as distinct
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from backproof.adapters.torch_functions.blocks import blocks
from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    along,
    array,
    entries,
    made_of,
    name_of,
    reads,
)
from backproof.adapters.torch_functions.numbers import as_vectors
from backproof.reference.ops.indexing import moved

# Shapes and axes.


@reads("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as")
@reads("ravel", "unsafe_view", "expand_dims")
def reshape(seen: Seen, x: Tensor, *_: Any, **__: Any) -> Call:
    if seen.result.dtype != x.dtype:
        raise NotKnown("dtype")
    return Call("reshape", (x,), {"shape": tuple(seen.result.shape)})


@reads("transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "t", "T", "mT")
@reads("adjoint", "H", "mH")
def transpose(seen: Seen, x: Tensor, *arguments: Any, **named: Any) -> Call:
    other = torch.empty(tuple(range(x.dim())), device="meta")  # axis i has size i
    axes = tuple(seen.function(other, *arguments, **named).shape)
    return Call("transpose", (x,), {"axes": axes})


@reads("sum_to_size")
def sum_to_size(seen: Seen, x: Tensor, *_: Any, size: Any = ()) -> Call:
    """Read it as the sum over the axes along which the result would be expanded to x."""
    shape = tuple(seen.result.shape)
    whole = (1,) * (x.dim() - len(shape)) + shape
    axes = tuple(i for i, n in enumerate(whole) if n == 1 != x.shape[i])
    added = ("sum", (0,), {"axis": axes, "keepdims": True})
    return made_of("sum_to_size", (x,), added, ("reshape", (-1,), {"shape": shape}))


# Parts.


@reads("split", "chunk", "split_with_sizes", "unsafe_split", "unsafe_chunk")
@reads("unsafe_split_with_sizes")
def split(seen: Seen, x: Tensor, _: Any = None, dim: int = 0, **named: Any) -> list[Call]:
    ends = np.cumsum([part.shape[dim] for part in seen.result])
    return cut(x, ends[:-1], dim)


def cut(x: Tensor, at: Any, dim: int) -> list[Call]:
    """Return the parts of x between places along an axis, or so many equal ones."""
    places = np.array_split(np.arange(x.shape[dim]), at)
    parts = [slice(int(part[0]), int(part[-1]) + 1) if part.size else slice(0) for part in places]
    return [Call("slice", (x,), {"index": along(x, dim, part)}) for part in parts]


@reads("tensor_split")
def tensor_split(_: Seen, x: Tensor, indices_or_sections: Any, dim: int = 0) -> list[Call]:
    at = indices_or_sections
    return cut(x, array(at) if isinstance(at, torch.Tensor) else at, dim)


@reads("hsplit")
def hsplit(_: Seen, x: Tensor, indices_or_sections: Any) -> list[Call]:
    return cut(x, indices_or_sections, min(x.dim() - 1, 1))


@reads("vsplit")
def vsplit(_: Seen, x: Tensor, indices_or_sections: Any) -> list[Call]:
    return cut(x, indices_or_sections, 0)


@reads("dsplit")
def dsplit(_: Seen, x: Tensor, indices_or_sections: Any) -> list[Call]:
    return cut(x, indices_or_sections, 2)


@reads("unbind")
def unbind(_: Seen, x: Tensor, dim: int = 0) -> list[Call]:
    return [Call("slice", (x,), {"index": along(x, dim, i)}) for i in range(x.shape[dim])]


@reads("rot90")
def rot90(_: Seen, input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Call:
    first, second = dims
    return entries(input, lambda a: np.rot90(a, k, (first, second)))


@reads("take")
def take(_: Seen, input: Tensor, index: Tensor) -> Call:
    return entries(input, lambda a: np.take(a, array(index)))


@reads("diagonal")
def diagonal(_: Seen, input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Call:
    return entries(input, lambda a: np.diagonal(a, offset, dim1, dim2))


@reads("diag")
def diag(seen: Seen, input: Tensor, diagonal: int = 0) -> Call:
    """Read it as the entries of a diagonal, or of a vector as `diagflat`."""
    if input.dim() == 1:
        return diagflat(seen, input, diagonal)
    return entries(input, lambda a: np.diagonal(a, diagonal))


def in_zeros(seen: Seen, input: Tensor, move: Any, *before: Any) -> Call:
    """Return the call that puts entries where a function of NumPy's would take them from."""
    zeros = np.zeros(tuple(seen.result.shape), np.float32)
    at = {"index": moved(zeros.shape, move)}
    return made_of("diagonal", (input, zeros), *before, ("put", (1, -1 if before else 0), at))


@reads("diagflat")
def diagflat(seen: Seen, input: Tensor, offset: int = 0) -> Call:
    flat = ("reshape", (0,), {"shape": (-1,)})
    return in_zeros(seen, input, lambda a: np.diagonal(a, offset), flat)


@reads("diag_embed")
def diag_embed(seen: Seen, input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Call:
    return in_zeros(seen, input, lambda a: np.diagonal(a, offset, dim1, dim2))


@reads("kron")
def kron(seen: Seen, input: Tensor, other: Tensor) -> Call:
    """Read it as the product of each entry with each, in blocks."""
    if input.dim() != other.dim():
        raise NotKnown("operands of several numbers of axes")
    outer, inner = ((slice(None), None) * input.dim(), (None, slice(None)) * input.dim())
    return made_of(
        *("kron", (input, other)),
        ("slice", (0,), {"index": outer}),
        ("slice", (1,), {"index": inner}),
        ("multiply", (-2, -1)),
        ("reshape", (-1,), {"shape": tuple(seen.result.shape)}),
    )


@reads("unfold", "im2col")
def unfold(seen: Seen, x: Tensor, *arguments: Any, **named: Any) -> Call:
    """Read it; F.unfold, which takes blocks out of images, has the name of another function."""
    is_block = seen.function is F.unfold or name_of(seen.function) == "im2col"
    return (blocks if is_block else windows)(seen, x, *arguments, **named)


@as_vectors
def windows(_: Seen, x: Tensor, dimension: int, size: int, step: int) -> Call:
    """Read x.unfold: windows of a size along one axis, at the end."""
    view, axis = np.lib.stride_tricks.sliding_window_view, dimension % x.dim()
    starts = along(x, axis, slice(None, None, step))
    return entries(x, lambda a: view(a, size, axis)[starts])


# Copies of entries, and other orders.


@reads("expand", "expand_as", "broadcast_to")
def expand(seen: Seen, x: Tensor, *_: Any, **__: Any) -> Call:
    return Call("expand", (x,), {"shape": tuple(seen.result.shape)})


@reads("repeat", "tile")
def repeat(_: Seen, input: Tensor, *times: Any, **named: Any) -> Call:
    sizes = (*named.values(), *times)
    counts = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    return entries(input, lambda a: np.tile(a, tuple(counts)))


@reads("repeat_interleave")
def repeat_interleave(
    _: Seen, input: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None
) -> Call:
    times = array(repeats) if torch.is_tensor(repeats) else repeats
    return entries(input, lambda a: np.repeat(a, times, dim))


@reads("roll")
def roll(_: Seen, input: Tensor, shifts: Any, dims: Any = None) -> Call:
    return entries(input, lambda a: np.roll(a, shifts, dims or None if dims == () else dims))


@reads("flip")
def flip(_: Seen, input: Tensor, *each: Any, dims: Any = ()) -> Call:
    over = np.ravel(each or dims).astype(int)
    return entries(input, lambda a: np.flip(a, tuple(over.tolist())))


@reads("fliplr")
def fliplr(_: Seen, input: Tensor) -> Call:
    return entries(input, np.fliplr)


@reads("flipud")
def flipud(_: Seen, input: Tensor) -> Call:
    return entries(input, np.flipud)


@reads("fft_fftshift")
def fftshift(_: Seen, input: Tensor, dim: Any = None) -> Call:
    return entries(input, lambda a: np.fft.fftshift(a, dim))


@reads("fft_ifftshift")
def ifftshift(_: Seen, input: Tensor, dim: Any = None) -> Call:
    return entries(input, lambda a: np.fft.ifftshift(a, dim))


@reads("combinations")
def combinations(_: Seen, input: Tensor, r: int = 2, with_replacement: bool = False) -> Call:
    which = combinations_with_replacement if with_replacement else distinct
    return entries(input, lambda a: np.array([*which(a, r)], int).reshape(-1, r))


INSIDE = {
    "reflect": lambda i, n: n - 1 - np.abs(n - 1 - np.abs(i)),
    "replicate": lambda i, n: np.clip(i, 0, n - 1),
}
"""PyTorch's mode of padding -> the place, of n along an axis, whose entry is at place i."""


@reads("pad")
def padded(
    _: Seen, input: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None
) -> Call:
    pairs = [*zip(pad[::2], pad[1::2], strict=True)][::-1]
    width = tuple([(0, 0)] * (input.dim() - len(pairs)) + pairs)
    added = tuple((max(a, 0), max(b, 0)) for a, b in width)
    cut = tuple(slice(max(-a, 0), min(b, 0) or None) for a, b in width)
    if mode != "constant":
        if mode == "circular":
            return entries(input, lambda a: np.pad(a[cut], added, mode="wrap"))
        sides = zip(input.shape, width, strict=True)
        places = [INSIDE[mode](np.arange(-a, n + b), n) for n, (a, b) in sides]
        return Call("slice", (input,), {"index": np.ix_(*places)})
    options = {"width": added} | ({"value": float(value)} if value else {})
    if added == width:
        return Call("pad", (input,), options)
    return made_of("pad", (input,), ("pad", (0,), options), ("slice", (-1,), {"index": cut}))


@reads("constant_pad_nd")
def constant_pad(seen: Seen, input: Tensor, pad: Sequence[int], value: Any = None) -> Call:
    return padded(seen, input, pad, value=value)
