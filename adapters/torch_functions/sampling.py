"""Images between their entries, at the places that a grid names."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    array,
    reads,
    steps,
)

Taps = list[tuple[Any, str]]
"""Entries near a place along one axis: their indices, which may be beyond the image, and the step
that makes their share; "" where one entry has all."""


def added_up(x: Tensor, axes: Sequence[Taps], *, is_zero: bool) -> list[Step]:
    """Return the steps that add up entries of images, each times its shares along all axes.

    is_zero: whether entries beyond the image are zero, and not those at its border.
    """
    sides = x.shape[2:]
    images = np.ogrid[tuple(slice(0, n) for n in (*x.shape[:2], *(1 for _ in sides)))][:2]
    found, terms = list[Step](), list[str]()
    for taps in product(*axes):
        inside = [np.clip(i, 0, n - 1) for (i, _), n in zip(taps, sides, strict=True)]
        made = f"entry{len(terms)}"
        found.append((made, "slice", "x", {"index": (*images, *inside)}))
        beyond = [i != j for (i, _), j in zip(taps, inside, strict=True)]
        if is_zero and any(map(np.any, beyond)):
            mask = np.any(np.broadcast_arrays(*beyond), axis=0)
            found.append((f"{made}-or-0", "masked_fill", made, {"mask": mask, "value": 0}))
            made += "-or-0"
        for axis, (_, share) in enumerate(taps):
            if share:
                found.append((f"{made}-{axis}", "multiply", f"{made} {share}"))
                made += f"-{axis}"
        terms.append(made)
    return [*found, ("terms", "stack", " ".join(terms), FIRST), ("y", "sum", "terms", FIRST)]


FIRST = {"axis": 0}


def nearest(_: int, low: Any) -> tuple[list[Step], Taps]:
    """Return the entry itself."""
    return [], [(low, "")]


def linear(axis: int, low: Any) -> tuple[list[Step], Taps]:
    """Return the steps of the shares of two entries, from the place above the lower one."""
    return [], [(low, f"rest{axis}"), (low + 1, f"above{axis}")]


def cubic(axis: int, low: Any) -> tuple[list[Step], Taps]:
    """Return the steps of the shares of four entries, by cubic convolution with a = -3/4.

    At a distance t up to 1 it is ((a + 2) t - (a + 3)) t t + 1, and then ((a t - 5 a) t + 8 a) t -
    4 a. Source: Keys, Cubic Convolution Interpolation for Digital Image Processing (1981).
    """
    found, taps = list[Step](), Taps()
    far: list[Step] = [(f"{t}{axis}+1", "add", f"{t}{axis} one") for t in ("above", "rest")]
    of = ((f"above{axis}+1", FAR), (f"above{axis}", NEAR), (f"rest{axis}", NEAR))
    for i, (t, (a, b, c, d)) in enumerate((*of, (f"rest{axis}+1", FAR))):
        name = f"share{axis}-{i}"
        found += [
            (f"{name}-a", "scale", t, {"factor": a}),
            (f"{name}-b", "add", f"{name}-a {b}"),
            (f"{name}-c", "multiply", f"{name}-b {t}"),
            (f"{name}-d", "add", f"{name}-c {c}"),
            (f"{name}-e", "multiply", f"{name}-d {t}"),
            (name, "add", f"{name}-e {d}"),
        ]
        taps.append((low + i - 1, name))
    return [*far, *found], taps


NEAR = (1.25, "-2.25", "0", "one")
FAR = (-0.75, "3.75", "-6", "3")
"""The coefficients of cubic convolution from that of t^3 on: a factor, and operands."""

NUMBERS = {"one": 1.0, "half": 0.5, "-2.25": -2.25, "0": 0.0, "3.75": 3.75, "-6": -6.0, "3": 3.0}
"""The constant operands by name."""

SHARES = {"linear": linear, "cubic": cubic, "nearest": nearest}


def shares(kind: str, axis: int, place: str, low: Any) -> tuple[list[Step], Taps]:
    """Return the steps from the place along an axis, and the entry below it, to shares."""
    found, taps = SHARES[kind](axis, low)
    above: Step = (f"above{axis}", "subtract", f"{place} low{axis}")
    return [above, (f"rest{axis}", "subtract", f"one above{axis}"), *found], taps


@reads("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def grid_sampler(
    _: Seen,
    input: Tensor,
    grid: Tensor,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,
) -> Call:
    """Read it as shares of the entries around each place, or as the nearest entry.

    A place is (g + 1) (n - 1) / 2 where corners are aligned, else (g + 1) n / 2 - 1/2.
    """
    if grid.dtype != input.dtype or not torch.isfinite(grid).all():
        raise NotKnown("a grid of another dtype, or places that are not finite")
    if grid.dtype not in (torch.float32, torch.float64):
        raise NotKnown(f"places in {grid.dtype}")
    kind = ("linear", "nearest", "cubic")[interpolation_mode]
    padding = ("zeros", "border", "reflection")[padding_mode]
    operands, found, axes = {"x": input, "grid": grid, **NUMBERS}, list[Step](), list[Taps]()
    for axis, n in enumerate(input.shape[2:]):
        index = (slice(None), None, ..., input.dim() - 3 - axis)
        half, end, place = (0, "0", f"scaled{axis}") if align_corners else (0.5, "half", f"p{axis}")
        factor = n / 2 if half else (n - 1) / 2
        moved = array(grid[index]) + 1
        at = (moved.astype(np.longdouble) * factor - half).astype(moved.dtype)
        found += [
            (f"g{axis}", "slice", "grid", {"index": index}),
            (f"moved{axis}", "add", f"g{axis} one"),
            (f"scaled{axis}", "scale", f"moved{axis}", {"factor": factor}),
            (f"p{axis}", "subtract", f"scaled{axis} {end}"),
        ]
        if padding == "reflection" and kind != "cubic":
            sign, shift = turns(at, n, half)
            operands |= {f"sign{axis}": sign, f"shift{axis}": shift}
            at = sign * (at + half) + shift - half
            found += [
                (f"from{axis}", "add", f"{place} {end}"),
                (f"turned{axis}", "multiply", f"from{axis} sign{axis}"),
                (f"shifted{axis}", "add", f"turned{axis} shift{axis}"),
                (f"inside{axis}", "subtract", f"shifted{axis} {end}"),
            ]
            place = f"inside{axis}"
        if padding != "zeros" and kind != "cubic":
            at = at.clip(0, n - 1)
            found.append((f"clipped{axis}", "clamp", place, {"low": 0.0, "high": n - 1.0}))
            place = f"clipped{axis}"
        low = np.rint(at) if kind == "nearest" else np.floor(at)
        operands[f"low{axis}"] = low
        more, taps = shares(kind, axis, place, low.astype(int))
        if padding != "zeros" and kind == "cubic":
            taps = [(within(i, n, half, padding), share) for i, share in taps]
        found += more
        axes.append(taps)
    found += added_up(input, axes, is_zero=True)
    if kind == "nearest":  # the grid receives zeros
        found.append(("taken", "where", "y g0", {"condition": np.ones((), bool)}))
    return steps("grid_sampler", operands, *found)


def turns(at: Any, n: int, half: float) -> tuple[Any, Any]:
    """Return the signs and shifts by which places are reflected at the ends of an image.

    The ends are the middles of its outer entries, or half an entry beyond. A place p from the lower
    end is sign p + shift once it is reflected.
    """
    span = n - 1 + 2 * half
    count = np.floor((at + half) / span) if span else np.zeros(at.shape)
    is_odd = count % 2 == 1
    sign = np.where(is_odd, -1, 1) if span else np.zeros(at.shape)
    shift = span * np.where(is_odd, count + 1, -count)
    return np.float32(sign), np.asarray(shift, at.dtype if at.dtype.kind == "f" else np.float32)


def within(i: Any, n: int, half: float, padding: str) -> Any:
    """Return which entries are read for those beyond an image of n entries."""
    if padding == "reflection":
        sign, shift = turns(i, n, half)
        i = (sign * (i + half) + shift - half).astype(int)
    return i.clip(0, n - 1)
