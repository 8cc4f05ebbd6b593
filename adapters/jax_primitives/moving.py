"""Moving entries, which rounds nothing: shapes, axes, parts, copies, padding."""

from typing import Any

import numpy as np

from backproof.adapters.jax_primitives.calls import Call, Operand, Seen, made_of, number, reads


@reads("reshape", "squeeze", "expand_dims")
def reshape(seen: Seen, x: Operand) -> Call:
    order = seen.params["dimensions"] if seen.name == "reshape" else None
    shape = {"shape": seen.shape}
    if order is None:
        return Call("reshape", (x,), shape)
    return made_of(seen.name, (x,), ("transpose", (0,), {"axes": order}), ("reshape", (-1,), shape))


@reads("transpose")
def transpose(seen: Seen, x: Operand) -> Call:
    return Call("transpose", (x,), {"axes": seen.params["permutation"]})


@reads("broadcast_in_dim")
def broadcast(seen: Seen, x: Operand) -> Call:
    """Read it as repeated along axes; those of x stand at given places."""
    own = dict(zip(seen.params["broadcast_dimensions"], x.shape, strict=True))
    ready = tuple(own.get(axis, 1) for axis in range(len(seen.shape)))
    expand = {"shape": seen.shape}
    if ready == seen.shape:
        return Call("reshape", (x,), expand)
    if ready == (1,) * (len(ready) - len(x.shape)) + x.shape:
        return Call("expand", (x,), expand)
    return made_of(seen.name, (x,), ("reshape", (0,), {"shape": ready}), ("expand", (-1,), expand))


@reads("slice")
def part(seen: Seen, x: Operand) -> Call:
    starts, limits, strides = (
        seen.params[name] for name in ("start_indices", "limit_indices", "strides")
    )
    strides = strides or (1,) * len(starts)
    index = tuple(map(slice, starts, limits, strides))
    return Call("slice", (x,), {"index": index})


@reads("rev")
def rev(seen: Seen, x: Operand) -> Call:
    over = seen.params["dimensions"]
    steps = (slice(None, None, -1) if axis in over else slice(None) for axis in range(len(x.shape)))
    return Call("slice", (x,), {"index": (*steps,)})


@reads("split")
def split(seen: Seen, x: Operand) -> list[Call]:
    axis, found, start = seen.params["axis"], list[Call](), 0
    for size in seen.params["sizes"]:
        index = (*[slice(None)] * axis, slice(start, start + size))
        found.append(Call("slice", (x,), {"index": index}))
        start += size
    return found


@reads("tile")
def tile(seen: Seen, x: Operand) -> Call:
    places = np.arange(int(np.prod(x.shape))).reshape(x.shape)
    index = np.unravel_index(np.tile(places, seen.params["reps"]), x.shape)
    return Call("slice", (x,), {"index": index})


@reads("concatenate")
def concatenate(seen: Seen, *parts: Operand) -> Call:
    return Call("concatenate", parts, {"axis": seen.params["dimension"]})


@reads("pad")
def pad(seen: Seen, x: Operand, value: Operand) -> Call:
    """Read it as written into an array of the value; a negative width takes entries away."""
    widths = seen.params["padding_config"]
    if not any(inner or min(low, high) < 0 for low, high, inner in widths):
        width = tuple((low, high) for low, high, _ in widths)
        return Call("pad", (x,), {"width": width, "value": value.number()})
    kept, index = list[Any](), list[Any]()
    for (low, _, inner), n, size in zip(widths, x.shape, seen.shape, strict=True):
        places = low + (inner + 1) * np.arange(n)
        inside = (places >= 0) & (places < size)
        kept.append(np.flatnonzero(inside))
        index.append(places[inside])
    whole = np.full(seen.shape, number(value.number(), x))
    return made_of(
        seen.name,
        (x, whole),
        ("slice", (0,), {"index": np.ix_(*kept)}),
        ("put", (1, -1), {"index": np.ix_(*index)}),
    )


@reads("unstack")
def unstack(seen: Seen, x: Operand) -> list[Call]:
    before = [slice(None)] * seen.params["axis"]
    return [Call("slice", (x,), {"index": (*before, i)}) for i in range(len(seen.results))]


@reads("stack")
def stack(seen: Seen, *parts: Operand) -> Call:
    return Call("stack", parts, {"axis": seen.params["axis"]})


@reads("take")
def take(seen: Seen, x: Operand) -> Call:
    """Read it as what a scan has at a step."""
    return Call("slice", (x,), {"index": seen.params["t"]})
