"""Windows that slide over images of any number of axes: what convolution and pooling are made of.

Shapes: N images, C channels, S the sides of an image (length; height, width; depth, height, width);
K the sides of a window; P how many windows fit along each axis.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from backproof.reference.ops.op import Array

Each = int | Sequence[int]
"""A number for every axis, or one for each."""

Padding = int | Sequence[int | tuple[int, int]]
"""How many entries are added on both sides of every axis, or of each; or before it and after it."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How windows slide over images; one number for each axis of an image.

    size:     the sides of a window.
    stride:   the entries from one window to the next.
    padding:  how many entries are added before and after an image.
    dilation: the entries from one entry of a window to the next.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @property
    def axes(self) -> range:
        """The axes of an image, among those of x (N, C, S)."""
        return range(2, 2 + len(self.size))

    @property
    def span(self) -> tuple[int, ...]:
        """How many entries of an image a window reaches over, with the gaps between its own."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.size, self.dilation, strict=True))

    def pad(self, x: Array, value: float = 0) -> Array:
        """Return x (N, C, S) with the padding, of a value."""
        if not any(map(any, self.padding)):
            return x
        return np.pad(x, ((0, 0), (0, 0), *self.padding), constant_values=value)

    def crop(self, padded: Array, sides: tuple[int, ...]) -> Array:
        """Return an array with the padding without it; sides: S."""
        starts = [before for before, _ in self.padding]
        return padded[inner(slice(a, a + n) for a, n in zip(starts, sides, strict=True))]

    def of(self, padded: Array) -> Array:
        """Return a view (N, C, P, K) of all windows over padded images."""
        view = sliding_window_view(padded, self.span, axis=tuple(self.axes))
        steps = [slice(None, None, n) for n in (*self.stride, *self.dilation)]
        return view[(slice(None), slice(None), *steps)]

    def count(self, sides: tuple[int, ...]) -> tuple[int, ...]:
        """Return P, how many windows fit along each axis of padded images."""
        return tuple(
            (n - reach) // s + 1 for n, reach, s in zip(sides, self.span, self.stride, strict=True)
        )

    def places(self, window: Sequence[Array], entry: Sequence[Array]) -> tuple[Array, ...]:
        """Return the index into the padded sides of an entry (one array per axis) of windows."""
        return tuple(
            s * p + d * k
            for s, p, d, k in zip(self.stride, window, self.dilation, entry, strict=True)
        )


def inner(parts: Iterable[int | slice]) -> Any:
    """Return the index of some entries of images (N, C, S): a part for each of their axes."""
    return (..., *parts)


def sliding(
    size: Sequence[int], stride: Each = 1, padding: Padding = 0, dilation: Each = 1
) -> Windows:
    """Return windows of a size (K), from options that may be one number for every axis."""
    n = len(size)
    pairs = [(p, p) if isinstance(p, int) else (p[0], p[1]) for p in each(padding, n)]
    return Windows(tuple(size), each(stride, n), tuple(pairs), each(dilation, n))


def each(option: Any, axes: int) -> tuple[Any, ...]:
    """Return an option for each of so many axes."""
    return (option,) * axes if isinstance(option, int) else tuple(option)
