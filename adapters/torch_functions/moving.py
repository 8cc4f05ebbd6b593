"""Moving entries, which rounds nothing: shapes, axes, parts, copies, padding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    along,
    array,
    made_of,
    reads,
)
from backproof.reference.ops.indexing import moved


def entries(x: Tensor, move: Any) -> Call:
    """Return the call that moves the entries of x as a function of NumPy's moves them."""
    return Call("slice", (x,), {"index": moved(tuple(x.shape), move)})


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


# Parts.


@reads("split", "chunk", "split_with_sizes", "tensor_split", "unsafe_split", "unsafe_chunk")
def split(seen: Seen, x: Tensor, _: Any = None, dim: int = 0, **named: Any) -> list[Call]:
    found, start = [], 0
    for part in seen.result:
        end = start + part.shape[dim]
        found.append(Call("slice", (x,), {"index": along(x, dim, slice(start, end))}))
        start = end
    return found


@reads("unbind")
def unbind(_: Seen, x: Tensor, dim: int = 0) -> list[Call]:
    return [Call("slice", (x,), {"index": along(x, dim, i)}) for i in range(x.shape[dim])]


@reads("meshgrid")
def meshgrid(_: Seen, *tensors: Any, indexing: str = "ij") -> list[Call]:
    parts = tensors[0] if len(tensors) == 1 and not torch.is_tensor(tensors[0]) else tensors
    grid: Any = np.meshgrid
    places = grid(*(np.arange(len(x)) for x in parts), indexing=indexing)
    return [Call("slice", (x,), {"index": at}) for x, at in zip(parts, places, strict=True)]


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
    """Read it as the entries of a diagonal, or of a vector as `diag_embed`."""
    if input.dim() == 1:
        return diag_embed(seen, input, diagonal)
    return entries(input, lambda a: np.diagonal(a, diagonal))


@reads("diag_embed")
def diag_embed(seen: Seen, input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Call:
    """Read it as adding to zeros along a diagonal of the last two axes."""
    if (dim1, dim2) != (-2, -1):
        raise NotKnown(f"dim1={dim1}, dim2={dim2}")
    rows = np.arange(input.shape[-1])
    at = (..., rows + max(-offset, 0), rows + max(offset, 0))
    zeros = np.zeros(tuple(seen.result.shape), dtype=np.float32)
    return made_of("diag", (zeros, input), ("add_at", (0, 1), {"index": at}))


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
    return (blocks if seen.function in BLOCKS else windows)(seen, x, *arguments, **named)


BLOCKS = (F.unfold, torch._C._nn.im2col)  # noqa: SLF001 F.unfold has the name of another function
"""The functions that take blocks out of images."""


def windows(_: Seen, x: Tensor, dimension: int, size: int, step: int) -> Call:
    """Read x.unfold: windows of a size along one axis, at the end."""
    view, axis = np.lib.stride_tricks.sliding_window_view, dimension % x.dim()
    starts = along(x, axis, slice(None, None, step))
    return entries(x, lambda a: view(a, size, axis)[starts])


def blocks(
    _: Seen, x: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Call:
    """Read F.unfold: blocks of images (N, C, H, W), as columns (N, C K, L)."""
    k, d, p, s = (
        (n, n) if isinstance(n, int) else tuple(n) for n in (kernel_size, dilation, padding, stride)
    )
    width = ((0, 0), (0, 0), *((n, n) for n in p))
    span = [d[i] * (k[i] - 1) + 1 for i in range(2)]
    n, c = x.shape[:2]

    def move(a: Any) -> Any:
        view = np.lib.stride_tricks.sliding_window_view(a, span, (2, 3))
        view = view[:, :, :: s[0], :: s[1], :: d[0], :: d[1]]
        return view.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * k[0] * k[1], -1)

    sides = (x.shape[2] + 2 * p[0], x.shape[3] + 2 * p[1])
    at = {"index": moved((n, c, *sides), move)}
    return made_of("unfold", (x,), ("pad", (0,), {"width": width}), ("slice", (-1,), at))


# Copies of entries, and other orders.


@reads("expand", "expand_as", "broadcast_to")
def expand(seen: Seen, x: Tensor, *_: Any, **__: Any) -> Call:
    return Call("expand", (x,), {"shape": tuple(seen.result.shape)})


@reads("broadcast_tensors")
def broadcast_tensors(seen: Seen, *tensors: Any) -> list[Call]:
    parts = tensors[0] if len(tensors) == 1 and not torch.is_tensor(tensors[0]) else tensors
    return [
        Call("expand", (x,), {"shape": tuple(y.shape)})
        for x, y in zip(parts, seen.result, strict=True)
    ]


@reads("repeat", "tile")
def repeat(_: Seen, input: Tensor, *times: Any, **named: Any) -> Call:
    sizes = (*named.values(), *times)
    counts = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    return entries(input, lambda a: np.tile(a, tuple(counts)))


@reads("repeat_interleave")
def repeat_interleave(
    _: Seen,
    input: Tensor,
    repeats: Any,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Call:
    times = array(repeats) if torch.is_tensor(repeats) else repeats
    return entries(input, lambda a: np.repeat(a, times, dim))


@reads("roll")
def roll(_: Seen, input: Tensor, shifts: Any, dims: Any = None) -> Call:
    return entries(input, lambda a: np.roll(a, shifts, dims or None if dims == () else dims))


@reads("flip")
def flip(_: Seen, input: Tensor, *dims: Any) -> Call:
    over = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return entries(input, lambda a: np.flip(a, tuple(over)))


@reads("pixel_shuffle")
def pixel_shuffle(_: Seen, input: Tensor, upscale_factor: int) -> Call:
    *n, c, h, w = input.shape
    r, last = upscale_factor, len(n)
    axes = (*range(last), last, last + 3, last + 1, last + 4, last + 2)

    def move(a: Any) -> Any:
        cells = a.reshape(*n, c // r**2, r, r, h, w)
        return cells.transpose(axes).reshape(*n, c // r**2, h * r, w * r)

    return entries(input, move)


@reads("pixel_unshuffle")
def pixel_unshuffle(_: Seen, input: Tensor, downscale_factor: int) -> Call:
    *n, c, h, w = input.shape
    r, last = downscale_factor, len(n)
    axes = (*range(last), last, last + 2, last + 4, last + 1, last + 3)

    def move(a: Any) -> Any:
        cells = a.reshape(*n, c, h // r, r, w // r, r)
        return cells.transpose(axes).reshape(*n, c * r**2, h // r, w // r)

    return entries(input, move)


@reads("channel_shuffle")
def channel_shuffle(_: Seen, input: Tensor, groups: int) -> Call:
    n, c, *sides = input.shape

    def move(a: Any) -> Any:
        return a.reshape(n, groups, c // groups, *sides).swapaxes(1, 2).reshape(a.shape)

    return entries(input, move)


@reads("as_strided")
def as_strided(
    _: Seen, input: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Call:
    if not input.is_contiguous() or storage_offset not in (None, input.storage_offset()):
        raise NotKnown("other places in memory")
    if sum((n - 1) * s for n, s in zip(size, stride, strict=True)) >= input.numel():
        raise NotKnown("places behind its end")
    view = np.lib.stride_tricks.as_strided

    def move(a: Any) -> Any:
        flat = np.ascontiguousarray(a)
        return view(flat, tuple(size), tuple(n * flat.itemsize for n in stride))

    return entries(input, move)


# Several into one.


@reads("cat", "concat", "concatenate")
def cat(_: Seen, tensors: Sequence[Tensor], dim: int = 0) -> Call:
    parts = tuple(t for t in tensors if t.shape != (0,))  # an empty cache
    return Call("concatenate", parts, {"axis": dim})


@reads("stack")
def stack(_: Seen, tensors: Sequence[Tensor], dim: int = 0) -> Call:
    return Call("stack", (*tensors,), {"axis": dim})


@reads("hstack", "column_stack")
def hstack(seen: Seen, tensors: Sequence[Tensor]) -> Call:
    if min(t.dim() for t in tensors) < len("NC"):
        raise NotKnown("vectors")
    return cat(seen, tensors, 1)


@reads("vstack")
def vstack(seen: Seen, tensors: Sequence[Tensor]) -> Call:
    if min(t.dim() for t in tensors) < len("NC"):
        raise NotKnown("vectors")
    return cat(seen, tensors, 0)


MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's mode of padding -> NumPy's."""


@reads("pad", "constant_pad_nd")
def pad(
    _: Seen, input: Tensor, pad: Sequence[int], mode: str = "constant", value: Any = None
) -> Call:
    pairs = [*zip(pad[::2], pad[1::2], strict=True)][::-1]
    width = tuple([(0, 0)] * (input.dim() - len(pairs)) + pairs)
    added = tuple((max(a, 0), max(b, 0)) for a, b in width)
    cut = tuple(slice(max(-a, 0), min(b, 0) or None) for a, b in width)
    if mode != "constant":
        if added != width and mode == "reflect":
            raise NotKnown("mode='reflect' with negative widths")
        around: Any = MODES[mode]
        if mode == "circular":
            return entries(input, lambda a: np.pad(a[cut], added, mode=around))
        return entries(input, lambda a: np.pad(a, added, mode=around)[cut])
    options = {"width": added} | ({"value": float(value)} if value else {})
    if added == width:
        return Call("pad", (input,), options)
    return made_of("pad", (input,), ("pad", (0,), options), ("slice", (-1,), {"index": cut}))
