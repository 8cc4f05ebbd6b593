"""What cross-entropies are known to compute instead. Shapes as in `reference.ops.cross_entropy`."""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.cross_entropy import weighted
from backproof.reference.ops.functions import constant, stop
from backproof.reference.ops.reduced import of_each
from backproof.reference.ops.sigmoid import sigmoid_forward


def difference_of_complements() -> dict[str, Op]:
    """Return the sigmoid's cross-entropy whose dy is (1 - t) - (1 + (w - 1) t)(1 - s(y)).

    It is s(y) - t on paper, for a weight w of 1; what is small of s(y) is lost in 1 - s(y).
    """
    right = OPS["bce_with_logits"]

    def backward(
        dE: Array,
        E: Array,
        y: Array,
        t: Array,
        *,
        pos_weight: Any = 1.0,
        weight: Any = None,
        reduction: str = "mean",
    ) -> tuple[Array, Array]:
        rest, w = 1 - sigmoid_forward(y), constant(pos_weight, y)
        dL = weighted(of_each(dE, reduction, y.size), weight)
        dy = dL * ((1 - t) - (1 + (w - 1) * t) * rest)
        options = {"pos_weight": pos_weight, "weight": weight, "reduction": reduction}
        return dy, right.backward(dE, E, y, t, **options)[1]

    return {"bce_with_logits": Op(right.forward, backward)}


def other_side_at_zero() -> dict[str, Op]:
    """Return the sigmoid's cross-entropy, without pos_weight, whose dy at zero is -1/2 - t.

    It is 0 - t - 1/2: the slope of max(y, 0) is that below zero, and that of log(1 + e^-|y|), of
    either sign, that above. Both on one side give 1/2 - t.
    """
    right = OPS["bce_with_logits"]

    def backward(dE: Array, E: Array, y: Array, t: Array, **options: Any) -> tuple[Array, Array]:
        dy, dt = right.backward(dE, E, y, t, **options)
        if "pos_weight" in options:
            return dy, dt
        dL = weighted(of_each(dE, options.get("reduction", "mean"), y.size), options.get("weight"))
        return np.where(np.abs(y) > 0, dy, dy - dL), dt

    return {"bce_with_logits": Op(right.forward, backward)}


def flat_at_zero() -> dict[str, Op]:
    """Return the sigmoid's cross-entropy with a weight w, whose dy at y = 0 is 1 - t.

    The loss is (1 - t) y + (1 + (w - 1) t) (log(1 + e^-|y|) + max(-y, 0)). At zero, |y| and the
    maximum are given a slope of zero both, where the slopes of the sum's two terms add up to -1/2.
    """
    right = OPS["bce_with_logits"]

    def backward(dE: Array, E: Array, y: Array, t: Array, **options: Any) -> tuple[Array, Array]:
        dy, dt = right.backward(dE, E, y, t, **options)
        dL = of_each(dE, options.get("reduction", "mean"), y.size)
        return np.where(np.abs(y) < FLOAT32.minimum, dL * (1 - t), dy), dt

    return {"bce_with_logits": replace(right, backward=backward)}


def labels_constant_in_second_order() -> dict[str, Op]:
    """Return the cross-entropy of a softmax whose dy = p - t takes t for a constant.

    So the tangent of dy lacks that of t; dt is right, and the Hessian is not symmetric.
    """
    right = OPS["softmax_cross_entropy"]

    def backward(dE: Array, E: Array, y: Array, t: Array, **options: Any) -> tuple[Array, Array]:
        dy, _ = right.backward(dE, E, y, stop(t), **options)
        return dy, right.backward(dE, E, y, t, **options)[1]

    return {"softmax_cross_entropy": replace(right, backward=backward)}
