"""Cross-entropies of logits: softmax for one class of several, sigmoid for yes or no.

Shapes: B batch (any number of axes), O outputs, which stand last or along another `axis`; a loss is
the losses of all rows, (B), or their mean or sum, (); see `reduced`.
"""

from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops.activations import softplus_forward
from backproof.reference.ops.functions import constant
from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.reduced import of_each, reduced
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.ops.softmax import log_softmax_forward


def softmax_cross_entropy_forward(
    y: Array,
    t: Array,
    *,
    label_smoothing: float = 0.0,
    weight: Any = None,
    axis: int = -1,
    reduction: str = "mean",
) -> Array:
    """Return the loss -sum w t log softmax(y) of each row (Bishop 2006, eq. 4.108), or their mean.

    y: logits (..., O). t: target probabilities (..., O), one-hot or not.
    label_smoothing: the share of every target that is spread evenly over all outputs (Szegedy et
    al. 2016, sec. 7). weight: w of each output, constants (O,); None: ones.
    """
    y, t = last(y, axis), last(t, axis)
    T = weighted(smoothed(t, label_smoothing), weight)
    return reduced(-(T * log_softmax_forward(y)), reduction, rows(y), -1)


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
    """Return dy and dt, both (..., O) (Bishop 2006, eq. 4.109)."""
    y, t = last(y, axis), last(t, axis)
    logp, dL = log_softmax_forward(y), row_by_row(of_each(dE, reduction, rows(y)))
    T = weighted(smoothed(t, label_smoothing), weight)
    # 1. dlogp[o]/dy[k] = [o = k] - p[k], so -sum_o T[o] dlogp[o]/dy[k] = p[k] sum_o T[o] - T[k].
    dy = dL * (np.exp(logp) * np.sum(T, axis=-1, keepdims=True) - T)
    # 2. The loss is linear in t, of which a share of 1 - label_smoothing is left.
    dt = -(dL * weighted(logp, weight))
    dt = dt * (1 - label_smoothing) if label_smoothing else dt
    return put_back(dy, axis), put_back(dt, axis)


def smoothed(t: Array, label_smoothing: float) -> Array:
    """Return (1 - label_smoothing) t + label_smoothing / O."""
    if not label_smoothing:
        return t
    return (1 - label_smoothing) * t + label_smoothing / t.shape[-1]


def weighted(t: Array, weight: Any) -> Array:
    """Return w t, of constant weights w that broadcast to t; without weights, t."""
    return times(t, None if weight is None else constant(weight, t))


def times(a: Array, w: Any) -> Array:
    """Return w a; where w is None, a."""
    return a if w is None else w * a


def rows(y: Array) -> int:
    """Return B, how many distributions there are."""
    return prod(y.shape[:-1])


def row_by_row(a: Array) -> Array:
    """Return numbers (B) as (B, 1), which broadcast to the logits; one number as it is."""
    return a[..., None] if np.ndim(a) else a


def last(a: Array, axis: int) -> Array:
    """Return an array with an axis moved to the end."""
    return np.transpose(a, order(a, axis))


def put_back(a: Array, axis: int) -> Array:
    """Return an array with its last axis moved to where it was."""
    return np.transpose(a, np.argsort(order(a, axis)))


def order(a: Array, axis: int) -> list[int]:
    """Return the axes of an array, one of them at the end."""
    axes = [*range(np.ndim(a))]
    moved = axes.pop(axis)
    return [*axes, moved]


def nll_loss_forward(
    logp: Array,
    *,
    target: Array,
    weight: Any = None,
    ignore_index: int = -100,
    axis: int = -1,
    reduction: str = "mean",
) -> Array:
    """Return the loss -w log p of each row's target, or their mean: their sum / M.

    logp: logarithms of probabilities (..., O). target: classes, integers (...). weight: w of each
    class, constants (O,); None: ones. The loss of rows of the target ignore_index is zero. M is the
    sum of the weights of the targets of all others.
    """
    return likelihood(last(logp, axis), target, weight, ignore_index, reduction)


def likelihood(logp: Array, target: Array, weight: Any, ignore_index: int, reduction: str) -> Array:
    """Return -w log p of each row's target, or their sum, or their sum / M."""
    row, column, w = places(target, ignore_index, weight, logp)
    losses = -times(logp[(*row, column)], w)
    if reduction != "none":
        return reduced(losses, reduction, total(w, column))
    every = np.zeros_like(logp, shape=np.shape(target))
    every[row] = losses
    return every


def nll_loss_backward(
    dE: Array,
    E: Array,
    logp: Array,
    *,
    target: Array,
    weight: Any = None,
    ignore_index: int = -100,
    axis: int = -1,
    reduction: str = "mean",
) -> tuple[Array]:
    """Return dlogp, (..., O): -w dE / M at the target of each row that counts, zero elsewhere."""
    logp = last(logp, axis)
    row, column, w = places(target, ignore_index, weight, logp)
    dL = of_each(dE, reduction, total(w, column))
    dlogp = np.zeros_like(logp)
    dlogp[(*row, column)] = -times(dL[row] if np.ndim(dL) else dL, w)
    return (put_back(dlogp, axis),)


def places(
    target: Array, ignore_index: int, weight: Any, logp: Array
) -> tuple[tuple[Array, ...], Array, Any]:
    """Return the rows that are not left out, their classes, and the weights of these or None."""
    row = np.nonzero(np.asarray(target) != ignore_index)
    column = np.asarray(target)[row]
    return row, column, None if weight is None else constant(weight, logp)[column]


def total(w: Any, column: Array) -> Any:
    """Return M, the sum of the rows' weights; without weights, how many rows there are."""
    return column.size if w is None else np.sum(w)


def cross_entropy_forward(
    y: Array,
    *,
    target: Array,
    label_smoothing: float = 0.0,
    weight: Any = None,
    ignore_index: int = -100,
    axis: int = -1,
    reduction: str = "mean",
) -> Array:
    """Return -sum w t log softmax(y) of each row of logits y (..., O), t one-hot, or their sum / M.

    As `nll_loss` of log softmax(y).
    label_smoothing: the share s of every target that is spread evenly over all outputs: the loss is
    (1 - s) times that of the target, and s / O times the sum of those of all classes.
    """
    logp = log_softmax_forward(last(y, axis))
    E = likelihood(logp, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return E
    row, column, w = places(target, ignore_index, weight, logp)
    spread = reduced(-weighted(logp, weight)[row], reduction, total(w, column), -1)
    if reduction == "none":
        every = np.zeros_like(E)
        every[row] = spread
        spread = every
    return (1 - label_smoothing) * E + label_smoothing / logp.shape[-1] * spread


def cross_entropy_backward(
    dE: Array,
    E: Array,
    y: Array,
    *,
    target: Array,
    label_smoothing: float = 0.0,
    weight: Any = None,
    ignore_index: int = -100,
    axis: int = -1,
    reduction: str = "mean",
) -> tuple[Array]:
    """Return dy, (..., O): (p sum T - T) dE / M, zero in rows left out (Bishop 2006, eq. 4.109).

    1. T is the target, one-hot, smoothed and weighted. Without weights its sum is 1.
    2. As for `softmax_cross_entropy`, dE/dy[k] = p[k] sum_o T[o] - T[k].
    """
    y = last(y, axis)
    row, column, w = places(target, ignore_index, weight, y)
    t = np.zeros_like(y)
    t[(*row, column)] = 1
    T = weighted(smoothed(t, label_smoothing), weight)
    p = np.exp(log_softmax_forward(y))
    if weight is not None:
        p = p * np.sum(T, axis=-1, keepdims=True)
    dy = (p - T) * row_by_row(of_each(dE, reduction, total(w, column)))
    dy = np.where((np.asarray(target) != ignore_index)[..., None], dy, 0)
    return (put_back(dy, axis),)


def bce_with_logits_forward(
    y: Array, t: Array, *, pos_weight: Any = 1.0, weight: Any = None, reduction: str = "mean"
) -> Array:
    """Return the loss -(w t log s(y) + (1 - t) log(1 - s(y))) of each entry, or their mean.

    y: logits, t: probabilities, both of n entries. pos_weight: w, of the positive targets. weight:
    of each loss; None: ones. Both are constants that broadcast to y.
    1. log(1 - s(y)) = -softplus(y), and log s(y) = -softplus(-y) = y - softplus(y).
    2. So each loss is (1 - t) y + (1 + (w - 1) t) softplus(-y), which cannot overflow.
    """
    w = constant(pos_weight, y)
    losses = (1 - t) * y + (1 + (w - 1) * t) * softplus_forward(-y)
    return reduced(weighted(losses, weight), reduction, y.size)


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
    """Return dy and dt, in the shapes of y and t."""
    s, w = sigmoid_forward(y), constant(pos_weight, y)
    dL = weighted(of_each(dE, reduction, y.size), weight)
    # 1. softplus(-y)' = -s(-y) = s - 1, so dL/dy = 1 - t + (1 + (w - 1) t)(s - 1)
    #                                             = (1 + (w - 1) t) s - w t.
    dy = dL * ((1 + (w - 1) * t) * s - w * t)
    # 2. The loss is linear in t: dL/dt = -y + (w - 1) softplus(-y).
    return dy, dL * ((w - 1) * softplus_forward(-y) - y)


def bce_with_logits_backward_of_logs(
    dE: Array,
    E: Array,
    y: Array,
    t: Array,
    *,
    pos_weight: Any = 1.0,
    weight: Any = None,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    """Return dy and dt from log s(y) and log(1 - s(y)): less sharp where y is large.

    1. s(y) = e^(y + log(1 - s(y))), and 1 - s(y) = e^(-y + log s(y)).
    2. dL/dt is the difference of the logarithms, where most of it cancels to -y.
    """
    positive, complement = -softplus_forward(-y), -softplus_forward(y)
    s, rest, w = np.exp(y + complement), np.exp(positive - y), constant(pos_weight, y)
    dL = weighted(of_each(dE, reduction, y.size), weight)
    dy = dL * ((1 - t) * s - w * t * rest)
    return dy, dL * (complement - w * positive)


softmax_cross_entropy = Op(softmax_cross_entropy_forward, softmax_cross_entropy_backward)
nll_loss = Op(nll_loss_forward, nll_loss_backward)
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
