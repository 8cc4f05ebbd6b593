"""Cross-entropies of logits: softmax for one class of several, sigmoid for yes or no.

Shapes: B batch (any number of leading axes), O outputs; every loss returns a scalar, shape ().
"""

from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.ops.softmax import log_softmax_forward


def softmax_cross_entropy_forward(y: Array, t: Array, *, label_smoothing: float = 0.0) -> Array:
    """Return E = -1/B sum t log softmax(y), shape () (Bishop 2006, eq. 4.108).

    y: logits (B, O). t: target probabilities (B, O), one-hot or not.
    label_smoothing: the share of every target that is spread evenly over all outputs (Szegedy et
    al. 2016, sec. 7).
    """
    return -np.sum(smoothed(t, label_smoothing) * log_softmax_forward(y)) / rows(y)


def softmax_cross_entropy_backward(
    dE: Array, E: Array, y: Array, t: Array, *, label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O) (Bishop 2006, eq. 4.109)."""
    logp = log_softmax_forward(y)
    smooth = smoothed(t, label_smoothing)
    # 1. dlogp[o]/dy[k] = [o = k] - p[k], so -sum_o t[o] dlogp[o]/dy[k] = p[k] sum_o t[o] - t[k].
    dy = dE * (np.exp(logp) * np.sum(smooth, axis=-1, keepdims=True) - smooth) / rows(y)
    # 2. E is linear in t, of which a share of 1 - label_smoothing is left.
    dt = -(dE * logp) / rows(y)
    return dy, dt * (1 - label_smoothing) if label_smoothing else dt


def smoothed(t: Array, label_smoothing: float) -> Array:
    """Return (1 - label_smoothing) t + label_smoothing / O."""
    if not label_smoothing:
        return t
    return (1 - label_smoothing) * t + label_smoothing / t.shape[-1]


def rows(y: Array) -> int:
    """Return B, how many distributions there are."""
    return prod(y.shape[:-1])


def cross_entropy_forward(
    y: Array, *, target: Array, label_smoothing: float = 0.0, ignore_index: int = -100
) -> Array:
    """Return E = -1/M sum t log softmax(y), shape (), t one-hot at the classes of `target`.

    y: logits (B, O). target: integers (B,). Rows of the target ignore_index are left out; M remain.
    """
    row, column, kept = places(target, ignore_index)
    logp = log_softmax_forward(y)
    E = -np.sum(logp[(*row, column)]) / kept
    if not label_smoothing:
        return E
    spread = -np.sum(logp[row]) / kept
    return (1 - label_smoothing) * E + label_smoothing / y.shape[-1] * spread


def cross_entropy_backward(
    dE: Array,
    E: Array,
    y: Array,
    *,
    target: Array,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
) -> tuple[Array]:
    """Return dy, (B, O): (p - t) / M, and zero in rows left out (Bishop 2006, eq. 4.109)."""
    row, column, kept = places(target, ignore_index)
    t = np.zeros_like(y)
    t[(*row, column)] = 1
    dy = (np.exp(log_softmax_forward(y)) - smoothed(t, label_smoothing)) * dE / kept
    return (np.where((np.asarray(target) != ignore_index)[..., None], dy, 0),)


def places(target: Array, ignore_index: int) -> tuple[tuple[Array, ...], Array, int]:
    """Return the rows that are not left out, their classes, and how many they are."""
    row = np.nonzero(np.asarray(target) != ignore_index)
    return row, np.asarray(target)[row], row[0].size


def bce_with_logits_forward(y: Array, t: Array, *, pos_weight: float = 1.0) -> Array:
    """Return E = -1/n sum (pos_weight t log s(y) + (1 - t) log(1 - s(y))), shape ().

    y: logits, t: probabilities, both of n entries. pos_weight: of the positive targets.
    1. log(1 - s(y)) = -softplus(y), and log s(y) = -softplus(-y) = y - softplus(y).
    2. So each term is (1 - t) y + (1 + (pos_weight - 1) t) softplus(-y), which cannot overflow.
    """
    return np.sum((1 - t) * y + (1 + (pos_weight - 1) * t) * softplus(-y)) / y.size


def softplus(z: Array) -> Any:
    """Return log(1 + e^z), which cannot overflow as it is computed here."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def bce_with_logits_backward(
    dE: Array, E: Array, y: Array, t: Array, *, pos_weight: float = 1.0
) -> tuple[Array, Array]:
    """Return dy and dt, in the shapes of y and t."""
    s = sigmoid_forward(y)
    # 1. softplus(-y)' = -s(-y) = s - 1, so dE/dy = 1 - t + (1 + (w - 1) t)(s - 1)
    #                                             = (1 + (w - 1) t) s - w t.
    dy = dE * ((1 + (pos_weight - 1) * t) * s - pos_weight * t) / y.size
    # 2. E is linear in t: dE/dt = -y + (w - 1) softplus(-y).
    return dy, dE * ((pos_weight - 1) * softplus(-y) - y) / y.size


def bce_with_logits_backward_of_logs(
    dE: Array, E: Array, y: Array, t: Array, *, pos_weight: float = 1.0
) -> tuple[Array, Array]:
    """Return dy and dt from log s(y) and log(1 - s(y)): less sharp where y is large.

    1. s(y) = e^(y + log(1 - s(y))), and 1 - s(y) = e^(-y + log s(y)).
    2. dE/dt is the difference of the logarithms, where most of it cancels to -y.
    """
    positive, negative = -softplus(-y), -softplus(y)
    s, rest = np.exp(y + negative), np.exp(positive - y)
    dy = dE * ((1 - t) * s - pos_weight * t * rest) / y.size
    return dy, dE * (negative - pos_weight * positive) / y.size


softmax_cross_entropy = Op(softmax_cross_entropy_forward, softmax_cross_entropy_backward)
cross_entropy = Op(cross_entropy_forward, cross_entropy_backward)
bce_with_logits = Op(
    bce_with_logits_forward,
    bce_with_logits_backward,
    forms={
        "differentiated through the logs of the sigmoid": Op(
            bce_with_logits_forward, bce_with_logits_backward_of_logs
        )
    },
)
