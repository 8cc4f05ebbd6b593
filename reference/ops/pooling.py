"""Pooling and upsampling.

Shapes: N images, C channels, H, W height and width; P, Q those of the output; a window has
`kernel_size` rows and columns.
"""

from typing import Any

import numpy as np

from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.windows import pad, windows


def max_pool_forward(x: Array, *, kernel_size: int, stride: int, padding: int = 0) -> Array:
    """Return the largest entry of every window, (N, C, P, Q), for x (N, C, H, W).

    The padding is -infinity.
    """
    padded = pad(x, padding, -np.inf)
    return np.max(windows(padded, (kernel_size, kernel_size), stride), axis=(4, 5))


def max_pool_backward(
    dy: Array, y: Array, x: Array, *, kernel_size: int, stride: int, padding: int = 0
) -> tuple[Array]:
    """Return dx, (N, C, H, W).

    1. A window's maximum moves with its largest entry alone; of equal ones, with the first in
       reading order: the convention of PyTorch and JAX alike.
    2. An entry that is the largest of several windows receives from all of them.
    """
    seen = flat_windows(x, kernel_size, stride, padding)
    return (to_one(dy, np.argmax(seen, axis=-1), x, kernel_size, stride, padding),)


def max_pool_backward_last(
    dy: Array, y: Array, x: Array, *, kernel_size: int, stride: int, padding: int = 0
) -> tuple[Array]:
    """Return dx where the last of a window's equal largest entries receives all."""
    seen = flat_windows(x, kernel_size, stride, padding)
    return (to_one(dy, last_largest(seen), x, kernel_size, stride, padding),)


def max_pool_backward_shared(
    dy: Array, y: Array, x: Array, *, kernel_size: int, stride: int, padding: int = 0
) -> tuple[Array]:
    """Return dx where a window's equal largest entries share what it hands on.

    Each of equal entries alone is a subgradient, and so is every mean of subgradients.
    """
    seen = flat_windows(x, kernel_size, stride, padding)
    is_less = seen < np.max(seen, axis=-1, keepdims=True)
    count = np.sum(np.where(is_less, 0, np.ones_like(seen)), axis=-1, keepdims=True)
    is_alone = np.argmax(seen, axis=-1) == last_largest(seen)  # it receives dy itself, unrounded
    share = np.where(is_alone[..., None], dy[..., None], dy[..., None] / count)
    shares = np.where(is_less, 0, share)
    return (scattered(shares.reshape(*dy.shape, kernel_size, -1), x, stride, padding),)


def flat_windows(x: Array, kernel_size: int, stride: int, padding: int) -> Array:
    """Return the entries of every window in reading order, (N, C, P, Q, K K), padded with -inf."""
    seen = windows(pad(x, padding, -np.inf), (kernel_size, kernel_size), stride)
    return seen.reshape(*seen.shape[:4], kernel_size * kernel_size)


def last_largest(seen: Array) -> Array:
    """Return the place of the last of each window's equal largest entries, (N, C, P, Q)."""
    return seen.shape[-1] - 1 - np.argmax(seen[..., ::-1], axis=-1)


def to_one(dy: Array, place: Array, x: Array, kernel_size: int, stride: int, padding: int) -> Array:
    """Return dx, where each window hands dy on to its entry at a place (N, C, P, Q) alone."""
    N, C, P, Q = dy.shape
    row, column = np.divmod(place, kernel_size)
    n, c, p, q = np.indices((N, C, P, Q), sparse=True)
    dpadded = np.zeros_like(pad(x, padding))
    np.add.at(dpadded, (n, c, stride * p + row, stride * q + column), dy)
    return without_padding(dpadded, x, padding)


def scattered(shares: Array, x: Array, stride: int, padding: int) -> Array:
    """Return dx: what each window's entries receive (N, C, P, Q, K, K), added up in their places.

    An entry receives from every window that it is in.
    """
    N, C, P, Q, K, L = shares.shape
    n, c, p, q, row, column = np.indices((N, C, P, Q, K, L), sparse=True)
    dpadded = np.zeros_like(pad(x, padding))
    np.add.at(dpadded, (n, c, stride * p + row, stride * q + column), shares)
    return without_padding(dpadded, x, padding)


def without_padding(dpadded: Array, x: Array, padding: int) -> Array:
    """Return the part of an array (N, C, H + 2 padding, W + 2 padding) that x has."""
    return dpadded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def average_pool_forward(
    x: Array, *, kernel_size: int, stride: int, padding: int = 0, count_include_pad: bool = True
) -> Array:
    """Return the mean of every window, (N, C, P, Q), for x (N, C, H, W).

    count_include_pad: whether the zeros of the padding count as entries.
    """
    seen = windows(pad(x, padding), (kernel_size, kernel_size), stride)
    return np.sum(seen, axis=(4, 5)) / entries(
        x, kernel_size, stride, padding, include_pad=count_include_pad
    )


def average_pool_backward(
    dy: Array,
    y: Array,
    x: Array,
    *,
    kernel_size: int,
    stride: int,
    padding: int = 0,
    count_include_pad: bool = True,
) -> tuple[Array]:
    """Return dx, (N, C, H, W): a window's mean moves by 1/n with each of its n entries."""
    share = dy / entries(x, kernel_size, stride, padding, include_pad=count_include_pad)
    shape = (*dy.shape, kernel_size, kernel_size)
    return (scattered(np.broadcast_to(share[..., None, None], shape), x, stride, padding),)


def entries(x: Array, kernel_size: int, stride: int, padding: int, *, include_pad: bool) -> Any:
    """Return how many entries of each window count: one number, or an array (1, 1, P, Q)."""
    if include_pad:
        return kernel_size * kernel_size
    ones = pad(np.ones_like(x[:1, :1]), padding)
    return np.sum(windows(ones, (kernel_size, kernel_size), stride), axis=(4, 5))


def upsample_forward(x: Array, *, scale_factor: int) -> Array:
    """Return x with every entry repeated over a square of scale_factor, nearest neighbours."""
    return np.repeat(np.repeat(x, scale_factor, axis=2), scale_factor, axis=3)


def upsample_backward(dy: Array, y: Array, x: Array, *, scale_factor: int) -> tuple[Array]:
    """Return dx, (N, C, H, W): the sum over the square that an entry was repeated over."""
    N, C, H, W = x.shape
    squares = dy.reshape(N, C, H, scale_factor, W, scale_factor)
    return (np.sum(squares, axis=(3, 5)),)


max_pool = Op(
    max_pool_forward,
    max_pool_backward,
    forms={
        "the last of equal entries": Op(max_pool_forward, max_pool_backward_last),
        "shared among equal entries": Op(max_pool_forward, max_pool_backward_shared),
    },
)
average_pool = Op(average_pool_forward, average_pool_backward)
upsample = Op(upsample_forward, upsample_backward)
