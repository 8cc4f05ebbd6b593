"""Classical mistakes of softmax and its logarithm: logits y, probabilities p, all (B, O).

The value of log-softmax is log p, and d its cotangent.
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.faults.families import Cotangent, Table, both, forward


def across(op: str) -> Op:
    """Return the op over the axis before its own; over its own where there is no other."""
    right = OPS[op]
    return Op(
        lambda y, axis=-1: right.forward(y, axis=before(y, axis)),
        lambda d, out, y, axis=-1: right.backward(
            d, right.forward(y, axis=before(y, axis)), y, axis=before(y, axis)
        ),
    )


def before(y: Any, axis: int = -1) -> int:
    """Return the axis before an axis."""
    return (axis - 1) % np.ndim(y)


def largest(y: Any, axis: int) -> Any:
    """Return the largest logit, (B, 1)."""
    return np.max(y, axis=axis, keepdims=True)


def total(d: Any, axis: int = -1) -> Any:
    """Return the sum over an axis, which stays as one of one entry."""
    return np.sum(d, axis=axis, keepdims=True)


AXIS = "an implicit or a wrong `dim`"
WRONG_AXIS = "what is normalized over the axis before the last"

dy = Cotangent()

SOFTMAX: Table = {
    ("over the wrong axis", WRONG_AXIS): both(across).known(AXIS),
    ("not normalized", "e^(y - max y)"): forward(
        lambda y, axis=-1: np.exp(y - largest(y, axis))
    ).known("no sum"),
    ("Jacobian's sum left out", "p dp, without - p sum dp p"): dy(
        lambda dp, p, y, **_: p * dp
    ).known("p of exp' = exp alone"),
    ("Jacobian's diagonal alone", "dp p (1 - p), as of a sigmoid"): dy(
        lambda dp, p, y, **_: dp * (p * (1 - p))
    ),
    (
        "Jacobian's sum over the wrong axis",
        "p (dp - sum dp p), summed over the axis before the last",
    ): dy(lambda dp, p, y, axis=-1: p * (dp - total(dp * p, before(y, axis)))).known(AXIS),
    ("Jacobian's sum not weighted", "p (dp - sum dp)"): dy(
        lambda dp, p, y, axis=-1: p * (dp - total(dp, axis))
    ),
    ("no derivative", "dp"): dy.passed_on.known("a stray identity"),
}

LOG_SOFTMAX: Table = {
    ("over the wrong axis", WRONG_AXIS): both(across).known(AXIS),
    ("not normalized", "y - max y"): forward(lambda y, axis=-1: y - largest(y, axis)).known(
        "no log-sum-exp"
    ),
    ("sum left out", "d, without - p sum d"): dy.passed_on.known("y - constant"),
    ("sum taken to be one", "d - p"): dy(lambda d, logp, y, **_: d - np.exp(logp)).known(
        "right for one-hot targets alone, and but for the sign"
    ),
    ("logarithms for probabilities", "d - log p sum d"): dy(
        lambda d, logp, y, axis=-1: d - logp * total(d, axis)
    ),
    ("softmax's derivative", "p (d - sum d p)"): dy(
        lambda d, logp, y, **o: OPS["softmax"].backward(d, np.exp(logp), y, **o)[0]
    ),
}
