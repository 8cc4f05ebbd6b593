"""Pooling and upsampling, of images of any number of axes.

Shapes: N images, C channels, S the sides of an image, K those of a window, P how many windows fit
along each axis.
"""

from itertools import product
from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops.functions import constant
from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.reductions import last_largest, shared
from backproof.reference.ops.windows import Each, Padding, Windows, each, inner, sliding


def max_pool_forward(
    x: Array, *, kernel_size: Each, stride: Each, padding: Padding = 0, dilation: Each = 1
) -> Array:
    """Return the largest entry of every window, (N, C, P), for x (N, C, S).

    The padding is -infinity.
    """
    return np.max(flat_windows(x, over(x, kernel_size, stride, padding, dilation)), axis=-1)


def max_pool_backward(
    dy: Array,
    y: Array,
    x: Array,
    *,
    kernel_size: Each,
    stride: Each,
    padding: Padding = 0,
    dilation: Each = 1,
) -> tuple[Array]:
    """Return dx, (N, C, S).

    1. A window's maximum moves with its largest entry alone; of equal ones, with the first in
       reading order: the convention of PyTorch and JAX alike.
    2. An entry that is the largest of several windows receives from all of them.
    """
    seen = over(x, kernel_size, stride, padding, dilation)
    return (to_one(dy, np.argmax(flat_windows(x, seen), axis=-1), x, seen),)


def max_pool_backward_last(
    dy: Array,
    y: Array,
    x: Array,
    *,
    kernel_size: Each,
    stride: Each,
    padding: Padding = 0,
    dilation: Each = 1,
) -> tuple[Array]:
    """Return dx where the last of a window's equal largest entries receives all."""
    seen = over(x, kernel_size, stride, padding, dilation)
    return (to_one(dy, last_largest(flat_windows(x, seen)), x, seen),)


def max_pool_backward_shared(
    dy: Array,
    y: Array,
    x: Array,
    *,
    kernel_size: Each,
    stride: Each,
    padding: Padding = 0,
    dilation: Each = 1,
) -> tuple[Array]:
    """Return dx where a window's equal largest entries share what it hands on; see `shared`."""
    seen = over(x, kernel_size, stride, padding, dilation)
    return (scattered(shared(dy, flat_windows(x, seen)), x, seen),)


def over(
    x: Array, kernel_size: Each, stride: Each, padding: Padding = 0, dilation: Each = 1
) -> Windows:
    """Return how windows slide over x (N, C, S)."""
    return sliding(each(kernel_size, x.ndim - 2), stride, padding, dilation)


def flat_windows(x: Array, seen: Windows, value: float = -np.inf) -> Array:
    """Return the entries of every window in reading order, (N, C, P, K), padded with a value.

    K is one axis.
    """
    entries = seen.of(seen.pad(x, value))
    return entries.reshape(*entries.shape[: x.ndim], prod(seen.size))


def grid(shape: tuple[int, ...]) -> Any:
    """Return the index of every entry along each axis, in shapes that broadcast to a shape."""
    return np.indices(shape, sparse=True)


def to_one(dy: Array, place: Array, x: Array, seen: Windows) -> Array:
    """Return dx, where each window hands dy on to its entry at a place (N, C, P) alone."""
    n, c, *p = grid(dy.shape)
    dpadded = np.zeros_like(seen.pad(x))
    np.add.at(dpadded, (n, c, *seen.places(p, np.unravel_index(place, seen.size))), dy)
    return seen.crop(dpadded, x.shape[2:])


def scattered(shares: Array, x: Array, seen: Windows) -> Array:
    """Return dx: what each window's entries receive (N, C, P, K), added up in their places.

    K is one axis. An entry receives from every window that it is in.
    """
    n, c, *p, k = grid(shares.shape)
    dpadded = np.zeros_like(seen.pad(x))
    np.add.at(dpadded, (n, c, *seen.places(p, np.unravel_index(k, seen.size))), shares)
    return seen.crop(dpadded, x.shape[2:])


def average_pool_forward(
    x: Array,
    *,
    kernel_size: Each,
    stride: Each,
    padding: Padding = 0,
    count_include_pad: bool = True,
) -> Array:
    """Return the mean of every window, (N, C, P), for x (N, C, S).

    count_include_pad: whether the zeros of the padding count as entries.
    """
    seen = over(x, kernel_size, stride, padding)
    total = np.sum(flat_windows(x, seen, 0), axis=-1)
    return total / entries(x, seen, include_pad=count_include_pad)


def average_pool_backward(
    dy: Array,
    y: Array,
    x: Array,
    *,
    kernel_size: Each,
    stride: Each,
    padding: Padding = 0,
    count_include_pad: bool = True,
) -> tuple[Array]:
    """Return dx, (N, C, S): a window's mean moves by 1/n with each of its n entries."""
    seen = over(x, kernel_size, stride, padding)
    share = dy / entries(x, seen, include_pad=count_include_pad)
    shape = (*dy.shape, prod(seen.size))
    return (scattered(np.broadcast_to(share[..., None], shape), x, seen),)


def entries(x: Array, seen: Windows, *, include_pad: bool) -> Any:
    """Return how many entries of each window count: one number, or an array (1, 1, P)."""
    if include_pad:
        return prod(seen.size)
    ones = np.ones((1, 1, *np.shape(x)[2:]))
    return constant(np.sum(flat_windows(ones, seen, 0), axis=-1), x)


def adaptive_average_pool_forward(x: Array, *, output_size: Each) -> Array:
    """Return the mean of every cell, (N, C, P), for x (N, C, S) and P, the output size.

    Cell p of n entries reaches from entry floor(p n / P) to ceil((p + 1) n / P): cells may overlap.
    """
    size = each(output_size, x.ndim - 2)
    y = np.zeros_like(x, shape=(*x.shape[:2], *size))
    for place, cell in cells(x.shape[2:], size):
        part = x[inner(cell)]
        y[inner(place)] = np.sum(part, axis=tuple(range(2, x.ndim))) / prod(part.shape[2:])
    return y


def adaptive_average_pool_backward(
    dy: Array, y: Array, x: Array, *, output_size: Each
) -> tuple[Array]:
    """Return dx, (N, C, S): every entry of a cell of n receives dy / n from it."""
    shares, places = [], []
    where = np.arange(prod(x.shape[2:])).reshape(x.shape[2:])
    for place, cell in cells(x.shape[2:], dy.shape[2:]):
        inside = where[cell].reshape(-1)
        share = (dy[inner(place)] / inside.size)[..., None]
        shares.append(np.broadcast_to(share, (*x.shape[:2], inside.size)))
        places.append(inside)
    dx = np.zeros_like(x.reshape(*x.shape[:2], where.size))
    index: Any = (..., np.concatenate(places))
    np.add.at(dx, index, np.concatenate(shares, axis=-1))
    return (dx.reshape(*x.shape),)


def adaptive_max_pool_forward(x: Array, *, output_size: Each) -> Array:
    """Return the largest entry of every cell, (N, C, P), for x (N, C, S); cells as for the mean."""
    size = each(output_size, x.ndim - 2)
    y = np.zeros_like(x, shape=(*x.shape[:2], *size))
    for place, cell in cells(x.shape[2:], size):
        y[inner(place)] = np.max(x[inner(cell)], axis=tuple(range(2, x.ndim)))
    return y


def adaptive_max_pool_backward(dy: Array, y: Array, x: Array, *, output_size: Each) -> tuple[Array]:
    """Return dx, (N, C, S): dy to the largest entry of each cell; of equal ones, to the first."""
    where = np.arange(prod(x.shape[2:])).reshape(x.shape[2:])
    largest = np.zeros(dy.shape, int)
    for place, cell in cells(x.shape[2:], dy.shape[2:]):
        part = x[inner(cell)]
        first = np.argmax(part.reshape(*x.shape[:2], prod(part.shape[2:])), axis=-1)
        largest[inner(place)] = where[cell].reshape(-1)[first]
    n, c, *_ = grid(dy.shape)
    dx = np.zeros_like(x.reshape(*x.shape[:2], where.size))
    np.add.at(dx, (n, c, largest), dy)
    return (dx.reshape(*x.shape),)


def cells(sides: tuple[int, ...], size: tuple[int, ...]) -> Any:
    """Yield the place of every cell, p, and the index of its entries, one slice for each axis."""
    along = [
        [slice(p * n // P, -(-(p + 1) * n // P)) for p in range(P)]
        for n, P in zip(sides, size, strict=True)
    ]
    return zip(np.ndindex(*size), product(*along), strict=True)


def upsample_forward(x: Array, *, scale_factor: int) -> Array:
    """Return x with every entry repeated `scale_factor` times along each axis of an image."""
    for axis in range(2, x.ndim):
        x = np.repeat(x, scale_factor, axis=axis)
    return x


def upsample_backward(dy: Array, y: Array, x: Array, *, scale_factor: int) -> tuple[Array]:
    """Return dx, (N, C, S): the sum over the cells that an entry was repeated over."""
    sides = [n for side in x.shape[2:] for n in (side, scale_factor)]
    blocks = dy.reshape(*x.shape[:2], *sides)
    return (np.sum(blocks, axis=tuple(range(3, blocks.ndim, 2))),)


max_pool = Op(
    max_pool_forward,
    max_pool_backward,
    forms={
        "the last of equal entries": Op(max_pool_forward, max_pool_backward_last),
        "shared among equal entries": Op(max_pool_forward, max_pool_backward_shared),
    },
)
average_pool = Op(average_pool_forward, average_pool_backward)
adaptive_average_pool = Op(adaptive_average_pool_forward, adaptive_average_pool_backward)
adaptive_max_pool = Op(adaptive_max_pool_forward, adaptive_max_pool_backward)
upsample = Op(upsample_forward, upsample_backward)
