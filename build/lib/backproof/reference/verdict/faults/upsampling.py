"""Classical mistakes of upsampling: every entry of x (N, C, H, W) is repeated over a square."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import Op
from backproof.reference.verdict.faults.fault import Fault, in_backward, in_both


def upsample() -> Iterator[Fault]:
    """Yield the faults; S is the side of a square."""
    backward = partial(in_backward, "upsample", 0)

    def corner(dy: Any, y: Any, x: Any, *, scale_factor: int) -> Any:
        return dy[:, :, ::scale_factor, ::scale_factor]

    def squares(dy: Any, S: int) -> Any:
        N, C, P, Q = dy.shape
        return dy.reshape(N, C, P // S, S, Q // S, S)

    yield in_both(
        "upsample",
        "tiled",
        "what copies of the whole image side by side give",
        Op(_tiled, _tiled_back),
        "np.tile for np.repeat",
    )
    yield backward(
        "mean for sum",
        "the mean over the square, not its sum",
        lambda dy, y, x, *, scale_factor: (
            np.sum(squares(dy, scale_factor), axis=(3, 5)) / scale_factor**2
        ),
        "average pooling for the transpose",
    )
    yield backward("first entry alone", "dy of each square's first entry", corner, "downsampling")


def _tiled(x: Any, *, scale_factor: int) -> Any:
    wide = np.concatenate([x] * scale_factor, axis=3)
    return np.concatenate([wide] * scale_factor, axis=2)


def _tiled_back(dy: Any, y: Any, x: Any, *, scale_factor: int) -> tuple[Any]:
    N, C, H, W = x.shape
    tiles = dy.reshape(N, C, scale_factor, H, scale_factor, W)
    return (np.sum(tiles, axis=(2, 4)),)
