"""Classical mistakes of a dense layer.

Shapes: x (B, I), B any number of axes, W (I, O), b (O,), () or left out, z and dz (B, O).
"""

import numpy as np

from backproof.reference.ops.dense import weight_gradient
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    averaged,
    forward,
    seeing,
)

LEARNING_RATE = 0.5
"""The article's: for the fault that moves the weights before it is done with them."""

MOVED_FIRST = "weights updated before they propagate", "dz (W - eta dW)^T instead of dz W^T"

dx, dw, db = map(Cotangent, range(3))


def moved_first(rate: float) -> Wrong:
    """Hand on what the updated weights would; rate: the learning rate eta."""
    return dx(lambda dz, z, x, W, *b: dz @ (W - rate * weight_gradient(dz, x)).T).known(
        "carried in the printed results of M. Mazur, A Step by Step Backpropagation Example (2015)"
    )


DENSE: Table = {
    ("bias forgotten", "x W, without b"): forward(lambda x, W, b: x @ W, inputs=3),
    ("bias subtracted", "x W - b"): forward(lambda x, W, b: x @ W - b, inputs=3),
    ("bias added twice", "x W + 2 b"): forward(lambda x, W, b: x @ W + 2 * b, inputs=3),
    ("weights untransposed", "x W with W read row by row as if it were W^T"): seeing(
        lambda x, W, *b: (x, W.T.reshape(*W.shape), *b)
    ).known("layers that store (O, I) against layers that store (I, O)"),
    MOVED_FIRST: moved_first(LEARNING_RATE),
    ("weights untransposed on the way back", "dz W with W read row by row, instead of dz W^T"): dx(
        lambda dz, z, x, W, *b: dz @ W.reshape(*W.shape[::-1])
    ),
    ("input gradient detached", "zero"): dx.times(0).known("a stray detach() or stop_gradient"),
    ("only one output counted", "what the first output alone sends back"): dx(
        lambda dz, z, x, W, *b: dz[..., :1] @ W[:, :1].T
    ),
    ("weights' size propagated", "dz |W|^T instead of dz W^T"): dx(
        lambda dz, z, x, W, *b: dz @ np.abs(W).T
    ),
    ("outer product the wrong way round", "dz^T x, read as (I, O)"): dw(
        lambda dz, z, x, W, *b: weight_gradient(x, dz).reshape(*W.shape)
    ),
    ("mean for sum over the batch", "x^T dz / B"): dw.then(averaged),
    ("only the first example counted", "x^T dz of the first example"): dw.of_first,
    ("weight decay slipped in", "x^T dz + W"): dw.then(lambda d, x, W, *b: d + W),
    ("weight gradient forgotten", "zero"): dw.times(0),
    ("bias gradient not summed over the batch", "dz of the first example"): db.of_first,
    ("bias gradient averaged over the batch", "the sum of dz / B"): db.then(averaged),
    ("bias gradient added twice", "twice the sum of dz"): db.times(2),
    ("bias gradient forgotten", "zero"): db.times(0),
}
