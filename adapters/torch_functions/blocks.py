"""Entries of images in other places: blocks as columns, F.unfold, and back; shuffles."""

from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import Call, Seen, Tensor, entries, made_of, reads
from backproof.reference.ops.indexing import moved


def two(n: Any) -> tuple[int, int]:
    """Return one number for each axis of an image."""
    return (n, n) if isinstance(n, int) else (n[0], n[-1])


def index_of(columns: tuple[int, ...], images: tuple[int, ...], k: Any, d: Any, s: Any) -> Any:
    """Return the index of the columns (N, C K, L) in padded images (N, C, H, W).

    Of blocks of shape k, their entries d apart and their corners s apart.
    """
    span = [d[i] * (k[i] - 1) + 1 for i in range(2)]

    def move(a: Any) -> Any:
        view = np.lib.stride_tricks.sliding_window_view(a, span, (2, 3))
        view = view[:, :, :: s[0], :: s[1], :: d[0], :: d[1]]
        return view.transpose(0, 1, 4, 5, 2, 3).reshape(columns)

    return moved(images, move)


def padded(shape: Any, p: tuple[int, int]) -> tuple[int, ...]:
    """Return the shape of images (N, C, H, W), or of one, as several with p zeros around them."""
    *n, c, h, w = shape
    return (*(n or (1,)), c, h + 2 * p[0], w + 2 * p[1])


def several(shape: Any) -> tuple[int, ...]:
    """Return the shape of columns (N, C K, L), or of those of one image, as those of several."""
    return (1,) * (3 - len(shape)) + tuple(shape)


def blocks(
    seen: Seen, x: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Call:
    k, d, p, s = map(two, (kernel_size, dilation, padding, stride))
    shape = tuple(seen.result.shape)
    at = index_of(several(shape), padded(x.shape, p), k, d, s)
    return made_of(
        *("unfold", (x,)),
        ("reshape", (0,), {"shape": padded(x.shape, (0, 0))}),
        ("pad", (-1,), {"width": ((0, 0), (0, 0), *((n, n) for n in p))}),
        ("slice", (-1,), {"index": at}),
        ("reshape", (-1,), {"shape": shape}),
    )


@reads("fold", "col2im")
def fold(
    seen: Seen,
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Call:
    """Read it as the sum, in zeros, of all blocks, of which the padding is cut off."""
    k, d, p, s = map(two, (kernel_size, dilation, padding, stride))
    shape = tuple(seen.result.shape)
    zeros = np.zeros(padded(shape, p), np.float32)
    columns = several(input.shape)
    inner = tuple(slice(n, side - n) for n, side in zip(p, zeros.shape[2:], strict=True))
    return made_of(
        *("fold", (zeros, input)),
        ("reshape", (1,), {"shape": columns}),
        ("add_at", (0, -1), {"index": index_of(columns, zeros.shape, k, d, s)}),
        ("slice", (-1,), {"index": (..., *inner)}),
        ("reshape", (-1,), {"shape": shape}),
    )


# Between channels and places.


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
