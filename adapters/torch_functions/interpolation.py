"""Images of another size, by the entries around each place."""

from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    ATEN,
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    name_of,
    number,
    reads,
    steps,
)
from backproof.adapters.torch_functions.sampling import NUMBERS, Taps, added_up, shares


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
    """Read it by the place of each entry of the result. A factor counts where it is given."""
    if antialias:
        raise NotKnown("antialias")
    new, old = (*seen.result.shape[2:],), input.shape[2:]
    given: Any = None if recompute_scale_factor else scale_factor
    factors = np.broadcast_to(given, len(new)).tolist()
    if mode == "area":
        return Call("adaptive_average_pool", (input,), {"output_size": new})
    if mode in ("nearest", "nearest-exact"):
        return repeated(input, [*zip(new, old, factors, strict=True)], mode)
    kind = "cubic" if mode == "bicubic" else "linear"
    if kind == "cubic" and new == old and any(factors) and not align_corners:
        raise NotKnown("a gradient that is handed on as it is, where the entries are not")
    operands, found, axes = {"x": input, **NUMBERS}, list[Step](), list[Taps]()
    for axis, (m, n, factor) in enumerate(zip(new, old, factors, strict=True)):
        shape = [m if i == axis + 2 else 1 for i in range(input.dim())]
        half, ends = (0, (n - 1, max(m - 1, 1))) if align_corners else (0.5, (n, m))
        is_free = align_corners or (kind == "linear" and m == n)
        apart = None if is_free else factor
        i = np.reshape(np.arange(m) + half, shape)
        at = i * step(*ends, apart, precision(input)) - half
        low = floor(at).clip(0 if kind == "linear" else -n, n - 1)
        operands |= {f"i{axis}": np.float32(i), f"low{axis}": np.float32(low)}
        operands |= {f"old{axis}": ends[0], f"new{axis}": ends[1]}
        if apart:
            operands[f"step{axis}"] = number(1 / apart)
        else:
            found.append((f"step{axis}", "divide", f"old{axis} new{axis}"))
        found += [
            (f"scaled{axis}", "multiply", f"i{axis} step{axis}"),
            (f"p{axis}", "subtract", f"scaled{axis} half"),
            (f"clipped{axis}", "clamp", f"p{axis}", {"low": 0.0}),
        ]
        place = "scaled" if align_corners else "p" if kind == "cubic" else "clipped"
        more, taps = shares(kind, axis, f"{place}{axis}", low)
        found += more
        axes.append(taps)
    return steps("interpolate", operands, *found, *added_up(input, axes, is_zero=False))


MODES = {
    **{f"upsample_nearest{n}d": "nearest" for n in (1, 2, 3)},
    **{f"upsample_nearest_exact{n}d": "nearest-exact" for n in (1, 2, 3)},
    "upsample_linear1d": "linear",
    "upsample_bilinear2d": "bilinear",
    "upsample_trilinear3d": "trilinear",
    "upsample_bicubic2d": "bicubic",
}
"""The name of a function in C++ -> the mode of `interpolate`."""


@reads(*MODES, *(f"_{name}" for name in MODES), into=ATEN)
def upsampled(seen: Seen, x: Tensor, size: Any, *rest: Any) -> Call:
    """Read it as `interpolate`.

    rest: `align_corners`, except of nearest entries; then the factors, in a list or one by one.
    """
    mode = MODES[name_of(seen.function)]
    align = None if mode.startswith("nearest") else rest[0]
    factors = rest if align is None else rest[1:]
    given = factors[0] if isinstance(next(iter(factors), None), list | tuple) else factors
    return interpolate(seen, x, size, given if given and None not in given else None, mode, align)


def precision(x: Tensor) -> Any:
    """Return the precision in which PyTorch computes places in an image."""
    return np.float64 if x.dtype == torch.float64 else np.float32


def step(old: int, new: int, factor: float | None, dtype: Any) -> Any:
    """Return how far two entries of a result are apart in the image, rounded, as a float64."""
    return np.float64(dtype(1 / factor) if factor else dtype(old) / dtype(new))


def floor(at: Any) -> Any:
    """Return the entries at or below places, which PyTorch rounds to float32 for it."""
    return np.floor(at.astype(np.float32)).astype(int)


def repeated(x: Tensor, sides: list[Any], mode: str) -> Call:
    """Return the call that takes the nearest entries; sides: new, old, and a factor or None.

    Raises NotKnown where PyTorch's gradient goes to other entries than it took: it rounds their
    places otherwise, and forgets a factor where the new side is the old one or twice that.
    """
    dtype, half = precision(x), 0.5 if mode == "nearest-exact" else 0
    rows, back = [], []
    for m, n, factor in sides:
        i = np.arange(m) + half
        at = (i * step(n, m, factor, dtype) - half).astype(dtype) + dtype(half)
        given = None if not half and m in (n, n + n) else factor
        rows.append(floor(at).clip(0, n - 1))
        back.append(floor(i * step(n, m, given, np.float32)).clip(0, n - 1))
    if not all(map(np.array_equal, rows, back)):
        raise NotKnown("a gradient that goes to other entries than were taken")
    times = {m / n for m, n, _ in sides}
    k = int(max(times))
    whole = (np.repeat(np.arange(n), k) for _, n, _ in sides)
    if times == {k} and all(map(np.array_equal, rows, whole)):
        return Call("upsample", (x,), {"scale_factor": k})
    return Call("slice", (x,), {"index": (..., *np.ix_(*rows))})
