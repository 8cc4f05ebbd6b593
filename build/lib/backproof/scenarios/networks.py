"""The networks that every framework is certified on."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from backproof.reference.article.figures import load
from backproof.reference.network import Network
from backproof.reference.networks import gpt, mlp, resnet, yolo
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array

SPECIAL = [0.0, 1e-8, -1e-8, 20.0, -20.0, 100.0, -100.0]
"""Deliberately extreme inputs: where derivatives vanish, saturate or underflow."""


def zeros(_: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights that are all zero."""
    return np.zeros(shape)


def equal(_: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights that are all the same: rows and columns can be mistaken for each other."""
    return np.full(shape, 0.75 / shape[0])


def saturating(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights so large that most units saturate."""
    return 8 * rng.standard_normal(shape)


def identity(_: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights that hand each input to one unit, so that it sees the input itself."""
    return np.eye(shape[0], shape[1])


def special(activation: str, seed: int) -> Network:
    """Return a network whose units are at the special points."""
    x = np.random.default_rng(seed).permutation(SPECIAL).reshape(7, 1) * np.ones((1, 3))
    sizes, loss = (3, 3, 2), "mean_squared_error"
    return mlp(sizes, activation, loss, seed=seed, weights=identity, inputs=x)


CASES: dict[str, Callable[[int], Network]] = {
    "article": lambda _: load().network,
    "32-64-64-10": lambda seed: mlp(
        (32, 64, 64, 10), "tanh", "softmax_cross_entropy", batch=8, seed=seed
    ),
    "784-1024-1024-10": lambda seed: mlp(
        (784, 1024, 1024, 10), "relu", "softmax_cross_entropy", batch=64, seed=seed
    ),
    "100-layers-of-64": lambda seed: mlp(
        (64,) * 101, "sigmoid", "half_squared_error", batch=4, seed=seed
    ),
    "a-million-neurons": lambda seed: mlp(
        (4, 1_000_000, 1), "relu", "mean_squared_error", batch=2, seed=seed
    ),
    "zero-weights": lambda seed: mlp((8, 16, 4), "tanh", batch=3, seed=seed, weights=zeros),
    "equal-weights": lambda seed: mlp((8, 8, 8, 8), batch=3, seed=seed, weights=equal),
    "saturated-sigmoid": lambda seed: mlp((8, 16, 4), batch=3, seed=seed, weights=saturating),
    "saturated-tanh": lambda seed: mlp(
        (8, 16, 4), "tanh", "softmax_cross_entropy", batch=3, seed=seed, weights=saturating
    ),
    "gpt": lambda seed: gpt(seed=seed),
    "gpt-fused-attention": lambda seed: gpt(1, attention="fused", seed=seed),
    "resnet-20": lambda seed: resnet(3, 8, batch=2, seed=seed),
    "yolo": lambda seed: yolo(seed=seed),
    **{f"special-{name}": partial(special, name) for name in ("sigmoid", "tanh", "relu")},
}
"""Name -> network of a seed."""

LARGE: dict[str, Callable[[int], Network]] = {
    "gpt-6-layers": lambda seed: gpt(6, 6, 384, context=64, vocabulary=1024, batch=4, seed=seed),
    "resnet-20-projection": lambda seed: resnet(3, shortcut="projection", seed=seed),
    "resnet-110": lambda seed: resnet(18, batch=4, seed=seed),
    "yolo-128-pixels": lambda seed: yolo(16, image=128, seed=seed),
}
"""The same recipes at sizes that take minutes, behind --large."""

LESS: dict[tuple[str, str], tuple[str, ...]] = {
    ("jax", "784-1024-1024-10"): ("float64", "float32"),
    **{("jax", name): ("float32",) for name in ("gpt", "gpt-fused-attention", "resnet-20", "yolo")},
}
"""Implementation and network -> its precisions, where compiling or running takes long; else all.

--large adds the others.
"""


def asked_of(names: Sequence[str], seeds: int, *, large: bool) -> Iterator[Any]:
    """Yield implementation, network's name, seed and precision, with readable ids."""
    cases = [*CASES, *(LARGE if large else ())]
    for case, seed, precision in product(cases, range(seeds), PRECISIONS):
        for name in names:  # innermost: one case's are run together
            if large or precision in LESS.get((name, case), PRECISIONS):
                readable = f"{case}-{seed}-{precision}-{name}"
                yield pytest.param(name, case, seed, precision, id=readable)
