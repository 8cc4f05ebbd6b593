"""What the wrong functions of convolution are made of.

Shapes: x (N, C, H, W), kernels W (O, C/G, K, L), z and dz (N, O, P, Q).
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.convolution import input_cotangent, outputs, weight_gradient
from backproof.reference.ops.windows import pad


def settings(
    stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1
) -> tuple[int, int, int, int]:
    """Return the options, those that are not given too."""
    return stride, padding, dilation, groups


def dx(dz: Any, z: Any, x: Any, W: Any, *_: Any, **options: int) -> Any:
    """Return the cotangent of x, as it should be."""
    return input_cotangent(dz, W, x.shape, *settings(**options))


def dW(dz: Any, z: Any, x: Any, W: Any, *_: Any, **options: int) -> Any:
    """Return the gradient of W, as it should be."""
    stride, padding, dilation, groups = settings(**options)
    return weight_gradient(dz, pad(x, padding), W.shape, stride, dilation, groups)


def flipped(W: Any) -> Any:
    """Return kernels turned by 180 degrees."""
    return W[..., ::-1, ::-1]


def exchanged(W: Any, axes: tuple[int, int] = (0, 1)) -> Any:
    """Return W with two axes exchanged, and its entries read row by row in the old shape."""
    return np.swapaxes(W, *axes).reshape(*W.shape)


def shuffled(x: Any, groups: int) -> Any:
    """Return x with its channels dealt out to the groups in turn, not in blocks."""
    N, C, H, width = x.shape
    blocks = x.reshape(N, groups, C // groups, H, width)
    return np.swapaxes(blocks, 1, 2).reshape(N, C, H, width)


def shifted(x: Any, padding: int) -> Any:
    """Return x padded by one less above and on the left, and by one more on the other sides."""
    return pad(x, padding + 1)[:, :, 2:, 2:]


def undilated(x: Any, W: Any, *b: Any, dilation: int = 1, **options: int) -> Any:
    """Return z for a dilation of one, in the shape that the right one gives."""
    stride, padding, _, _ = settings(**options)
    P, Q = outputs(pad(x, padding).shape, W.shape, stride, dilation)
    z = OPS["conv2d"].forward(x, W, *b, **options)
    return z[:, :, :P, :Q]


def undilated_dW(dz: Any, z: Any, x: Any, W: Any, *b: Any, **options: int) -> Any:
    """Return dW for a dilation of one."""
    stride, padding, _, groups = settings(**options)
    rows, columns = (stride * (n - 1) + k for n, k in zip(dz.shape[2:], W.shape[2:], strict=True))
    seen = pad(x, padding)[:, :, :rows, :columns]
    return weight_gradient(dz, seen, W.shape, stride, 1, groups)


def late(dz: Any, z: Any, x: Any, W: Any, *_: Any, padding: int = 0, **options: int) -> Any:
    """Return dx, cut out of the padded image's one row and one column too early."""
    N, C, H, width = x.shape
    padded = np.zeros_like(x, shape=(N, C, H + 2 * padding, width + 2 * padding))
    whole = pad(dx(dz, z, padded, W, **options), 1)
    return whole[:, :, padding : padding + H, padding : padding + width]


def filled(
    dz: Any, z: Any, x: Any, W: Any, *_: Any, stride: int = 1, padding: int = 0, **options: int
) -> Any:
    """Return dx of dz with every entry repeated over a square of stride x stride."""
    repeated = np.repeat(np.repeat(dz, stride, axis=2), stride, axis=3)
    rows, columns = (n + 2 * padding for n in x.shape[2:])
    return dx(repeated[:, :, :rows, :columns], z, x, W, padding=padding, **options)
