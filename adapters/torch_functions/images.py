"""Convolution, pooling and upsampling."""

from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    alike,
    made_of,
    reads,
)
from backproof.reference.ops.windows import each


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
    if divisor_override is not None:
        raise NotKnown("divisor_override")
    options = windows(kernel_size, stride, padding)
    if ceil_mode and any(beyond(seen, input, options)):
        raise NotKnown("ceil_mode")
    options["count_include_pad"] = count_include_pad
    return of_images(seen, Call("average_pool", (input,), options))


def windows(kernel_size: Any, stride: Any, padding: Any) -> dict[str, Any]:
    """Return the options of a pooling; a stride that is left out is the size of a window."""
    stride = kernel_size if stride is None or stride == [] else stride
    options = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
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


@reads("interpolate", "upsample")
def interpolate(
    seen: Seen,
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Call:
    """Read it as taking the nearest entries; a factor counts where it is not that of the sizes."""
    if mode in ("linear", "bilinear") and not antialias:
        is_scaled = scale_factor is not None and not recompute_scale_factor
        return between(seen, input, scale_factor if is_scaled else None, bool(align_corners))
    new, old = seen.result.shape[2:], input.shape[2:]
    factors = [m / n for m, n in zip(new, old, strict=True)]
    is_given = scale_factor is not None and not recompute_scale_factor
    if "nearest" not in mode or (is_given and not np.all(np.equal(scale_factor, factors))):
        raise NotKnown(f"scale_factor={scale_factor!r}, mode={mode!r}")
    if len({*factors}) == 1 and factors[0].is_integer():
        return Call("upsample", (input,), {"scale_factor": int(factors[0])})
    if mode != "nearest":
        raise NotKnown(f"size={size!r}, mode={mode!r}")
    rows = (np.arange(m) * n // m for m, n in zip(new, old, strict=True))
    return Call("slice", (input,), {"index": (..., *np.ix_(*rows))})


def between(seen: Seen, x: Tensor, factor: Any, align_corners: bool) -> Call:
    """Return the call that interpolates along one axis or two, by a matrix product along each.

    factor: how many places there are for one of x, where it was given.
    """
    new, old = seen.result.shape[2:], x.shape[2:]
    given = np.broadcast_to(np.nan if factor is None else factor, len(new))
    sides = zip(new, old, given, strict=True)
    *rows, columns = (shares(m, n, float(k), align_corners=align_corners) for m, n, k in sides)
    steps = [("matmul", (1, 0)), ("matmul", (-1, 2))] if rows else [("matmul", (0, 1))]
    return made_of("interpolate", (x, *rows, columns.T), *steps)


def shares(new: int, old: int, factor: float, *, align_corners: bool) -> Any:
    """Return the matrix (new, old) of the shares that the two nearest entries have in each place.

    Raises NotKnown where PyTorch rounds them.
    """
    if align_corners:
        step = (old - 1) / max(new - 1, 1)
        at = np.arange(new) * step
    else:
        step = old / new if np.isnan(factor) else 1 / factor
        at = np.maximum((np.arange(new) + 0.5) * step - 0.5, 0)
    if not (step * FINEST).is_integer():
        raise NotKnown("shares that are rounded")
    low = np.minimum(at.astype(int), old - 1)
    share = (at - low)[:, None]
    one = np.eye(old)
    found = (1 - share) * one[low] + share * one[np.minimum(low + 1, old - 1)]
    return found.astype(np.float32)


FINEST = 2**6
"""Multiples of 1 / (2 FINEST) are numbers of every precision."""
