"""Several tensors, each in a shape that fits the others: one beside another, or all combined."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import Call, Seen, Tensor, made_of, reads


def listed(tensors: Any) -> Any:
    """Return tensors that were given one by one, or as a list."""
    is_list = len(tensors) == 1 and not isinstance(tensors[0], torch.Tensor)
    return tensors[0] if is_list else tensors


# In a new shape, each for itself.


@reads("atleast_1d", "atleast_2d", "atleast_3d")
def atleast(seen: Seen, *tensors: Any) -> Any:
    if isinstance(seen.result, torch.Tensor):
        return Call("reshape", tensors, {"shape": tuple(seen.result.shape)})
    pairs = zip(listed(tensors), seen.result, strict=True)
    return [Call("reshape", (x,), {"shape": tuple(y.shape)}) for x, y in pairs]


@reads("broadcast_tensors")
def broadcast_tensors(seen: Seen, *tensors: Any) -> list[Call]:
    pairs = zip(listed(tensors), seen.result, strict=True)
    return [Call("expand", (x,), {"shape": tuple(y.shape)}) for x, y in pairs]


@reads("meshgrid")
def meshgrid(seen: Seen, *tensors: Any, indexing: str = "ij") -> list[Call]:
    """Read each as a tensor along an axis of its own; "xy" has the first two in turn."""
    axes = [*range(len(seen.result))]
    if indexing == "xy":
        axes[:2] = axes[:2][::-1]
    found = []
    for x, y, axis in zip(listed(tensors), seen.result, axes, strict=True):
        shape = tuple(x.numel() if i == axis else 1 for i in range(y.dim()))
        own, whole = ("reshape", (0,), {"shape": shape}), {"shape": tuple(y.shape)}
        found.append(made_of("meshgrid", (x,), own, ("expand", (-1,), whole)))
    return found


# One beside another.


def joined(
    tensors: Sequence[Tensor], shapes: Sequence[Any], axis: int, op: str = "concatenate"
) -> Call:
    """Return the call that joins tensors along an axis, each in a shape of its own."""
    if all(t.shape == shape for t, shape in zip(tensors, shapes, strict=True)):
        return Call("concatenate", (*tensors,), {"axis": axis})
    fitted = [("reshape", (i,), {"shape": tuple(shape)}) for i, shape in enumerate(shapes)]
    whole = ("concatenate", range(-len(fitted), 0), {"axis": axis})
    return made_of("cat", tensors, *fitted, whole)


def in_axes(n: int, t: Tensor) -> tuple[int, ...]:
    """Return the shape of a tensor with 2 axes at least, a vector as a row, then with n."""
    rows = (1,) * (2 - t.dim()) + tuple(t.shape)
    return rows + (1,) * (n - len(rows))


@reads("cat", "concat", "concatenate")
def cat(seen: Seen, tensors: Sequence[Tensor], dim: int = 0) -> Call:
    """Read it as what it is; an empty vector, such as a cache at first, fits all others."""
    empty = [*seen.result.shape]
    if empty:
        empty[dim] = 0
    return joined(tensors, [empty if t.shape == (0,) else t.shape for t in tensors], dim)


@reads("stack")
def stack(_: Seen, tensors: Sequence[Tensor], dim: int = 0) -> Call:
    return Call("stack", (*tensors,), {"axis": dim})


@reads("hstack")
def hstack(_: Seen, tensors: Sequence[Tensor]) -> Call:
    shapes = [t.shape or (1,) for t in tensors]
    return joined(tensors, shapes, min(len(shapes[0]) - 1, 1))


@reads("vstack", "row_stack")
def vstack(_: Seen, tensors: Sequence[Tensor]) -> Call:
    return joined(tensors, [in_axes(2, t) for t in tensors], 0)


@reads("dstack")
def dstack(_: Seen, tensors: Sequence[Tensor]) -> Call:
    return joined(tensors, [in_axes(3, t) for t in tensors], 2)


@reads("column_stack")
def column_stack(_: Seen, tensors: Sequence[Tensor]) -> Call:
    return joined(tensors, [t.shape if t.dim() > 1 else (t.numel(), 1) for t in tensors], 1)


@reads("block_diag")
def block_diag(seen: Seen, *tensors: Any) -> Call:
    """Read it as writing each into zeros, one after another, to the right and below."""
    parts, row, column, found = listed(tensors), 0, 0, []
    for i, t in enumerate(parts):
        rows, columns = in_axes(2, t)
        at = {"index": (slice(row, row + rows), slice(column, column + columns))}
        found.append(("put", (-1 if i else len(parts), i), at))
        row, column = row + rows, column + columns
    zeros = np.zeros(tuple(seen.result.shape), np.float32)
    return made_of("block_diag", (*parts, zeros), *found)


@reads("cartesian_prod")
def cartesian_prod(_: Seen, *tensors: Any) -> Call:
    """Read it as columns, each of the entries of one tensor, in all combinations."""
    parts: Any = listed(tensors)
    if len(parts) == 1:
        return Call("reshape", (*parts,), {"shape": (-1,)})
    places = np.indices([len(t) for t in parts]).reshape(len(parts), -1)
    columns = [("slice", (i,), {"index": at}) for i, at in enumerate(places)]
    stacked = ("stack", range(-len(parts), 0), {"axis": -1})
    return made_of("cartesian_prod", parts, *columns, stacked)
