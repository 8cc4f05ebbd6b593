"""Taking entries out by indices, adding them up at some, and writing over what is there.

Which entries these are is found by the primitive itself: it is applied to the places of the entries
in place of the entries.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jax import lax

from backproof.adapters.jax_primitives.calls import (
    Call,
    NotKnown,
    Operand,
    Seen,
    made_of,
    number,
    reads,
)
from backproof.reference.ops.cast import cast

NOWHERE = -1
"""The place of what no entry is taken to."""


def places_of(shape: tuple[int, ...]) -> Any:
    """Return an array of a shape, which holds the place of each entry."""
    return np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)


def index_of(places: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the index of places in an array of a shape."""
    return np.unravel_index(np.asarray(places), shape)


def constants(operands: Any) -> list[Any]:
    """Return the numbers of operands that are indices."""
    return [x.constant() for x in operands]


@reads("gather")
def gather(seen: Seen, x: Operand, indices: Operand) -> Call:
    p = seen.params
    found = gathered(x, indices, p["dimension_numbers"], p["slice_sizes"], p["mode"])
    inside = found != NOWHERE
    if inside.all():
        return Call("slice", (x,), {"index": index_of(found, x.shape)})
    taken = {"index": index_of(np.where(inside, found, 0), x.shape)}
    fill = number(p["fill_value"], x)
    steps = ("slice", (0,), taken), ("where", (-1, 1), {"condition": inside})
    return made_of(seen.name, (x, fill), *steps)


def gathered(x: Operand, indices: Operand, numbers: Any, sizes: Any, mode: Any) -> Any:
    """Return the places that a gather takes, NOWHERE outside. Raises NotKnown."""
    places, index = places_of(x.shape), indices.constant()
    return np.asarray(lax.gather(places, index, numbers, sizes, mode=mode, fill_value=NOWHERE))


@reads("dynamic_slice")
def dynamic_slice(seen: Seen, x: Operand, *starts: Operand) -> Call:
    found = lax.dynamic_slice(places_of(x.shape), constants(starts), seen.shape)
    return Call("slice", (x,), {"index": index_of(found, x.shape)})


@reads("dynamic_update_slice")
def dynamic_update_slice(_: Seen, x: Operand, update: Operand, *starts: Operand) -> Call:
    found = lax.dynamic_slice(places_of(x.shape), constants(starts), update.shape)
    return Call("put", (x, update), {"index": index_of(found, x.shape)})


@reads("scatter-add", "scatter_add", "scatter")
def scatter(seen: Seen, x: Operand, indices: Operand, updates: Operand) -> Call:
    """Read it as added or written at an index; what goes outside is left out."""
    found = scattered(seen, x, indices, updates)
    inside = found != NOWHERE
    op = "put" if seen.name == "scatter" else "add_at"
    if op == "put" and len(np.unique(found[inside])) != np.sum(inside):
        raise NotKnown("an index that names an entry twice")
    if inside.all():
        return Call(op, (x, updates), {"index": index_of(found, x.shape)})
    to = {"index": index_of(found[inside], x.shape)}
    kept = ("slice", (1,), {"index": np.nonzero(inside)})
    return made_of(seen.name, (x, updates), kept, (op, (0, -1), to))


EACH = {"scatter-mul": "multiply", "scatter-min": "minimum", "scatter-max": "maximum"}
"""Primitive -> the op that an entry and its update are the operands of."""


@reads(*EACH)
def scatter_each(seen: Seen, x: Operand, indices: Operand, updates: Operand) -> Call:
    """Read it as taken, changed and put back; what goes outside is left out.

    Where an entry is named again, that is another round.
    """
    found = scattered(seen, x, indices, updates)
    steps, y = list[Any](), 0
    for places in rounds(found):
        to = {"index": index_of(found[places], x.shape)}
        steps.append(("slice", (y,), to))
        steps.append(("slice", (1,), {"index": places}))
        steps.append((EACH[seen.name], (-2, -1)))
        steps.append(("put", (-4 if y else 0, -1), to))
        y = -1
    if not steps:
        return Call("cast", (x,), own=cast)
    return made_of(seen.name, (x, updates), *steps)


def rounds(found: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the index of the updates of each round, in which no place is named twice."""
    inside = np.flatnonzero(found != NOWHERE)
    while inside.size:
        _, first = np.unique(found.ravel()[inside], return_index=True)
        yield np.unravel_index(inside[first], found.shape) if found.shape else ()
        inside = np.delete(inside, first)


def scattered(seen: Seen, x: Operand, indices: Operand, updates: Operand) -> Any:
    """Return the places to which updates go: where a gather of their shape takes them from."""
    p = seen.params["dimension_numbers"]
    window = iter(updates.shape[axis] for axis in p.update_window_dims)
    alone = {*p.inserted_window_dims, *p.operand_batching_dims}
    sizes = tuple(1 if axis in alone else next(window) for axis in range(len(x.shape)))
    numbers = lax.GatherDimensionNumbers(
        offset_dims=p.update_window_dims,
        collapsed_slice_dims=p.inserted_window_dims,
        start_index_map=p.scatter_dims_to_operand_dims,
        operand_batching_dims=p.operand_batching_dims,
        start_indices_batching_dims=p.scatter_indices_batching_dims,
    )
    return gathered(x, indices, numbers, sizes, seen.params["mode"])
