"""Convolution and pooling."""

from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    alike,
    array,
    made_of,
    reads,
    steps,
)
from backproof.adapters.torch_functions.writing import put
from backproof.reference.ops.windows import each, sliding


def of_images(seen: Seen, call: Call) -> Call:
    """Return a call of images; of one image without an axis for the batch, with one in between."""
    x, *others = call.tensors
    if x.dim() == axes_in(seen) + len("NC"):
        return call
    batch, single = (1, *x.shape), tuple(first(seen.result).shape)
    return made_of(
        seen.function.__name__,
        call.tensors,
        ("reshape", (0,), {"shape": batch}),
        (call.op, (-1, *range(1, 1 + len(others))), call.options),
        ("reshape", (-1,), {"shape": single}),
    )


def first(result: Any) -> Tensor:
    """Return the first of several results."""
    return result[0] if isinstance(result, tuple) else result


def axes_in(seen: Seen) -> int:
    """Return 2 for a function of images of two axes, such as "conv2d"."""
    return int(next(c for c in seen.function.__name__ if c in "123"))


@reads("conv1d", "conv2d", "conv3d")
def conv(
    seen: Seen,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Call:
    if isinstance(padding, str):
        padding = around(padding, weight.shape[2:], dilation)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return convolution(seen, "conv", (input, weight, bias), options)


def around(padding: str, kernel: Any, dilation: Any) -> Any:
    """Return the padding before and after each axis that "same" or "valid" stands for."""
    if padding == "valid":
        return 0
    steps = (dilation,) * len(kernel) if isinstance(dilation, int) else dilation
    totals = [d * (k - 1) for k, d in zip(kernel, steps, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def convolution(seen: Seen, op: str, tensors: tuple[Any, ...], options: dict[str, Any]) -> Call:
    """Return the call of a convolution, with or without a bias."""
    given = {name: alike(value) for name, value in options.items()}
    return of_images(seen, Call(op, tuple(t for t in tensors if t is not None), given))


@reads("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    seen: Seen,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Call:
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}
    others = {"dilation": dilation, "groups": groups}
    return convolution(seen, "conv_transpose", (input, weight, bias), options | others)


@reads("max_pool1d", "max_pool2d", "max_pool3d")
@reads("max_pool1d_with_indices", "max_pool2d_with_indices", "max_pool3d_with_indices")
def max_pool(
    seen: Seen,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Call:
    options = windows(kernel_size, stride, padding) | {"dilation": alike(dilation)}
    over = beyond(seen, input, options) if ceil_mode else ()
    if any(over):
        before = each(options["padding"], len(over))
        options["padding"] = tuple((p, p + more) for p, more in zip(before, over, strict=True))
    return of_images(seen, Call("max_pool", (input,), options))


@reads("avg_pool1d", "avg_pool2d", "avg_pool3d")
def average_pool(
    seen: Seen,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Call:
    options = windows(kernel_size, stride, padding)
    over = beyond(seen, input, options) if ceil_mode else (0,) * axes_in(seen)
    if any(over) or divisor_override is not None:
        return by_sums(input, options, over, divisor_override, is_padding_in=count_include_pad)
    options["count_include_pad"] = count_include_pad
    return of_images(seen, Call("average_pool", (input,), options))


def by_sums(
    x: Tensor,
    options: dict[str, Any],
    over: tuple[int, ...],
    divisor: int | None,
    *,
    is_padding_in: bool,
) -> Call:
    """Return the call that divides the sum of each window by how many of its entries count.

    over: how far the last windows reach beyond the padding; nothing counts there. divisor: what to
    divide all sums by instead. is_padding_in: whether the padding counts.
    """
    axes = len(over)
    before, sides = each(options["padding"], axes), x.shape[-axes:]
    pairs = [(p, p + more) for p, more in zip(before, over, strict=True)]
    seen = sliding(each(options["kernel_size"], axes), options["stride"], pairs)
    padded = tuple(n + a + b for n, (a, b) in zip(sides, pairs, strict=True))
    every = np.ix_(*map(np.arange, (*seen.count(padded), *seen.size)))
    places = seen.places(every[:axes], every[axes:])
    counts = np.ones((1,) * 2 * axes)
    for place, n, p in zip(places, sides, before, strict=True):
        kept = 0 if is_padding_in else p
        counts = counts * ((place >= kept) & (place < n + 2 * p - kept))
    last = (*range(-axes, 0),)
    divisors = counts.sum(last) if divisor is None else np.asarray(divisor)
    return made_of(
        "average_pool",
        (x, divisors.astype(np.float32)),
        ("pad", (0,), {"width": ((0, 0),) * (x.dim() - axes) + (*pairs,)}),
        ("slice", (-1,), {"index": (..., *places)}),
        ("sum", (-1,), {"axis": last}),
        ("divide", (-1, 1)),
    )


def windows(kernel_size: Any, stride: Any, padding: Any) -> dict[str, Any]:
    """Return the options of a pooling; a stride that is left out is the size of a window."""
    options = {"kernel_size": kernel_size, "stride": stride or kernel_size, "padding": padding}
    return {name: alike(value) for name, value in options.items()}


def beyond(seen: Seen, x: Tensor, options: dict[str, Any]) -> tuple[int, ...]:
    """Return how far the last windows of ceil_mode reach beyond the padding, along each axis."""
    n = axes_in(seen)
    sides, count = x.shape[-n:], first(seen.result).shape[-n:]
    k, s, p = (each(options[name], len(sides)) for name in ("kernel_size", "stride", "padding"))
    d = each(options.get("dilation", 1), len(sides))
    ends = ((count[i] - 1) * s[i] + d[i] * (k[i] - 1) + 1 for i in range(len(sides)))
    return tuple(max(end - n - 2 * q, 0) for end, n, q in zip(ends, sides, p, strict=True))


@reads("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def adaptive_average_pool(seen: Seen, input: Tensor, output_size: Any) -> Call:
    return of_images(seen, Call("adaptive_average_pool", (input,), cells(seen)))


@reads("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(seen: Seen, input: Tensor, output_size: Any, *_: Any, **__: Any) -> Call:
    return of_images(seen, Call("adaptive_max_pool", (input,), cells(seen)))


def cells(seen: Seen) -> dict[str, Any]:
    """Return the option of adaptive pooling: how many cells there are along each axis."""
    return {"output_size": tuple(first(seen.result).shape[-axes_in(seen) :])}


@reads("fractional_max_pool2d")
def fractional_max_pool2d(
    seen: Seen, input: Tensor, kernel_size: Any, *_: Any, mask: Tensor, **__: Any
) -> Call:
    """Read it as the largest entries of windows, which begin where each channel's samples say."""
    if mask.dtype not in (torch.float32, torch.float64):
        raise NotKnown(f"places that are computed in {mask.dtype}")
    sides = zip(input.shape[-2:], first(seen.result).shape[-2:], each(kernel_size, 2), strict=True)
    of_rows, of_columns = array(mask)[..., ::-1].transpose(2, 0, 1)
    rows, columns = (
        starts(u, *side)[..., None] + np.arange(side[-1])
        for u, side in zip((of_rows, of_columns), sides, strict=True)
    )
    n, c = np.ogrid[: rows.shape[0], : rows.shape[1]]
    places = (
        *(i[..., None, None, None, None] for i in (n, c)),
        rows[:, :, :, None, :, None],
        columns[:, :, None, :, None, :],
    )
    index = places if input.dim() == len(places) else tuple(i[0] for i in places[1:])
    return steps(
        "fractional_max_pool2d",
        {"x": input},
        ("windows", "slice", "x", {"index": index}),
        ("y", "max", "windows", {"axis": (-2, -1)}),
    )


def starts(u: Any, size: int, count: int, width: int) -> Any:
    """Return where so many windows of a width begin, for each u from 0 to 1.

    All but the last begin at a (i + u) - a u, both rounded down (Graham, Fractional Max-Pooling,
    2014, sec. 2).
    """
    a = u.dtype.type(size - width) / u.dtype.type(max(count - 1, 1))
    i = np.arange(count, dtype=u.dtype)
    found = ((i + u[..., None]) * a).astype(int) - (u[..., None] * a).astype(int)
    found[..., -1] = size - width
    return found


@reads("max_unpool2d", "max_unpool3d")
def max_unpool(seen: Seen, input: Tensor, indices: Tensor, *_: Any, **__: Any) -> Call:
    """Read it as zeros with the entries in their places. Raises NotKnown for two in one."""
    zeros = torch.zeros(seen.result.shape, dtype=torch.float32)
    return put(zeros, flat_places(indices, seen.result, axes_in(seen)), input)


def flat_places(indices: Tensor, image: Tensor, axes: int) -> tuple[Any, ...]:
    """Return the index of entries that are counted row by row in each channel of images."""
    before = np.indices(tuple(indices.shape), sparse=True)[:-axes]
    return *before, *np.unravel_index(array(indices), tuple(image.shape[-axes:]))
