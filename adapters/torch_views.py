"""Writes by way of views: a view that is written to is a part of its base that is written over.

That is how autograd has it: the base is what a write through one of its views makes, and the view
is then taken from it again.
"""

from typing import Any

import numpy as np

from backproof.adapters.torch_functions import Call, NotKnown
from backproof.adapters.torch_functions.calls import made_of
from backproof.reference.ops import Array

Tensor = Any


def base_of(t: Tensor) -> Tensor | None:
    """Return the tensor that a view is a view of; None where it is no view."""
    return t._base  # noqa: SLF001 there is no other name for it


def memory(t: Tensor, *, parts: bool) -> Array:
    """Return where the entries of a tensor are in its memory.

    parts: whether places are counted in real numbers; complex ones then have two, on a last axis.
    """
    every = np.indices(tuple(t.shape), sparse=True)
    places = (step * index for step, index in zip(t.stride(), every, strict=True))
    found = np.asarray(t.storage_offset() + sum(places))
    return 2 * found[..., None] + np.arange(2) if parts and t.is_complex() else found


def index_in(base: Tensor, view: Tensor) -> tuple[Array, ...]:
    """Return the index with which a view is taken from its base. Raises NotKnown.

    A real view of complex numbers, or a complex one of real numbers, is taken from their parts.
    """
    if base.dtype.to_real() != view.dtype.to_real():
        raise NotKnown("a view as another dtype")
    if (base.is_conj(), base.is_neg()) != (view.is_conj(), view.is_neg()):
        raise NotKnown("a view that conjugates or negates")
    parts = base.dtype != view.dtype
    own, places = (memory(t, parts=parts) for t in (view, base))
    whole = places.reshape(-1)
    order = np.argsort(whole)
    found = order[np.searchsorted(whole, own, sorter=order).clip(max=whole.size - 1)]
    if not np.array_equal(whole[found], own):
        raise NotKnown("a view of other memory than its base's")
    return np.unravel_index(found, places.shape)


def taken(base: Tensor, view: Tensor) -> tuple[str, dict[str, Any]]:
    """Return the op, and its options, by which a view is taken from its base. Raises NotKnown."""
    if is_reshaped(base, view):
        return "reshape", {"shape": shape_of(view)}
    if not base.dim() and base.dtype == view.dtype:
        return "expand", {"shape": shape_of(view)}
    return "slice", {"index": index_in(base, view)}


def shape_of(t: Tensor) -> tuple[int, ...]:
    """Return the shape of a tensor's numbers; complex ones have two parts."""
    return (*t.shape, 2) if t.is_complex() else tuple(t.shape)


def is_same(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same numbers in the same memory, as in two classes."""
    found = (
        (t.data_ptr(), t.dtype, t.shape, t.stride(), t.is_conj(), t.is_neg()) for t in (one, other)
    )
    return next(found) == next(found)


def is_reshaped(base: Tensor, view: Tensor) -> bool:
    """Return whether a view has all entries of its base, in their order."""
    in_order = base.is_contiguous() and view.is_contiguous()
    extents = (
        (t.numel(), t.dtype, t.storage_offset(), t.is_conj(), t.is_neg()) for t in (base, view)
    )
    return in_order and next(extents) == next(extents)


def through(base: Tensor, view: Tensor, call: Call) -> Call:
    """Return the call that wrote to a view as one that made its base. Raises NotKnown."""
    op, options = taken(base, view)
    others = [t for t in call.tensors if t is not view]
    places = [-1 if t is view else 1 + [*map(id, others)].index(id(t)) for t in call.tensors]
    before = [(op, (0,), options)] if -1 in places else []
    made = (call.op, places, call.options, call.own)
    after = ("reshape", (-1,), {"shape": shape_of(base)})
    written = after if op == "reshape" else ("put", (0, -1), options)
    return made_of(f"{call.op} by way of a view", (base, *others), *before, made, written)
