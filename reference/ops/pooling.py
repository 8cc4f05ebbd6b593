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
    padded = pad(x, padding, -np.inf)
    seen = windows(padded, (kernel_size, kernel_size), stride)
    N, C, P, Q = dy.shape
    first = np.argmax(seen.reshape(N, C, P, Q, -1), axis=-1)
    row, column = np.divmod(first, kernel_size)
    n, c, p, q = np.indices((N, C, P, Q), sparse=True)
    dpadded = np.zeros_like(padded)
    np.add.at(dpadded, (n, c, stride * p + row, stride * q + column), dy)
    return (dpadded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]],)


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
    """Return dx, (N, C, H, W).

    1. A window's mean moves by 1/n with each of its n entries.
    2. An entry receives from every window that it is in.
    """
    N, C, P, Q = dy.shape
    share = dy / entries(x, kernel_size, stride, padding, include_pad=count_include_pad)
    n, c, p, q, row, column = np.indices((N, C, P, Q, kernel_size, kernel_size), sparse=True)
    dpadded = np.zeros_like(pad(x, padding))
    np.add.at(
        dpadded,
        (n, c, stride * p + row, stride * q + column),
        np.broadcast_to(share[..., None, None], (N, C, P, Q, kernel_size, kernel_size)),
    )
    return (dpadded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]],)


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


max_pool = Op(max_pool_forward, max_pool_backward)
average_pool = Op(average_pool_forward, average_pool_backward)
upsample = Op(upsample_forward, upsample_backward)
