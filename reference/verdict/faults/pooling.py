"""Classical mistakes of pooling and upsampling.

Shapes: x (N, C, H, W), y and dy (N, C, P, Q); a window has K rows and columns. Upsampling repeats
every entry over a square of S x S.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.pooling import flat_windows, scattered
from backproof.reference.ops.windows import pad, windows
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    changing,
    forward,
    function,
)

dx = Cotangent()


def shared_out(share: Callable[[Any, Any], Any]) -> Wrong:
    """Give dx of dy shared out otherwise.

    share: d (N, C, P, Q, 1), and ones at the largest of a window's entries, (N, C, P, Q, K K) ->
    what each entry receives.
    """

    def backward(
        dy: Any, y: Any, x: Any, *, kernel_size: int, stride: int, padding: int = 0
    ) -> Any:
        seen = flat_windows(x, kernel_size, stride, padding)
        is_largest = np.where(y[..., None] > seen, 0, np.ones_like(dy[..., None]))
        shares = share(dy[..., None], is_largest)
        return scattered(shares.reshape(*y.shape, kernel_size, -1), x, stride, padding)

    return dx(backward)


def largest(x: Any, value: float, *, kernel_size: int, stride: int, padding: int = 0) -> Any:
    """Return the largest entry of every window, padded with a value."""
    return np.max(windows(pad(x, padding, value), (kernel_size, kernel_size), stride), axis=(4, 5))


MAX_POOL: Table = {
    ("all equal entries", "dy for each of a window's equal largest entries"): shared_out(
        lambda d, largest: d * largest
    ).known("a mask x == max(x)"),
    ("every entry of the window", "dy for all of a window's entries"): shared_out(
        lambda d, largest: d * np.ones_like(largest)
    ).known("no mask"),
    ("average pooling's gradient", "dy / K^2 for all of a window's entries"): shared_out(
        lambda d, largest: d * np.ones_like(largest) / largest.shape[-1]
    ).known("the other pooling"),
    ("padded with zeros", "the largest of each window, zeros of the padding among them"): forward(
        lambda x, **o: largest(x, 0, **o)
    ).known("what is padded must be smaller than all numbers"),
    ("minimum for maximum", "the smallest of each window"): forward(
        lambda x, **o: -largest(-x, -np.inf, **o)
    ).known("a comparison the wrong way round"),
}

AVERAGE_POOL: Table = {
    (
        "padding counted otherwise",
        "what the padding gives counted, or not, as it should not",
    ): changing(lambda o: {"count_include_pad": not o.get("count_include_pad", True)}).known(
        "count_include_pad"
    ),
    ("sum for mean", "the sum of every window"): forward(
        lambda x, **o: o["kernel_size"] ** 2 * OPS["average_pool"].forward(x, **o)
    ),
    ("1/n forgotten on the way back", "dy for every entry of the window, not dy / n"): dx.of_right(
        lambda right, dy, y, x, **o: right(o["kernel_size"] ** 2 * dy, y, x, **o)
    ),
    ("first entry alone", "dy for the first entry of the window"): dx(
        lambda dy, y, x, stride, padding=0, **_: scattered(dy[..., None, None], x, stride, padding)
    ).known("strided sampling for pooling"),
}


def tiled(x: Any, *, scale_factor: int) -> Any:
    """Return copies of the whole image side by side."""
    wide = np.concatenate([x] * scale_factor, axis=3)
    return np.concatenate([wide] * scale_factor, axis=2)


def tiled_back(dy: Any, y: Any, x: Any, *, scale_factor: int) -> tuple[Any]:
    """Return dx of the same."""
    N, C, H, W = x.shape
    return (np.sum(dy.reshape(N, C, scale_factor, H, scale_factor, W), axis=(2, 4)),)


UPSAMPLE: Table = {
    ("tiled", "what copies of the whole image side by side give"): function(
        tiled, tiled_back
    ).known("np.tile for np.repeat"),
    ("mean for sum", "the mean over the square, not its sum"): dx.then(
        lambda d, x, scale_factor: d / scale_factor**2
    ).known("average pooling for the transpose"),
    ("first entry alone", "dy of each square's first entry"): dx(
        lambda dy, y, x, scale_factor: dy[:, :, ::scale_factor, ::scale_factor]
    ).known("downsampling"),
}
