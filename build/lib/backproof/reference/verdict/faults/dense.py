"""Classical mistakes of a dense layer.

Shapes: x (B, I), B any number of axes, W (I, O), b (O,), () or left out, z and dz (B, O).
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops.dense import dense_forward, weight_gradient
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.verdict.faults.fault import Fault, in_backward, in_forward

LEARNING_RATE = 0.5
"""The article's: for the fault that moves the weights before it is done with them."""

forward = partial(in_forward, "dense")
backward = partial(in_backward, "dense")


def dense() -> Iterator[Fault]:
    """Yield the faults."""
    yield from values()
    yield from input_cotangents()
    yield from weight_gradients()
    yield from bias_gradients()


def values() -> Iterator[Fault]:
    """Yield the faults of z."""
    yield forward("bias forgotten", "x W, without b", lambda x, W, b: x @ W, inputs=3)
    yield forward("bias subtracted", "x W - b", lambda x, W, b: x @ W - b, inputs=3)
    yield forward("bias added twice", "x W + 2 b", lambda x, W, b: x @ W + 2 * b, inputs=3)
    yield forward(
        "weights untransposed",
        "x W with W read row by row as if it were W^T",
        lambda x, W, *b: dense_forward(x, W.T.reshape(*W.shape), *b),
        "layers that store (O, I) against layers that store (I, O)",
    )


def input_cotangents() -> Iterator[Fault]:
    """Yield the faults of dx."""

    def updated(dz: Any, _: Any, x: Any, W: Any, *b: Any) -> Any:
        return dz @ (W - LEARNING_RATE * weight_gradient(dz, x)).T

    yield backward(
        0,
        "weights updated before they propagate",
        "dz (W - eta dW)^T instead of dz W^T",
        updated,
        "carried in the printed results of M. Mazur, A Step by Step Backpropagation Example (2015)",
    )
    yield backward(
        0,
        "weights untransposed on the way back",
        "dz W with W read row by row, instead of dz W^T",
        lambda dz, z, x, W, *b: dz @ W.reshape(*W.shape[::-1]),
    )
    yield backward(
        0,
        "input gradient detached",
        "zero",
        lambda dz, z, x, W, *b: 0 * (dz @ W.T),
        "a stray detach() or stop_gradient",
    )
    yield backward(
        0,
        "only one output counted",
        "what the first output alone sends back",
        lambda dz, z, x, W, *b: dz[..., :1] @ W[:, :1].T,
    )
    yield backward(
        0,
        "weights' size propagated",
        "dz |W|^T instead of dz W^T",
        lambda dz, z, x, W, *b: dz @ np.abs(W).T,
    )


def weight_gradients() -> Iterator[Fault]:
    """Yield the faults of dW."""
    yield backward(
        1,
        "outer product the wrong way round",
        "dz^T x, read as (I, O)",
        lambda dz, z, x, W, *b: weight_gradient(x, dz).reshape(*W.shape),
    )
    yield backward(
        1,
        "mean for sum over the batch",
        "x^T dz / B",
        lambda dz, z, x, W, *b: weight_gradient(dz, x) / x.shape[0],
    )
    yield backward(
        1,
        "only the first example counted",
        "x^T dz of the first example",
        lambda dz, z, x, W, *b: weight_gradient(dz[:1], x[:1]),
    )
    yield backward(
        1,
        "weight decay slipped in",
        "x^T dz + W",
        lambda dz, z, x, W, *b: weight_gradient(dz, x) + W,
    )
    yield backward(
        1,
        "weight gradient forgotten",
        "zero",
        lambda dz, z, x, W, *b: 0 * weight_gradient(dz, x),
    )


def bias_gradients() -> Iterator[Fault]:
    """Yield the faults of db."""
    yield backward(
        2,
        "bias gradient not summed over the batch",
        "dz of the first example",
        lambda dz, z, x, W, b: sum_to_shape(dz[:1], b.shape),
    )
    yield backward(
        2,
        "bias gradient averaged over the batch",
        "the sum of dz / B",
        lambda dz, z, x, W, b: sum_to_shape(dz, b.shape) / x.shape[0],
    )
    yield backward(
        2,
        "bias gradient added twice",
        "twice the sum of dz",
        lambda dz, z, x, W, b: 2 * sum_to_shape(dz, b.shape),
    )
    yield backward(
        2, "bias gradient forgotten", "zero", lambda dz, z, x, W, b: 0 * sum_to_shape(dz, b.shape)
    )
