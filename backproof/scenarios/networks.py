"""The networks that every framework is certified on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.reference.article.figures import load
from backproof.reference.network import Network
from backproof.reference.networks import gpt, mlp, resnet, yolo
from backproof.reference.networks.build import Builder
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.scenarios.scenario import BOTH, EVERY, EVERY_IF_LARGE, ONCE, Scenario, seeded, table

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


def used_twice(*, seed: int) -> Network:
    """Return a convolution c that two ops use, relu(c) + max_pool(c): a compiler fuses all three.

    Shapes: x (2, 2, 6, 6), c and what follows (2, 3, 6, 6).
    """
    g = Builder(np.random.default_rng(seed))
    x, kernel = (
        g.input("x", g.rng.standard_normal((2, 2, 6, 6))),
        g.normal("W", 3, 2, 3, 3, scale=1),
    )
    g.node("c", "conv", x, kernel, g.near("b", 3), padding=1)
    g.node("relu", "relu", "c")
    g.node("pooled", "max_pool", "c", kernel_size=3, stride=1, padding=1)
    g.node("y", "add", "relu", "pooled")
    g.node("E", "half_squared_error", "y", g.input("t", g.rng.standard_normal((2, 3, 6, 6))))
    return g.network("conv-used-twice")


LESS = {"compiled": replace(BOTH, large=EVERY.always)}
LEAST = {"compiled": replace(ONCE, large=EVERY.always)}
"""Where compiling takes long: fewer precisions, and all of them with --large."""

CASES = table(
    Scenario("article", lambda *_: load().network),
    Scenario(
        "32-64-64-10", seeded(mlp, (32, 64, 64, 10), "tanh", "softmax_cross_entropy", batch=8)
    ),
    Scenario(
        "784-1024-1024-10",
        seeded(mlp, (784, 1024, 1024, 10), "relu", "softmax_cross_entropy", batch=64),
        exceptions=LESS,
    ),
    Scenario(
        "100-layers-of-64", seeded(mlp, (64,) * 101, "sigmoid", "half_squared_error", batch=4)
    ),
    Scenario(
        "a-million-neurons", seeded(mlp, (4, 1_000_000, 1), "relu", "mean_squared_error", batch=2)
    ),
    Scenario("zero-weights", seeded(mlp, (8, 16, 4), "tanh", batch=3, weights=zeros)),
    Scenario("equal-weights", seeded(mlp, (8, 8, 8, 8), batch=3, weights=equal)),
    Scenario("saturated-sigmoid", seeded(mlp, (8, 16, 4), batch=3, weights=saturating)),
    Scenario(
        "saturated-tanh",
        seeded(mlp, (8, 16, 4), "tanh", "softmax_cross_entropy", batch=3, weights=saturating),
    ),
    Scenario("gpt", seeded(gpt), exceptions=LEAST),
    Scenario("gpt-fused-attention", seeded(gpt, 1, attention="fused"), exceptions=LEAST),
    Scenario("resnet-20", seeded(resnet, 3, 8, batch=2), exceptions=LEAST),
    Scenario("yolo", seeded(yolo), exceptions=LEAST),
    Scenario("conv-used-twice", seeded(used_twice), exceptions=LESS),
    *(
        Scenario(f"special-{name}", seeded(special, name), exceptions=LESS)
        for name in ("sigmoid", "tanh", "relu")
    ),
    # The same recipes at sizes that take minutes.
    Scenario(
        "gpt-6-layers", seeded(gpt, 6, 6, 384, context=64, vocabulary=1024, batch=4), EVERY_IF_LARGE
    ),
    Scenario("resnet-20-projection", seeded(resnet, 3, shortcut="projection"), EVERY_IF_LARGE),
    Scenario("resnet-110", seeded(resnet, 18, batch=4), EVERY_IF_LARGE),
    Scenario("yolo-128-pixels", seeded(yolo, 16, image=128), EVERY_IF_LARGE),
)
"""Name -> scenario."""


def parameters(names: Sequence[str], seeds: int, *, large: bool) -> Iterator[Any]:
    """Yield implementation, scenario's name, seed and precision, with readable ids."""
    for case, seed, precision in product(CASES, range(seeds), PRECISIONS):
        for name in names:  # innermost: one case's runs stand together
            if precision in CASES[case].precisions(Column(name), large=large):
                readable = f"{case}-{seed}-{precision}-{name}"
                yield pytest.param(name, case, seed, precision, id=readable)
