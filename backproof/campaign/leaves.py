"""The leaves of random graphs: kinds of numbers, what fills them, and whether a value is one."""

from collections.abc import Callable
from functools import partial

import numpy as np

from backproof.reference.ops import Array
from backproof.scenarios.points import (
    LARGEST,
    SPECIAL,
    definite,
    distributions,
    matrices,
    triangles,
)

Shape = tuple[int, ...]

Fill = Callable[[np.random.Generator, Shape], Array]


def _boxes(rng: np.random.Generator, shape: Shape, *, ties: bool) -> Array:
    half = (*shape[:-1], 2)
    low = rng.integers(0, 3, half) if ties else rng.random(half)
    size = rng.integers(1, 3, half) if ties else 0.25 + rng.random(half)
    return np.concatenate([low, low + size], axis=-1)


FILL: dict[str, dict[str, Fill]] = {
    "x": {
        "equal": lambda _, shape: np.full(shape, 0.5),
        "zero": lambda _, shape: np.zeros(shape),
        "ties": lambda rng, shape: rng.integers(-1, 2, shape),
        "mask": lambda rng, shape: rng.integers(0, 2, shape),
        "normal": lambda rng, shape: rng.standard_normal(shape),
        "small": lambda rng, shape: rng.standard_normal(shape) * 2.0**-20,
        "special": lambda rng, shape: rng.choice(SPECIAL, shape),
    },
    "p": {
        "equal": lambda _, shape: np.full(shape, 0.5),
        "mask": lambda rng, shape: rng.integers(0, 2, shape),
        "random": lambda rng, shape: rng.random(shape),
    },
    "distribution": {
        "one-hot": lambda rng, shape: np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])],
        "random": distributions,
    },
    "box": {
        "equal": lambda _, shape: np.broadcast_to([0.25, 0.25, 0.75, 1.25], shape),
        "ties": lambda rng, shape: _boxes(rng, shape, ties=True),
        "random": lambda rng, shape: _boxes(rng, shape, ties=False),
    },
    "positive": {
        "equal": lambda _, shape: np.full(shape, 0.5),
        "normal": lambda rng, shape: 2.0**-6 + np.abs(rng.standard_normal(shape)),
    },
    "c": {"normal": lambda rng, shape: rng.standard_normal(shape) / 8},
}
"""Kind of a leaf -> what may fill it.

There are numbers, probabilities, distributions, boxes, positive and nonzero numbers, weights,
exponents, whose powers do not overflow, numbers between -1 and 1, and matrices that equations have.
"""
FILL["exponent"] = {content: fill for content, fill in FILL["x"].items() if content != "special"}


def signed(fill: Fill, rng: np.random.Generator, shape: Shape) -> Array:
    """Return numbers of both signs."""
    return fill(rng, shape) * rng.choice([-1, 1], shape)


def inside(fill: Fill, rng: np.random.Generator, shape: Shape) -> Array:
    """Return numbers between -1 and 1."""
    return np.tanh(fill(rng, shape))


FILL["nonzero"] = {content: partial(signed, fill) for content, fill in FILL["positive"].items()}
FILL["inside"] = {content: partial(inside, fill) for content, fill in FILL["exponent"].items()}
MATRICES = {"matrix": matrices, "triangle": triangles, "definite": definite}
FILL |= {kind: {"random": fill} for kind, fill in MATRICES.items()}


def is_box(a: Array) -> bool:
    """Return whether these are boxes whose sides are all at least 1/16."""
    if a.ndim != 2 or a.shape[-1] != 4 or np.max(np.abs(a)) > LARGEST:
        return False
    return bool(np.all(a[:, 2:] - a[:, :2] >= 1 / 16))


def is_distribution(a: Array) -> bool:
    """Return whether rows are probabilities whose sum is 1 in every precision."""
    return bool(np.all((a >= 0) & (64 * a % 1 == 0)) and np.all(np.sum(a, axis=-1) == 1))


WITHIN: dict[str, Callable[[Array], bool]] = {
    "positive": lambda a: bool(np.all(a > 2.0**-7)),
    "nonzero": lambda a: bool(np.all(np.abs(a) > 2.0**-7)),
    "x": lambda _: True,
    "exponent": lambda a: bool(np.all(np.abs(a) < 8)),
    "inside": lambda a: bool(np.all(np.abs(a) < 63 / 64)),
    **dict.fromkeys(MATRICES, lambda _: False),  # a new one each time
    "p": lambda a: bool(np.all((a >= 0) & (a <= 1))),
    "distribution": is_distribution,
    "box": is_box,
}
"""Kind -> whether a value is of that kind."""
