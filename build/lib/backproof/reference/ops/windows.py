"""Windows that slide over images: what convolution and pooling are made of.

Shapes: N images, C channels, H height, W width; K, L height and width of a window, P, Q how many
windows fit below and beside each other.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from backproof.reference.ops.op import Array


def pad(x: Array, padding: int, value: float = 0) -> Array:
    """Return x (N, C, H, W) with `padding` rows and columns of a value on all four sides."""
    if not padding:
        return x
    return np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2), constant_values=value)


def windows(x: Array, size: tuple[int, int], stride: int = 1, dilation: int = 1) -> Array:
    """Return a view (N, C, P, Q, K, L) of all windows of a size (K, L) over x (N, C, H, W).

    stride: rows and columns from one window to the next. dilation: from one entry of a window to
    the next.
    """
    span = tuple(dilation * (n - 1) + 1 for n in size)
    view = sliding_window_view(x, span, axis=(2, 3))
    return view[:, :, ::stride, ::stride, ::dilation, ::dilation]
