"""What the wrong functions of convolution are made of.

Shapes: x (N, C, S), kernels W (O, C/G, K), z and dz (N, O, P), each of S, K, P of as many axes.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.convolution import input_cotangent, weight_gradient
from backproof.reference.ops.windows import Windows, inner, sliding


def settings(W: Any, groups: int = 1, **options: Any) -> tuple[Windows, int]:
    """Return how windows slide, and the groups, for all options, those that are not given too."""
    return sliding(W.shape[2:], **options), groups


def dx(dz: Any, z: Any, x: Any, W: Any, *_: Any, **options: Any) -> Any:
    """Return the cotangent of x, as it should be."""
    return input_cotangent(dz, W, x.shape, *settings(W, **options))


def dW(dz: Any, z: Any, x: Any, W: Any, *_: Any, **options: Any) -> Any:
    """Return the gradient of W, as it should be."""
    seen, groups = settings(W, **options)
    return weight_gradient(dz, seen.pad(x), W.shape, seen, groups)


def flipped(W: Any) -> Any:
    """Return kernels turned by 180 degrees."""
    return W[(slice(None), slice(None), *(slice(None, None, -1) for _ in W.shape[2:]))]


def exchanged(W: Any, axes: tuple[int, int] = (0, 1)) -> Any:
    """Return W with two axes exchanged, and its entries read row by row in the old shape."""
    return np.swapaxes(W, *axes).reshape(*W.shape)


def shuffled(x: Any, groups: int) -> Any:
    """Return x with its channels dealt out to the groups in turn, not in blocks."""
    N, C, *sides = x.shape
    blocks = x.reshape(N, groups, C // groups, *sides)
    return np.swapaxes(blocks, 1, 2).reshape(*x.shape)


def shifted(x: Any, W: Any, padding: Any) -> Any:
    """Return x padded by one less before and one more after along each axis."""
    around = sliding(W.shape[2:], padding=padding).padding
    wider = sliding(W.shape[2:], padding=[(a + 1, b + 1) for a, b in around]).pad(x)
    return wider[inner(slice(2, None) for _ in around)]


def undilated(x: Any, W: Any, *b: Any, dilation: Any = 1, **options: Any) -> Any:
    """Return z for a dilation of one, in the shape that the right one gives."""
    seen, _ = settings(W, dilation=dilation, **options)
    z = OPS["conv"].forward(x, W, *b, **options)
    return z[inner(map(slice, seen.count(seen.pad(x).shape[2:])))]


def undilated_dW(dz: Any, z: Any, x: Any, W: Any, *b: Any, **options: Any) -> Any:
    """Return dW for a dilation of one."""
    seen, groups = settings(W, **options)
    close = replace(seen, dilation=(1,) * len(seen.size))
    sides = (s * (n - 1) + k for s, n, k in zip(seen.stride, dz.shape[2:], seen.size, strict=True))
    return weight_gradient(dz, seen.pad(x)[inner(map(slice, sides))], W.shape, close, groups)


def late(dz: Any, z: Any, x: Any, W: Any, *_: Any, **options: Any) -> Any:
    """Return dx, cut out of the padded image's one row and one column too early."""
    seen, groups = settings(W, **options)
    nothing = sliding(seen.size, seen.stride, 0, seen.dilation)
    padded = input_cotangent(dz, W, seen.pad(x).shape, nothing, groups)
    whole = sliding(seen.size, padding=1).pad(padded)
    return seen.crop(whole, x.shape[2:])


def filled(dz: Any, z: Any, x: Any, W: Any, *_: Any, **options: Any) -> Any:
    """Return dx of dz with every entry repeated over the stride along each axis."""
    seen, groups = settings(W, **options)
    repeated = dz
    for axis, n in zip(seen.axes, seen.stride, strict=True):
        repeated = np.repeat(repeated, n, axis=axis)
    repeated = repeated[inner(map(slice, seen.pad(x).shape[2:]))]
    one = replace(seen, stride=(1,) * len(seen.size))
    return input_cotangent(repeated, W, x.shape, one, groups)
