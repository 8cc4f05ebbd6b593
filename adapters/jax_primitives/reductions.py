"""Reductions, sums and products up to each entry, and windows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backproof.adapters.jax_primitives.calls import Call, NotKnown, Operand, Seen, made_of, reads

MOST_FACTORS = 64
"""Up to so many factors a product is read as products of two."""


@reads("reduce_sum", "reduce_max", "reduce_min")
def reduction(seen: Seen, x: Operand) -> Call:
    return Call(seen.name.removeprefix("reduce_"), (x,), {"axis": tuple(seen.params["axes"])})


@reads("psum")
def psum(seen: Seen, *operands: Operand) -> list[Call]:
    """Read a sum over an axis that `vmap` has named."""
    axes = tuple(seen.params["axes"])
    if not all(isinstance(axis, int) for axis in axes) or seen.params["axis_index_groups"]:
        raise NotKnown("a sum over devices, or over groups")
    return [Call("sum", (x,), {"axis": axes}) for x in operands]


@reads("reduce_prod")
def reduce_prod(seen: Seen, x: Operand) -> Call:
    """Read it as products of two, one after another."""
    axes = seen.params["axes"]
    others = [axis for axis in range(len(x.shape)) if axis not in axes]
    n = int(np.prod([x.shape[axis] for axis in axes]))
    if not 0 < n <= MOST_FACTORS:
        raise NotKnown(f"{n} factors")
    rows = (n, *(x.shape[axis] for axis in others))
    steps: list[Any] = [
        ("transpose", (0,), {"axes": (*axes, *others)}),
        ("reshape", (-1,), {"shape": rows}),
        ("slice", (-1,), {"index": 0}),
    ]
    for k in range(1, n):
        steps.append(("slice", (-2 * k,), {"index": k}))
        steps.append(("multiply", (-2, -1)))
    return made_of(seen.name, (x,), *steps)


@reads("cumsum")
def cumsum(seen: Seen, x: Operand) -> Call:
    axis = seen.params["axis"]
    if not seen.params["reverse"]:
        return Call("cumsum", (x,), {"axis": axis})
    back = {"index": (*[slice(None)] * axis, slice(None, None, -1))}
    steps = ("slice", (0,), back), ("cumsum", (-1,), {"axis": axis}), ("slice", (-1,), back)
    return made_of(seen.name, (x,), *steps)


RUNNING: dict[str, tuple[Any, ...]] = {
    "cumprod": (("multiply", (-1, -2)),),
    "cumlogsumexp": (("stack", (-1, -2), {"axis": 0}), ("logsumexp", (-1,), {"axis": 0})),
}
"""Primitive -> the steps that make the next of its results, of the next entry and the last result.

The entry is the step before; the last result is the one before that.
"""


@reads(*RUNNING)
def running(seen: Seen, x: Operand) -> Call:
    """Read it as made up entry by entry along an axis."""
    axis, more = seen.params["axis"], RUNNING[seen.name]
    n = x.shape[axis]
    if not 0 < n <= MOST_FACTORS:
        raise NotKnown(f"{n} entries")
    before = [slice(None)] * axis
    order = [n - 1 - k if seen.params["reverse"] else k for k in range(n)]
    steps: list[Any] = [("slice", (0,), {"index": (*before, slice(order[0], order[0] + 1))})]
    made = [0]
    for k in order[1:]:
        steps.append(("slice", (0,), {"index": (*before, slice(k, k + 1))}))
        steps += more
        made.append(len(steps) - 1)
    places = [made[order.index(k)] - len(steps) for k in range(n)]
    steps.append(("concatenate", (*places,), {"axis": axis}))
    return made_of(seen.name, (x,), *steps)


@reads("cummax", "cummin")
def running_extreme(seen: Seen, x: Operand) -> Call:
    """Read it by pairs, as JAX does: equal entries of each pair share what they receive.

    Source: Blelloch, Prefix sums and their applications, 1990, section 1.2.
    """
    axis, op = seen.params["axis"], seen.name.replace("cum", "") + "imum"
    n = x.shape[axis]
    if not 0 < n <= MOST_FACTORS:
        raise NotKnown(f"{n} entries")
    steps: list[Any] = []

    def add(op: str, *made: int, **options: Any) -> int:
        """Add a step of those at some places, and return its place."""
        steps.append((op, tuple(place - len(steps) for place in made) or (0,), options))
        return len(steps) - 1

    def entry(k: int) -> int:
        return add("slice", index=(*[slice(None)] * axis, slice(k, k + 1)))

    def scanned(several: Sequence[int]) -> list[int]:
        if not several[1:]:
            return [*several]
        pairs = scanned([add(op, *both) for both in zip(several[::2], several[1::2], strict=False)])
        others = [add(op, *both) for both in zip(pairs, several[2::2], strict=False)]
        found = [several[0], *pairs, *others]
        found[1::2], found[2::2] = pairs, others
        return found

    order = [n - 1 - k if seen.params["reverse"] else k for k in range(n)]
    made = scanned([*map(entry, order)])
    add("concatenate", *(made[order.index(k)] for k in range(n)), axis=axis)
    return made_of(seen.name, (x,), *steps)


@reads("reduce_window_max", "reduce_window_min")
def window_extreme(seen: Seen, x: Operand) -> Call:
    """Read it as pooling along all axes, of one image of one channel; a smallest, of -x."""
    p = seen.params
    undilated(seen)
    options = {
        "kernel_size": p["window_dimensions"],
        "stride": p["window_strides"],
        "padding": p["padding"],
        "dilation": p["window_dilation"],
    }
    turned = [("negative", (-1,))] if seen.name == "reduce_window_min" else []
    return made_of(
        seen.name,
        (x,),
        ("reshape", (0,), {"shape": (1, 1, *x.shape)}),
        *turned,
        ("max_pool", (-1,), options),
        *turned,
        ("reshape", (-1,), {"shape": seen.shape}),
    )


@reads("reduce_window_sum")
def window_sum(seen: Seen, x: Operand) -> Call:
    """Read it as the sums of the entries in each window, with zeros around."""
    undilated(seen)
    n, width = len(x.shape), tuple(seen.params["padding"])
    return made_of(
        seen.name,
        (x,),
        ("pad", (0,), {"width": width}),
        ("slice", (-1,), {"index": windows(seen, seen.shape)}),
        ("sum", (-1,), {"axis": tuple(range(n, 2 * n))}),
    )


@reads("select_and_gather_add")
def extreme_gathered(seen: Seen, x: Operand, of: Operand) -> Call:
    """Read it as an index: the tangents of the largest entries of each window."""
    undilated(seen)
    return Call("slice", (x,), {"index": extremes(seen, of, seen.shape)})


@reads("select_and_scatter_add")
def extreme_scattered(seen: Seen, x: Operand, of: Operand) -> Call:
    """Read it as added to zeros at the largest entry of each window."""
    options = {"index": extremes(seen, of, x.shape)}
    return Call("add_at", (np.zeros(seen.shape, x.dtype), x), options)


def windows(seen: Seen, counts: Sequence[int]) -> tuple[Any, ...]:
    """Return the index of the entries in each window of a padded array.

    counts: how many windows there are along each axis. The index has the axes of the windows, and
    then those inside of them.
    """
    p, n, index = seen.params, len(counts), list[Any]()
    dilation = p.get("window_dilation", (1,) * n)
    for i, count in enumerate(counts):
        starts = np.arange(count) * p["window_strides"][i]
        inside = np.arange(p["window_dimensions"][i]) * dilation[i]
        shape = [1] * (2 * n)
        shape[i], shape[n + i] = len(starts), len(inside)
        index.append((starts[:, None] + inside).reshape(shape))
    return (*index,)


def extremes(seen: Seen, x: Operand, counts: Sequence[int]) -> tuple[Any, ...]:
    """Return the index of the largest entry of each window of x, or of the smallest.

    Of equal ones it is the first. Raises NotKnown where a window has none, as of NaN.
    """
    p, sign = seen.params, -1 if seen.params["select_prim"].name == "le" else 1
    padded = np.pad(sign * x.read().astype(float), p["padding"], constant_values=-np.inf)
    every = np.broadcast_arrays(*windows(seen, counts))
    rows = padded[(*every,)].reshape(*counts, -1)
    if not np.isfinite(np.max(rows, axis=-1)).all():
        raise NotKnown("a window without a largest entry")
    first = np.argmax(rows, axis=-1)[..., None]
    taken = (np.take_along_axis(i.reshape(rows.shape), first, -1)[..., 0] for i in every)
    return tuple(i - low for i, (low, _) in zip(taken, p["padding"], strict=True))


def undilated(seen: Seen) -> None:
    """Raise NotKnown for windows over an array with gaps."""
    if any(d != 1 for d in seen.params["base_dilation"]):
        raise NotKnown("base_dilation")
