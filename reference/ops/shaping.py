"""Moving whole arrays, which rounds nothing: concatenate, stack, expand, reshape, ... and pad."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backproof.reference.ops.op import Array, Op, sum_to_shape


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


def stack_forward(*parts: Array, axis: int) -> Array:
    """Return the parts, all of one shape, beside each other along a new axis, the result's axis."""
    place = axis % (parts[0].ndim + 1)
    shape = (*parts[0].shape[:place], 1, *parts[0].shape[place:])
    return np.concatenate([np.reshape(part, shape) for part in parts], axis=place)


def stack_backward(dy: Array, y: Array, *parts: Array, axis: int) -> tuple[Array, ...]:
    """Return what stands at each part's place along the axis of dy."""
    before: tuple[Any, ...] = (slice(None),) * (axis % dy.ndim)
    return tuple(dy[(*before, i)] for i in range(len(parts)))


def expand_forward(x: Array, *, shape: Sequence[int]) -> Array:
    """Return x repeated along new axes before its own, and along those of one entry."""
    return np.broadcast_to(x, shape)


def expand_backward(dy: Array, y: Array, x: Array, *, shape: Sequence[int]) -> tuple[Array]:
    """Return dx: the sum over all places that an entry was repeated to."""
    return (sum_to_shape(dy, x.shape),)


def pad_forward(x: Array, *, width: Sequence[tuple[int, int]], value: float = 0) -> Array:
    """Return x with a value around it: width[i] says how often before and after it along axis i."""
    return np.pad(x, width, constant_values=value)


def pad_backward(
    dy: Array, y: Array, x: Array, *, width: Sequence[tuple[int, int]], value: float = 0
) -> tuple[Array]:
    """Return dx: dy without the padding."""
    return (dy[tuple(slice(w, w + n) for (w, _), n in zip(width, x.shape, strict=True))],)


concatenate = Op(concatenate_forward, concatenate_backward)
stack = Op(stack_forward, stack_backward)
expand = Op(expand_forward, expand_backward)
reshape = Op(reshape_forward, reshape_backward)
transpose = Op(transpose_forward, transpose_backward)
pad = Op(pad_forward, pad_backward)
