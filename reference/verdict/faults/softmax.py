"""Classical mistakes of softmax and its logarithm: logits y, probabilities p, all (B, O).

The value of log-softmax is log p, and d its cotangent.
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.faults.families import Cotangent, Table, both, forward


def across(op: str) -> Op:
    """Return the op over the axis before the last; over the last where there is no other."""
    right = OPS[op]

    def turned(a: Any) -> Any:
        return np.swapaxes(a, -1, before(a))

    def backward(d: Any, out: Any, y: Any) -> tuple[Any]:
        value = right.forward(turned(y))
        return (turned(right.backward(turned(d), value, turned(y))[0]),)

    return Op(lambda y: turned(right.forward(turned(y))), backward)


def before(y: Any) -> int:
    """Return the axis before the last."""
    return -2 if np.ndim(y) > 1 else -1


def largest(y: Any) -> Any:
    """Return the largest logit, (B, 1)."""
    return np.max(y, axis=-1, keepdims=True)


def total(d: Any, axis: int = -1) -> Any:
    """Return the sum over an axis, which stays as one of one entry."""
    return np.sum(d, axis=axis, keepdims=True)


AXIS = "an implicit or a wrong `dim`"
WRONG_AXIS = "what is normalized over the axis before the last"

dy = Cotangent()

SOFTMAX: Table = {
    ("over the wrong axis", WRONG_AXIS): both(across).known(AXIS),
    ("not normalized", "e^(y - max y)"): forward(lambda y: np.exp(y - largest(y))).known("no sum"),
    ("Jacobian's sum left out", "p dp, without - p sum dp p"): dy(lambda dp, p, y: p * dp).known(
        "p of exp' = exp alone"
    ),
    ("Jacobian's diagonal alone", "dp p (1 - p), as of a sigmoid"): dy(
        lambda dp, p, y: dp * (p * (1 - p))
    ),
    (
        "Jacobian's sum over the wrong axis",
        "p (dp - sum dp p), summed over the axis before the last",
    ): dy(lambda dp, p, y: p * (dp - total(dp * p, before(y)))).known(AXIS),
    ("Jacobian's sum not weighted", "p (dp - sum dp)"): dy(lambda dp, p, y: p * (dp - total(dp))),
    ("no derivative", "dp"): dy.passed_on.known("a stray identity"),
}

LOG_SOFTMAX: Table = {
    ("over the wrong axis", WRONG_AXIS): both(across).known(AXIS),
    ("not normalized", "y - max y"): forward(lambda y: y - largest(y)).known("no log-sum-exp"),
    ("sum left out", "d, without - p sum d"): dy.passed_on.known("y - constant"),
    ("sum taken to be one", "d - p"): dy(lambda d, logp, y: d - np.exp(logp)).known(
        "right for one-hot targets alone, and but for the sign"
    ),
    ("logarithms for probabilities", "d - log p sum d"): dy(lambda d, logp, y: d - logp * total(d)),
    ("softmax's derivative", "p (d - sum d p)"): dy(
        lambda d, logp, y: OPS["softmax"].backward(d, np.exp(logp), y)[0]
    ),
}
