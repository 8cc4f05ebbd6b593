"""What is computed instead of exponentials: polynomials, and differences of rounded numbers."""

from dataclasses import replace
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import stop
from backproof.reference.ops.gates import halves
from backproof.reference.ops.reductions import kept
from backproof.reference.verdict.known.few_terms_of_losses import (
    bce_with_logits_backward,
    cross_entropy_backward,
    softmax_cross_entropy_backward,
)
from backproof.reference.verdict.known.log_sigmoid import OF_6_TERMS
from backproof.reference.verdict.known.polynomials import (
    LOG_2,
    ZERO,
    exp,
    logarithm,
    sigmoid,
    softplus,
    tanh,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = float(np.log(np.finfo(np.float32).max))
"""The logarithm of the largest number of float32."""


def sigmoid_backward(dy: Array, y: Array, z: Array) -> tuple[Array]:
    """Return dz = dy s(z) s(-z)."""
    return (dy * (sigmoid(z) * sigmoid(-z)),)


def silu_backward(dy: Array, y: Array, z: Array) -> tuple[Array]:
    """Return dz = dy s (1 + z (1 - s))."""
    s = sigmoid(z)
    return (dy * (s * (1 + z * (1 - s))),)


def elu(z: Array, *, alpha: float = 1.0) -> Array:
    """Return e^z - 1 below zero: the rounded e^z."""
    return np.where(z > 0, z, alpha * (exp(-np.abs(z)) - 1))


def softmax(y: Array, *, axis: int = -1) -> Array:
    """Return e^y / sum e^y."""
    e = exp(y - stop(np.max(y, axis=axis, keepdims=True)))
    return e / np.sum(e, axis=axis, keepdims=True)


def erf_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy 2 / sqrt(pi) e^-x^2."""
    return (dy * (2 * sqrt(1 / pi) * exp(-(x * x))),)


def erf_inv_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy sqrt(pi) / 2 e^y^2."""
    return (dy * (sqrt(pi) / 2 * exp(y * y)),)


def softplus_backward(
    dy: Array, y: Array, z: Array, *, beta: float = 1.0, threshold: float = 20.0
) -> tuple[Array]:
    """Return dz = dy / (1 + e^(-beta z)); dy above the threshold, 0 far below zero."""
    x = beta * z
    return (np.where(x > threshold, dy, np.where(x < ZERO * LOG_2, 0, dy / (1 + exp(-x)))),)


def glu(x: Array, *, axis: int = -1) -> Array:
    """Return a s(b)."""
    a, b = halves(x, axis)
    return a * sigmoid(b)


def glu_backward(dy: Array, y: Array, x: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dy s(b) and dy a s(b) (1 - s(b))."""
    a, b = halves(x, axis)
    s = sigmoid(b)
    return (np.concatenate([dy * s, dy * a * (s * (1 - s))], axis=axis),)


def logsumexp(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Return m + log sum e^(x - m)."""
    m = stop(np.max(x, axis=axis, keepdims=True))
    total = np.sum(exp(x - m), axis=axis, keepdims=True)
    y = m + logarithm(total)
    return y if keepdims else np.sum(y, axis=axis)


def logsumexp_backward(
    dy: Array, y: Array, x: Array, *, axis: Any = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dy times the softmax."""
    e = exp(x - stop(np.max(x, axis=axis, keepdims=True)))
    return (kept(dy, x, axis) * (e / np.sum(e, axis=axis, keepdims=True)),)


def mish(z: Array) -> Array:
    """Return z (q - 1) / (q + 1), q = (1 + e^z)^2, which is NaN where q overflows."""
    q = (1 + exp(z)) * (1 + exp(z))
    return np.where(z > LARGEST / 2, np.nan, z * ((q - 1) / (q + 1)))


def mish_backward(dy: Array, y: Array, z: Array) -> tuple[Array]:
    """Return dz = dy t + dy z (1 - t^2) s, t the tanh of softplus, s softplus' slope."""
    t = tanh(softplus(z))
    return (dy * t + softplus_backward(dy * z * (1 - t * t), t, z)[0],)


def exponentials_of_6_terms() -> dict[str, Op]:
    """Return ops whose exponentials have six terms, and whose log 2 has six digits."""
    forward: dict[str, Callable[..., Any]] = {"exp": exp, "sigmoid": sigmoid, "elu": elu}
    forward |= {"log": logarithm, "softplus": softplus, "mish": mish}
    forward |= {"logsumexp": logsumexp}
    forward |= {"softmax": softmax, "glu": glu, "silu": lambda z: z * sigmoid(z)}
    backward: dict[str, Callable[..., Any]] = {"silu": silu_backward, "erf": erf_backward}
    backward |= {"erf_inv": erf_inv_backward, "glu": glu_backward}
    backward |= {"logsumexp": logsumexp_backward, "sigmoid": sigmoid_backward}
    backward |= {"mish": mish_backward, "bce_with_logits": bce_with_logits_backward}
    backward |= {"softmax_cross_entropy": softmax_cross_entropy_backward}
    backward |= {"cross_entropy": cross_entropy_backward, "softplus": softplus_backward}
    ops = {name: OPS[name] for name in (*forward, *backward)}
    others = {
        name: replace(
            op, forward=forward.get(name, op.forward), backward=backward.get(name, op.backward)
        )
        for name, op in ops.items()
    }
    return {**others, "log_sigmoid": OF_6_TERMS}


def differences() -> dict[str, Op]:
    """Return e^x - 1 and log(1 + x) of the rounded e^x and the rounded sum."""
    forward = {"expm1": lambda x: np.exp(x) - 1, "log1p": lambda x: np.log(1 + x)}
    return {name: replace(OPS[name], forward=f) for name, f in forward.items()}


def tanh_as_fraction() -> dict[str, Op]:
    """Return tanh as that fraction; its derivative is the right one, from the output."""
    return {"tanh": replace(OPS["tanh"], forward=tanh)}
