"""What is computed instead of exponentials: polynomials, differences of rounded numbers, zeros."""

from dataclasses import replace
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.cross_entropy import last, places, put_back, row_by_row, rows
from backproof.reference.ops.functions import stop
from backproof.reference.ops.reduced import of_each
from backproof.reference.ops.reductions import kept
from backproof.reference.ops.softmax import log_softmax_forward

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_2 = float(np.float32(0.693147))
COEFFICIENTS = (1 / 24, 1 / 6, 1 / 2, 1, 1)
ZERO = FLOAT32.exponent
"""At this power of two and below, e^x is zero: it may be under the smallest normal number."""

BOUND = 5
"""Beyond it the fraction leaves tanh, and one is taken instead."""


def exp(x: Any) -> Any:
    """Return e^x as 2^n e^d, where x = n log 2 + d, log 2 has six digits, and e^d six terms.

    n is x / log 2, rounded to nearest.
    """
    n = np.clip(np.rint(x.mid / LOG_2), FLOAT64.exponent, -FLOAT64.exponent)
    d = x - n * LOG_2
    total = d * (1 / 120) + COEFFICIENTS[0]
    for a in COEFFICIENTS[1:]:
        total = total * d + a
    return np.where(n <= ZERO, 0, total * np.exp2(n))


def logarithm(x: Any) -> Any:
    """Return log x as log m + n log 2, where x = 2^n m, m is from 1 to 2, and log 2 is as above."""
    n = np.frexp(x.mid)[1] - 1
    return np.log(x * np.exp2(-n)) + n * LOG_2


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + e^-z)."""
    return 1 / (1 + exp(-z))


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


def softplus(z: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Return log(1 + e^(beta z)) / beta of the rounded sum; z itself above the threshold."""
    x = beta * z
    return np.where(x > threshold, z, logarithm(1 + exp(np.minimum(x, threshold))) / beta)


def softplus_backward(
    dy: Array, y: Array, z: Array, *, beta: float = 1.0, threshold: float = 20.0
) -> tuple[Array]:
    """Return dz = dy / (1 + e^(-beta z)); dy above the threshold, 0 far below zero."""
    x = beta * z
    return (np.where(x > threshold, dy, np.where(x < ZERO * LOG_2, 0, dy / (1 + exp(-x)))),)


def halves(x: Array, axis: int) -> tuple[Array, Array]:
    """Return the two halves along an axis."""
    n = x.shape[axis] // 2
    first, second = (
        tuple(part if i == axis % x.ndim else slice(None) for i in range(x.ndim))
        for part in (slice(0, n), slice(n, None))
    )
    return x[first], x[second]


def glu(x: Array, *, axis: int = -1) -> Array:
    """Return a s(b)."""
    a, b = halves(x, axis)
    return a * sigmoid(b)


def glu_backward(dy: Array, y: Array, x: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dy s(b) and dy a s(b) (1 - s(b))."""
    a, b = halves(x, axis)
    s = sigmoid(b)
    return (np.concatenate([dy * s, dy * a * (s * (1 - s))], axis=axis),)


def logsumexp_backward(
    dy: Array, y: Array, x: Array, *, axis: Any = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dy times the softmax."""
    e = exp(x - stop(np.max(x, axis=axis, keepdims=True)))
    return (kept(dy, x, axis) * (e / np.sum(e, axis=axis, keepdims=True)),)


def softmax_cross_entropy_backward(
    dE: Array, E: Array, y: Array, t: Array, *, axis: int = -1, reduction: str = "mean"
) -> tuple[Array, Array]:
    """Return dy = dL (p - t) of labels that add up to one, and dt = -dL log p."""
    logp = log_softmax_forward(last(y, axis))
    dL = row_by_row(of_each(dE, reduction, rows(logp)))
    return put_back(dL * (exp(logp) - last(t, axis)), axis), put_back(-(dL * logp), axis)


def cross_entropy_backward(
    dE: Array, E: Array, y: Array, *, target: Any, ignore_index: int = -100, **options: Any
) -> tuple[Array]:
    """Return dy = dL (p - t), zero in rows that are left out."""
    axis, reduction = options.get("axis", -1), options.get("reduction", "mean")
    logp = log_softmax_forward(last(y, axis))
    row, column, _ = places(target, ignore_index, None, logp)
    t = np.zeros(logp.shape)
    t[(*row, column)] = 1
    dy = (exp(logp) - t) * row_by_row(of_each(dE, reduction, column.size))
    counts = (np.asarray(target) != ignore_index)[..., None]
    return (put_back(np.where(counts, dy, 0), axis),)


def tanh(z: Array) -> Array:
    """Return tanh z as a fraction of two polynomials, and one beyond 5 (Lambert 1768)."""
    q = z * z
    above = (((q + 378) * q + 17325) * q + 135135) * z
    below = ((28 * q + 3150) * q + 62370) * q + 135135
    return np.where(z > BOUND, 1, np.where(z < -BOUND, -1, above / below))


def exponentials_of_6_terms() -> dict[str, Op]:
    """Return ops whose exponentials have six terms, and whose log 2 has six digits."""
    forward: dict[str, Callable[..., Any]] = {"exp": exp, "sigmoid": sigmoid, "elu": elu}
    forward |= {"log": logarithm, "softplus": softplus}
    forward |= {"softmax": softmax, "glu": glu, "silu": lambda z: z * sigmoid(z)}
    backward: dict[str, Callable[..., Any]] = {"silu": silu_backward, "erf": erf_backward}
    backward |= {"erf_inv": erf_inv_backward, "glu": glu_backward}
    backward |= {"logsumexp": logsumexp_backward, "sigmoid": sigmoid_backward}
    backward |= {"softmax_cross_entropy": softmax_cross_entropy_backward}
    backward |= {"cross_entropy": cross_entropy_backward, "softplus": softplus_backward}
    ops = {name: OPS[name] for name in (*forward, *backward)}
    return {
        name: replace(
            op,
            forward=forward.get(name, op.forward),
            backward=backward.get(name, op.backward),
        )
        for name, op in ops.items()
    }


def differences() -> dict[str, Op]:
    """Return e^x - 1 and log(1 + x) of the rounded e^x and the rounded sum."""
    forward = {"expm1": lambda x: np.exp(x) - 1, "log1p": lambda x: np.log(1 + x)}
    return {name: replace(OPS[name], forward=f) for name, f in forward.items()}


def softmax_from_input() -> dict[str, Op]:
    """Return softmax whose derivative takes p as it was, before its subnormals became zero."""
    right = OPS["softmax"]

    def backward(dp: Array, p: Array, y: Array, *, axis: int = -1) -> tuple[Array]:
        return right.backward(dp, right.forward(y, axis=axis), y, axis=axis)

    return {"softmax": replace(right, backward=backward)}


def tanh_as_fraction() -> dict[str, Op]:
    """Return tanh as that fraction; its derivative is the right one, from the output."""
    return {"tanh": replace(OPS["tanh"], forward=tanh)}
