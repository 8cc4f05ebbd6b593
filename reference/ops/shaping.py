"""Moving entries about, which rounds nothing: concatenate, reshape, transpose, slice, embedding."""

from collections.abc import Sequence

import numpy as np

from backproof.reference.ops.op import Array, Op


def concatenate_forward(*parts: Array, axis: int) -> Array:
    """Return the parts one after another along an axis."""
    return np.concatenate(parts, axis=axis)


def concatenate_backward(dy: Array, y: Array, *parts: Array, axis: int) -> tuple[Array, ...]:
    """Return the slice of dy that belongs to each part."""
    found, start = [], 0
    for part in parts:
        end = start + part.shape[axis]
        found.append(np.swapaxes(np.swapaxes(dy, 0, axis)[start:end], 0, axis))
        start = end
    return tuple(found)


def reshape_forward(x: Array, *, shape: Sequence[int]) -> Array:
    """Return the entries of x, row by row, in another shape."""
    return np.reshape(x, shape)


def reshape_backward(dy: Array, y: Array, x: Array, *, shape: Sequence[int]) -> tuple[Array]:
    """Return dx: the entries of dy in the shape of x."""
    return (np.reshape(dy, np.shape(x)),)


def transpose_forward(x: Array, *, axes: Sequence[int]) -> Array:
    """Return x with its axes in another order: axis i of the result is axis axes[i] of x.

    axes: a negative one counts from the last.
    """
    return np.transpose(x, axes)


def transpose_backward(dy: Array, y: Array, x: Array, *, axes: Sequence[int]) -> tuple[Array]:
    """Return dx: the axes of dy put back."""
    return (np.transpose(dy, np.argsort([axis % dy.ndim for axis in axes])),)


def slice_forward(x: Array, *, index: tuple[slice, ...]) -> Array:
    """Return x[index], an array of some rows, columns, ...; steps are positive."""
    return x[index]


def slice_backward(dy: Array, y: Array, x: Array, *, index: tuple[slice, ...]) -> tuple[Array]:
    """Return dx: dy where it was taken from, zero elsewhere."""
    dx = np.zeros_like(x)
    dx[index] = dy
    return (dx,)


def pad_forward(x: Array, *, width: Sequence[tuple[int, int]]) -> Array:
    """Return x with zeros around it: width[i] says how many before and after it along axis i."""
    return np.pad(x, width)


def pad_backward(
    dy: Array, y: Array, x: Array, *, width: Sequence[tuple[int, int]]
) -> tuple[Array]:
    """Return dx: dy without the padding."""
    return (dy[tuple(slice(w, w + n) for (w, _), n in zip(width, x.shape, strict=True))],)


def embedding_forward(W: Array, *, index: Array) -> Array:
    """Return the rows of W (V, C) that an array of integers (...) names, (..., C)."""
    return W[index]


def embedding_backward(dy: Array, y: Array, W: Array, *, index: Array) -> tuple[Array]:
    """Return dW, (V, C): a row that was looked up several times receives from all of them."""
    dW = np.zeros_like(W)
    np.add.at(dW, index, dy)
    return (dW,)


concatenate = Op(concatenate_forward, concatenate_backward)
reshape = Op(reshape_forward, reshape_backward)
transpose = Op(transpose_forward, transpose_backward)
slice_ = Op(slice_forward, slice_backward)
pad = Op(pad_forward, pad_backward)
embedding = Op(embedding_forward, embedding_backward)
