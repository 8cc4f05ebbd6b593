"""Classical mistakes of pooling and upsampling.

Shapes: x (N, C, S), y and dy (N, C, P); a window has K entries.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.pooling import cells, flat_windows, over, scattered
from backproof.reference.ops.windows import each, inner
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

    share: d (N, C, P, 1), and ones at the largest of a window's entries, (N, C, P, K) -> what each
    entry receives.
    """

    def backward(dy: Any, y: Any, x: Any, **options: Any) -> Any:
        seen = over(x, **options)
        is_less = y[..., None] > flat_windows(x, seen)
        is_largest = np.where(is_less, 0, np.ones_like(dy[..., None]))
        return scattered(share(dy[..., None], is_largest), x, seen)

    return dx(backward)


def largest(x: Any, value: float, **options: Any) -> Any:
    """Return the largest entry of every window, padded with a value."""
    return np.max(flat_windows(x, over(x, **options), value), axis=-1)


def size(x: Any, kernel_size: Any, **_: Any) -> int:
    """Return how many entries a window has."""
    return prod(each(kernel_size, x.ndim - 2))


MAX_POOL: Table = {
    ("all equal entries", "dy for each of a window's equal largest entries"): shared_out(
        lambda d, largest: d * largest
    ).known("a mask x == max(x)"),
    ("every entry of the window", "dy for all of a window's entries"): shared_out(
        lambda d, largest: d * np.ones_like(largest)
    ).known("no mask"),
    ("average pooling's gradient", "dy / K for all of a window's entries"): shared_out(
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
        lambda x, **o: size(x, **o) * OPS["average_pool"].forward(x, **o)
    ),
    ("1/n forgotten on the way back", "dy for every entry of the window, not dy / n"): dx.of_right(
        lambda right, dy, y, x, **o: right(size(x, **o) * dy, y, x, **o)
    ),
    ("first entry alone", "dy for the first entry of the window"): dx(
        lambda dy, y, x, count_include_pad=True, **o: scattered(dy[..., None], x, over(x, **o))
    ).known("strided sampling for pooling"),
}


def summed(x: Any, output_size: Any) -> Any:
    """Return the sum of every cell's entries."""
    sides = each(output_size, x.ndim - 2)
    y = np.zeros_like(x, shape=(*x.shape[:2], *sides))
    for place, cell in cells(x.shape[2:], sides):
        y[inner(place)] = np.sum(x[inner(cell)], axis=tuple(range(2, x.ndim)))
    return y


def received(dy: Any, x: Any, share: Callable[[Any], Any]) -> Any:
    """Return dx where the entries of a cell receive dy times a share: of places -> numbers."""
    received = np.zeros_like(x)
    for place, cell in cells(x.shape[2:], dy.shape[2:]):
        shares = share(np.ones(x[inner(cell)].shape))
        d = dy[(*inner(place), *(None for _ in cell))]
        received[inner(cell)] = received[inner(cell)] + d * shares
    return received


def first(ones: Any) -> Any:
    """Return zeros with a one at the first place of each image."""
    found = 0 * ones
    found[inner(0 for _ in ones.shape[2:])] = 1
    return found


ADAPTIVE_AVERAGE_POOL: Table = {
    ("sum for mean", "the sum of every cell"): forward(summed),
    ("largest for mean", "the largest entry of every cell"): forward(
        OPS["adaptive_max_pool"].forward
    ).known("the other pooling"),
    ("dy for every entry", "dy of every cell an entry is in, not dy / n"): dx(
        lambda dy, y, x, output_size: received(dy, x, np.ones_like)
    ),
    ("first entry alone", "dy for the first entry of each cell"): dx(
        lambda dy, y, x, output_size: received(dy, x, first)
    ).known("strided sampling for pooling"),
}

ADAPTIVE_MAX_POOL: Table = {
    ("mean for largest", "the mean of every cell"): forward(
        OPS["adaptive_average_pool"].forward
    ).known("the other pooling"),
    ("minimum for maximum", "the smallest of each cell"): forward(
        lambda x, **o: -OPS["adaptive_max_pool"].forward(-x, **o)
    ).known("a comparison the wrong way round"),
    ("every entry of the cell", "dy for all of a cell's entries"): dx(
        lambda dy, y, x, output_size: received(dy, x, np.ones_like)
    ).known("no mask"),
    ("first entry alone", "dy for the first entry of each cell"): dx(
        lambda dy, y, x, output_size: received(dy, x, first)
    ),
}


def tiled(x: Any, *, scale_factor: int) -> Any:
    """Return copies of the whole image side by side."""
    for axis in range(2, x.ndim):
        x = np.concatenate([x] * scale_factor, axis=axis)
    return x


def tiled_back(dy: Any, y: Any, x: Any, *, scale_factor: int) -> tuple[Any]:
    """Return dx of the same."""
    sides = [n for side in x.shape[2:] for n in (scale_factor, side)]
    blocks = dy.reshape(*x.shape[:2], *sides)
    return (np.sum(blocks, axis=tuple(range(2, blocks.ndim, 2))),)


UPSAMPLE: Table = {
    ("tiled", "what copies of the whole image side by side give"): function(
        tiled, tiled_back
    ).known("np.tile for np.repeat"),
    ("mean for sum", "the mean over the cell, not its sum"): dx.then(
        lambda d, x, scale_factor: d / scale_factor ** (x.ndim - 2)
    ).known("average pooling for the transpose"),
    ("first entry alone", "dy of each cell's first entry"): dx(
        lambda dy, y, x, scale_factor: dy[
            inner(slice(None, None, scale_factor) for _ in x.shape[2:])
        ]
    ).known("downsampling"),
}
