"""What is known to be computed of logits that are clipped 64 below the largest."""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import stop
from backproof.reference.verdict.known.attention import attention_with

LOWEST = -64
"""Below this no difference from the largest logit is taken for what it is."""


def clip(y: Array, axis: int = -1) -> Array:
    """Return logits, none more than 64 below the largest of its row."""
    lowest = stop(np.max(y, axis=axis, keepdims=True)) + LOWEST
    return np.where(y < lowest, lowest, y)


def clipped() -> dict[str, Op]:
    """Return the softmax, its logarithm, cross-entropies and attention, of logits so clipped.

    Their derivatives by the clipped logits are handed on as those by the logits.
    """

    def about(op: Op) -> Op:
        def forward(y: Array, *t: Array, axis: int = -1, **options: Any) -> Array:
            return op.forward(clip(y, axis), *t, axis=axis, **options)

        def backward(
            dE: Array, E: Array, y: Array, *t: Array, axis: int = -1, **options: Any
        ) -> tuple[Array, ...]:
            return op.backward(dE, E, clip(y, axis), *t, axis=axis, **options)

        return Op(forward, backward)

    names = ("softmax", "log_softmax", "cross_entropy", "softmax_cross_entropy")
    softmax = OPS["softmax"].forward
    ops = {name: about(OPS[name]) for name in names}
    return {**ops, "attention": attention_with(lambda scores: softmax(clip(scores)))}
