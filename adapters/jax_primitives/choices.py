"""Functions that choose: clamp, select, sort, the largest of several."""

from typing import Any

import numpy as np

from backproof.adapters.jax_primitives.calls import Call, NotKnown, Operand, Seen, made_of, reads


@reads("select_n")
def select(_: Seen, which: Operand, *cases: Operand) -> Call:
    """Read it as a choice between the first two, then between that and the next, and so on."""
    chosen = np.asarray(which.read(), int)
    if len(cases) == len(("no", "yes")):
        no, yes = cases
        return Call("where", (yes, no), {"condition": chosen == 1})
    steps: list[Any] = [("reshape", (0,), {"shape": cases[0].shape})]
    steps += [("where", (i, -1), {"condition": chosen == i}) for i in range(1, len(cases))]
    return made_of("select_n", cases, *steps)


@reads("clamp")
def clamp(_: Seen, low: Operand, x: Operand, high: Operand) -> Call:
    bounds = low.constant(), high.constant()
    if not (low.shape or high.shape):
        return Call("clamp", (x,), {"low": low.number(), "high": high.number()})
    a = np.asarray(x.read())
    between = (a > bounds[0]) & (a < bounds[1])
    return Call("where", (x, np.clip(a, *bounds)), {"condition": between})


def taken(x: Operand, index: Any, axis: int) -> Call:
    """Return the call that takes the entries that an index names along one axis."""
    places: list[Any] = [*np.indices(index.shape, sparse=True)]
    places[axis] = index
    return Call("slice", (x,), {"index": tuple(places)})


@reads("sort")
def sort(seen: Seen, *operands: Operand) -> list[Call]:
    """Read it as an index: the order is an integer, and not differentiated.

    Raises NotKnown where the results are not the operands in this order.
    """
    axis, keys = seen.params["dimension"], operands[: seen.params["num_keys"]]
    numbers = [np.asarray(x.read()) for x in reversed(keys)]
    order = np.lexsort([np.asarray(a, np.float64) for a in numbers], axis=axis)
    for x, result in zip(operands, seen.results, strict=True):
        if not np.array_equal(np.take_along_axis(x.read(), order, axis), result.read()):
            raise NotKnown("an order that is not that of NumPy")
    return [taken(x, order, axis) for x in operands]


@reads("top_k")
def top_k(seen: Seen, x: Operand) -> list[Call | None]:
    """Read it as an index.

    Raises NotKnown where the values are not the largest, or where two of them are the same entry.
    """
    axis = seen.params.get("axis", seen.params.get("operand_axis", -1)) % len(x.shape)
    values, index = (np.asarray(one.read()) for one in seen.results)
    ordered = np.flip(np.sort(np.asarray(x.read()), axis), axis)
    if not np.array_equal(values, np.take(ordered, range(values.shape[axis]), axis)):
        raise NotKnown("values that are not the largest")
    if not np.diff(np.sort(index, axis), axis=axis).all():
        raise NotKnown("an index that names an entry twice")
    return [taken(x, index, axis), None]
