"""Classical mistakes of a dense layer.

Shapes: x (B, I), W (I, O), b (O,) or (), z and dz (B, O).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from reference.ops.op import sum_to_shape
from reference.verdict.faults.fault import COMMON, Fault, in_backward, in_forward

LEARNING_RATE = 0.5
"""The article's: for the fault that moves the weights before it is done with them."""


def dense() -> Iterator[Fault]:
    """Yield the faults."""

    def propagated(dz: Any, _: Any, x: Any, W: Any, b: Any) -> Any:
        return dz @ (W - LEARNING_RATE * (x.T @ dz)).T

    def backward(position: int, name: str, gives: str, wrong: Any, source: str = COMMON) -> Fault:
        return in_backward("dense", position, name, gives, wrong, source)

    yield in_forward("dense", "bias forgotten", "x W, without b", lambda x, W, b: x @ W, COMMON)
    yield in_forward("dense", "bias subtracted", "x W - b", lambda x, W, b: x @ W - b, COMMON)
    yield in_forward(
        "dense", "bias added twice", "x W + 2 b", lambda x, W, b: x @ W + 2 * b, COMMON
    )
    yield in_forward(
        "dense",
        "weights untransposed",
        "x W with W read row by row as if it were W^T",
        lambda x, W, b: x @ W.T.reshape(*W.shape) + b,
        "layers that store (O, I) against layers that store (I, O)",
    )
    yield backward(
        0,
        "weights updated before they propagate",
        "dz (W - eta dW)^T instead of dz W^T",
        propagated,
        "carried in the printed results of M. Mazur, A Step by Step Backpropagation Example (2015)",
    )
    yield backward(
        0,
        "weights untransposed on the way back",
        "dz W with W read row by row, instead of dz W^T",
        lambda dz, z, x, W, b: dz @ W.reshape(*W.shape[::-1]),
    )
    yield backward(
        0,
        "input gradient detached",
        "zero",
        lambda dz, z, x, W, b: 0 * (dz @ W.T),
        "a stray detach() or stop_gradient",
    )
    yield backward(
        0,
        "only one output counted",
        "what the first output alone sends back",
        lambda dz, z, x, W, b: dz[:, :1] @ W[:, :1].T,
    )
    yield backward(
        0,
        "weights' size propagated",
        "dz |W|^T instead of dz W^T",
        lambda dz, z, x, W, b: dz @ np.abs(W).T,
    )
    yield backward(
        1,
        "outer product the wrong way round",
        "dz^T x, read as (I, O)",
        lambda dz, z, x, W, b: (dz.T @ x).reshape(*W.shape),
    )
    yield backward(
        1, "mean for sum over the batch", "x^T dz / B", lambda dz, z, x, W, b: x.T @ dz / x.shape[0]
    )
    yield backward(
        1,
        "only the first example counted",
        "x^T dz of the first example",
        lambda dz, z, x, W, b: x[:1].T @ dz[:1],
    )
    yield backward(1, "weight decay slipped in", "x^T dz + W", lambda dz, z, x, W, b: x.T @ dz + W)
    yield backward(1, "weight gradient forgotten", "zero", lambda dz, z, x, W, b: 0 * (x.T @ dz))
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
