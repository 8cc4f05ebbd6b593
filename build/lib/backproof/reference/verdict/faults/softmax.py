"""Classical mistakes of softmax and its logarithm: logits y, probabilities p, all (B, O)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.faults.fault import Fault, in_backward, in_both, in_forward

AXIS = "an implicit or a wrong `dim`"


def softmax() -> Iterator[Fault]:
    """Yield the faults of softmax."""
    backward = partial(in_backward, "softmax", 0)
    yield in_both("softmax", "over the wrong axis", WRONG_AXIS, across("softmax"), AXIS)
    yield in_forward(
        "softmax", "not normalized", "e^(y - max y)", lambda y: np.exp(y - _max(y)), "no sum"
    )
    yield backward(
        "Jacobian's sum left out",
        "p dp, without - p sum dp p",
        lambda dp, p, y: p * dp,
        "p of exp' = exp alone",
    )
    yield backward(
        "Jacobian's diagonal alone",
        "dp p (1 - p), as of a sigmoid",
        lambda dp, p, y: dp * (p * (1 - p)),
    )
    yield backward(
        "Jacobian's sum over the wrong axis",
        "p (dp - sum dp p), summed over the axis before the last",
        lambda dp, p, y: p * (dp - np.sum(dp * p, axis=_before(y), keepdims=True)),
        AXIS,
    )
    yield backward(
        "Jacobian's sum not weighted",
        "p (dp - sum dp)",
        lambda dp, p, y: p * (dp - np.sum(dp, axis=-1, keepdims=True)),
    )
    yield backward("no derivative", "dp", lambda dp, p, y: 1 * dp, "a stray identity")


def log_softmax() -> Iterator[Fault]:
    """Yield the faults of log-softmax: its value is log p, and d its cotangent."""
    backward = partial(in_backward, "log_softmax", 0)
    yield in_both("log_softmax", "over the wrong axis", WRONG_AXIS, across("log_softmax"), AXIS)
    yield in_forward(
        "log_softmax", "not normalized", "y - max y", lambda y: y - _max(y), "no log-sum-exp"
    )
    yield backward("sum left out", "d, without - p sum d", lambda d, logp, y: 1 * d, "y - constant")
    yield backward(
        "sum taken to be one",
        "d - p",
        lambda d, logp, y: d - np.exp(logp),
        "right for one-hot targets alone, and but for the sign",
    )
    yield backward(
        "logarithms for probabilities",
        "d - log p sum d",
        lambda d, logp, y: d - logp * np.sum(d, axis=-1, keepdims=True),
    )
    yield backward(
        "softmax's derivative",
        "p (d - sum d p)",
        lambda d, logp, y: OPS["softmax"].backward(d, np.exp(logp), y)[0],
    )


WRONG_AXIS = "what is normalized over the axis before the last"


def across(op: str) -> Op:
    """Return the op over the axis before the last; over the last where there is no other."""
    right = OPS[op]

    def turned(a: Any) -> Any:
        return np.swapaxes(a, -1, _before(a))

    def backward(d: Any, out: Any, y: Any) -> tuple[Any]:
        value = right.forward(turned(y))
        return (turned(right.backward(turned(d), value, turned(y))[0]),)

    return Op(lambda y: turned(right.forward(turned(y))), backward)


def _before(y: Any) -> int:
    return -2 if np.ndim(y) > 1 else -1


def _max(y: Any) -> Any:
    return np.max(y, axis=-1, keepdims=True)
