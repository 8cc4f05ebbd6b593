"""What cross-entropies are where exponentials have few terms. Shapes as in `ops.cross_entropy`."""

from typing import Any

import numpy as np

from backproof.reference.ops import Array
from backproof.reference.ops.cross_entropy import (
    last,
    places,
    put_back,
    row_by_row,
    rows,
    smoothed,
    weighted,
)
from backproof.reference.ops.functions import constant, stop
from backproof.reference.ops.reduced import of_each
from backproof.reference.ops.softmax import log_softmax_forward
from backproof.reference.verdict.known.polynomials import exp, logarithm, sigmoid, softplus


def log_softmax(y: Array) -> Array:
    """Return log p = y - (m + log sum e^(y - m)) over the last axis, m the largest."""
    m = stop(np.max(y, axis=-1, keepdims=True))
    return y - (m + logarithm(np.sum(exp(y - m), axis=-1, keepdims=True)))


def softmax_cross_entropy_backward(
    dE: Array,
    E: Array,
    y: Array,
    t: Array,
    *,
    label_smoothing: float = 0.0,
    weight: Any = None,
    axis: int = -1,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    """Return dy = dL (p sum(T) - T), T = w t of smoothed labels, and dt = -dL w log p."""
    y, t = last(y, axis), last(t, axis)
    dL = row_by_row(of_each(dE, reduction, rows(y)))
    T = weighted(smoothed(t, label_smoothing), weight)
    p = exp(log_softmax_forward(y))
    dy = dL * (p * np.sum(T, axis=-1, keepdims=True) - T)
    dt = -(dL * weighted(log_softmax(y), weight)) * (1 - label_smoothing)
    return put_back(dy, axis), put_back(dt, axis)


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


def bce_with_logits_backward(
    dE: Array,
    E: Array,
    y: Array,
    t: Array,
    *,
    pos_weight: Any = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    """Return dy = dL ((1 + (w - 1) t) s - w t) and dt = dL (w log(1 + e^-y) - log(1 + e^y))."""
    s, w = sigmoid(y), constant(pos_weight, y)
    dL = weighted(of_each(dE, reduction, y.size), weight)
    dy = dL * ((1 + (w - 1) * t) * s - w * t)
    return dy, dL * (w * softplus(-y) - softplus(y))
