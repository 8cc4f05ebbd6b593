"""The points at which ops are tried: ordinary ones, and those where derivatives are special."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from backproof.reference.ops import Array

Shape = tuple[int, ...]

SUBNORMAL = [1e-310, 1e-40, 1e-6]
"""Below the smallest normal number of float64; of float32 and bfloat16; of float16."""

SPECIAL = [
    0.0,
    *(sign * x for x in (1e-8, 0.005, 20, 30, 88, 100, 700, *SUBNORMAL) for sign in (1, -1)),
]
"""Where derivatives vanish, saturate, overflow or underflow."""

LARGEST = 50.0
"""The largest special point for ops that square: float16 holds its square."""

POSITIVE = [0.005, 0.01, 0.5, 1, 3, 20, 30, 88, 100, 700]
"""Numbers whose reciprocals and square roots are far from overflow, and those numbers' derivatives.

float16 holds the squares of these reciprocals.
"""

INSIDE = [0.0, *(sign * x for x in (0.005, 0.5, 0.875, 0.984375, *SUBNORMAL) for sign in (1, -1))]
"""Numbers between -1 and 1; bfloat16 holds the one that is nearest to 1."""

EXPONENT = 8.0
"""The largest special exponent: float16 holds e^EXPONENT, and sums of such numbers."""

CORNERS = [(0, 0, 1, 1), (1, 0, 2, 1), (0, 0, 4, 4), (8, 8, 9, 10), (0, 0, 8, 0.0625)]
"""Corners of boxes that touch, are nested, lie far apart, or are thin.

float16 holds the squares that derivatives take: of the ratio of their sides, and of the squared
diagonal of the box around two of them.
"""

OFFSET = 1e4
"""The mean of numbers of variance one: subtracting it cancels most of their digits."""

LARGE, SMALL = 1e15, 2.0**-6
"""Factors of normal numbers: float32 holds LARGE^2, but not LARGE^-3."""


def _points(rng: Generator, shape: Shape, points: str, most: float) -> Array:
    if points in CONSTANT:
        return np.full(shape, CONSTANT[points])
    if points == "special":
        size = int(np.prod(shape))
        return rng.permutation(np.resize(np.clip(SPECIAL, -most, most), size)).reshape(shape)
    factor, mean = NORMAL.get(points, (1, 0))
    return factor * rng.standard_normal(shape) + mean


CONSTANT = {"equal": 0.5, "zero": 0.0, "turn": 3.0}
"""Points -> the number that all entries are."""

NORMAL = {"offset": (1, OFFSET), "large": (LARGE, 0), "small": (SMALL, 0)}
"""Points -> the standard deviation and the mean of normal numbers; otherwise 1 and 0."""


def _positive(rng: Generator, shape: Shape, points: str, most: float) -> Array:
    """Return numbers above zero, for logarithms, roots and quotients."""
    if points == "special":
        return rng.permutation(np.resize(POSITIVE, int(np.prod(shape)))).reshape(shape)
    return np.abs(_points(rng, shape, points, most))


def _nonzero(rng: Generator, shape: Shape, points: str, most: float) -> Array:
    sizes = np.minimum(_positive(rng, shape, points, most), most)
    return sizes * rng.choice([-1, 1], shape)


def _inside(rng: Generator, shape: Shape, points: str, most: float) -> Array:
    """Return numbers between -1 and 1."""
    if points == "special":
        return rng.permutation(np.resize(INSIDE, int(np.prod(shape)))).reshape(shape)
    return np.tanh(_points(rng, shape, points, most))


def _exponents(rng: Generator, shape: Shape, points: str, most: float) -> Array:
    return np.clip(_points(rng, shape, points, most), -EXPONENT, EXPONENT)


def _weights(rng: Generator, shape: Shape, points: str, _: float) -> Array:
    return np.full(shape, 0.25) if points == "equal" else rng.standard_normal(shape)


def _probabilities(rng: Generator, shape: Shape, points: str, _: float) -> Array:
    if points == "special":
        return rng.integers(0, 2, shape).astype(float)
    return np.full(shape, 0.5) if points == "equal" else rng.random(shape)


def _distributions(rng: Generator, shape: Shape, points: str, _: float) -> Array:
    if points == "special":
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    return np.full(shape, 1 / shape[-1]) if points == "equal" else distributions(rng, shape)


def distributions(rng: Generator, shape: Shape) -> Array:
    """Return rows of probabilities whose sum is 1 in every precision: multiples of 1/64."""
    return rng.multinomial(64, np.full(shape[-1], 1 / shape[-1]), shape[:-1]) / 64


def matrices(rng: Generator, shape: Shape, *_: Any) -> Array:
    """Return matrices far from singular, whose rows elimination must exchange."""
    return np.roll(2 * np.eye(shape[-1]) + rng.standard_normal(shape) / 4, 1, axis=-2)


def triangles(rng: Generator, shape: Shape, *_: Any) -> Array:
    """Return matrices both of whose triangles are far from singular."""
    return 2 * np.eye(shape[-1]) + rng.standard_normal(shape) / 2


def definite(rng: Generator, shape: Shape, *_: Any) -> Array:
    """Return symmetric matrices with eigenvalues above zero."""
    a = rng.standard_normal(shape) / 4
    return 2 * np.eye(shape[-1]) + a + np.swapaxes(a, -1, -2)


def _boxes(rng: Generator, shape: Shape, points: str, _: float) -> Array:
    if points == "equal":
        return np.broadcast_to([0.25, 0.25, 0.75, 1.25], shape)
    if points == "special":  # touching, nested, far apart, thin, each with the next
        return np.array(CORNERS, float)
    low, size = rng.random((*shape[:-1], 2)), 0.25 + rng.random((*shape[:-1], 2))
    return np.concatenate([low, low + size], axis=-1)


def _targets(rng: Generator, shape: Shape, points: str, _: float) -> Array:
    """Boxes that share sides with the others, but are not the same."""
    if points == "equal":
        return np.broadcast_to([0.25, 0.25, 1.0, 1.25], shape)
    return np.roll(_boxes(rng, shape, points, _), 1, axis=0)


FILL: dict[str, Callable[..., Array]] = {
    "x": _points,
    "w": _weights,
    "positive": _positive,
    "nonzero": _nonzero,
    "exponent": _exponents,
    "inside": _inside,
    "matrix": matrices,
    "triangle": triangles,
    "definite": definite,
    "p": _probabilities,
    "distribution": _distributions,
    "box": _boxes,
    "target": _targets,
}
"""Kind of an input -> what draws it: (generator, shape, points, the largest special one)."""
