"""Taking entries out by an index, adding them up at one, and writing over them.

An index is what NumPy takes between brackets: integers, slices, Ellipsis, None, arrays of integers
or of booleans, or a tuple of them. It is an option: constant, not differentiated.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops.functions import stop
from backproof.reference.ops.op import Array, Op, sum_to_shape


def moved(shape: tuple[int, ...], move: Callable[[Array], Array]) -> tuple[Array, ...]:
    """Return the index with which `slice` does what a function does that only moves entries.

    move: such as np.roll, np.flip, np.tile, np.diagonal, np.take_along_axis, or np.pad in one of
    its modes reflect, edge and wrap, of an array of a shape.
    """
    places = np.arange(int(np.prod(shape))).reshape(shape)
    return np.unravel_index(move(places), shape)


def slice_forward(x: Array, *, index: Any) -> Array:
    """Return x[index]."""
    return x[index]


def slice_backward(dy: Array, y: Array, x: Array, *, index: Any) -> tuple[Array]:
    """Return dx, in the shape of x: an entry receives from all places that it was taken to.

    An entry that was not taken receives zero. Only arrays of integers take an entry twice.
    """
    dx = np.zeros_like(x)
    if may_repeat(index):
        np.add.at(dx, index, dy)
    else:
        dx[index] = dy
    return (dx,)


def may_repeat(index: Any) -> bool:
    """Return whether an index has an array, or a list, of integers."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        np.asarray(part).dtype.kind in "iu" for part in parts if isinstance(part, list | np.ndarray)
    )


def add_at_forward(x: Array, source: Array, *, index: Any) -> Array:
    """Return x, with the entries of the source added to those at an index, (x[index]).shape.

    Several entries may be added to the same one: each sum is of its entry of x and all of these, in
    any order.
    """
    places = np.arange(x.size).reshape(x.shape)
    to = np.concatenate([places.reshape(-1), places[index].reshape(-1)])
    added = np.broadcast_to(source, places[index].shape)
    terms = np.concatenate([x.reshape(-1), added.reshape(-1)])
    y = np.zeros_like(x.reshape(-1))
    np.add.at(y, to, terms)
    return y.reshape(*x.shape)


def add_at_backward(
    dy: Array, y: Array, x: Array, source: Array, *, index: Any
) -> tuple[Array, Array]:
    """Return dx = dy, and dsource: dy at the place where an entry was added."""
    return dy, sum_to_shape(dy[index], np.shape(source))


def put_forward(x: Array, values: Array, *, index: Any) -> Array:
    """Return x with values in the place of the entries at an index, which names each once."""
    y = np.zeros_like(x)
    y[...] = x
    y[index] = values
    return y


def put_backward(
    dy: Array, y: Array, x: Array, values: Array, *, index: Any
) -> tuple[Array, Array]:
    """Return dx, zero where x was written over, and dvalues: dy at these places."""
    (dx,) = masked_fill_backward(dy, y, x, mask=at(index, x.shape), value=0)
    return dx, sum_to_shape(dy[index], np.shape(values))


def at(index: Any, shape: tuple[int, ...]) -> Array:
    """Return where an index points in an array of a shape: an array of booleans."""
    found = np.zeros(shape, bool)
    found[index] = True
    return found


def masked_fill_forward(x: Array, *, mask: Array, value: float) -> Array:
    """Return x with a value wherever a mask is true; both broadcast."""
    return np.where(mask, value, x)


def masked_fill_backward(
    dy: Array, y: Array, x: Array, *, mask: Array, value: float
) -> tuple[Array]:
    """Return dx: zero wherever the mask is true, dy elsewhere, summed where x was broadcast."""
    return (sum_to_shape(np.where(mask, 0, dy), np.shape(x)),)


def embedding_forward(W: Array, *, index: Array, padding_index: int | None = None) -> Array:
    """Return the rows of W (V, C) that an array of integers (...) names, (..., C).

    padding_index: a row that is taken for a constant, and learns nothing; or None.
    """
    if padding_index is not None:
        W = np.where(at(padding_index, W.shape), stop(W), W)
    return W[index]


def embedding_backward(
    dy: Array, y: Array, W: Array, *, index: Array, padding_index: int | None = None
) -> tuple[Array]:
    """Return dW, (V, C): a row that was looked up several times receives from all of them.

    The row of the padding receives nothing.
    """
    dW = np.zeros_like(W)
    np.add.at(dW, index, dy)
    if padding_index is not None:
        dW[padding_index] = 0
    return (dW,)


slice_ = Op(slice_forward, slice_backward)
add_at = Op(add_at_forward, add_at_backward)
put = Op(put_forward, put_backward)
masked_fill = Op(masked_fill_forward, masked_fill_backward)
embedding = Op(embedding_forward, embedding_backward)
