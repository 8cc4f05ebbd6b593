"""Multilayer perceptrons, built from sizes and a seed."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from backproof.reference.network import Network, Node
from backproof.reference.ops import Array

Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
"""Makes an array of a shape, float64."""


def scaled(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw normal numbers of variance 1 / inputs, which keeps activations near one in size."""
    return rng.standard_normal(shape) / np.sqrt(shape[0])


def mlp(
    sizes: Sequence[int],
    activation: str = "sigmoid",
    loss: str = "half_squared_error",
    *,
    batch: int = 1,
    seed: int = 0,
    weights: Draw = scaled,
    inputs: Any = None,
) -> Network:
    """Return a multilayer perceptron: dense layers of `sizes` neurons, the last one linear.

    sizes:      of the inputs, each hidden layer, the outputs.
    activation: after each hidden layer: "sigmoid", "tanh" or "relu".
    loss:       "half_squared_error", "mean_squared_error" or "softmax_cross_entropy"; the last
                has one-hot targets, the others normal ones.
    batch:      B, the number of examples.
    seed:       of everything that is drawn.
    weights:    draws each layer's weights (I, O).
    inputs:     x, (B, I); drawn from the normal distribution where None.
    """
    rng = np.random.default_rng(seed)
    parameters: dict[str, Array] = {}
    nodes: list[Node] = []
    last, layers = "x", list(pairwise(sizes))
    for n, shape in enumerate(layers, start=1):
        parameters[f"W{n}"] = weights(rng, shape)
        parameters[f"b{n}"] = rng.standard_normal(shape[1]) / 8
        nodes.append(Node(f"net{n}", "dense", (last, f"W{n}", f"b{n}")))
        last = f"net{n}"
        if n < len(layers):
            nodes.append(Node(f"out{n}", activation, (last,)))
            last = f"out{n}"
    nodes.append(Node("E", loss, (last, "t")))
    x = rng.standard_normal((batch, sizes[0])) if inputs is None else np.asarray(inputs, float)
    if loss == "softmax_cross_entropy":
        t = np.eye(sizes[-1])[rng.integers(sizes[-1], size=x.shape[0])]
    else:
        t = rng.standard_normal((x.shape[0], sizes[-1]))
    shape_of = "-".join(map(str, sizes))
    return Network(shape_of, {"x": x, "t": t}, parameters, tuple(nodes), frozenset(parameters))
