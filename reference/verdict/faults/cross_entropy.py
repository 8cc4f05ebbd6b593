"""Classical mistakes of cross-entropies of logits.

Shapes: y and dy (B, O), p = softmax(y), t (B, O) the targets or integers (B,), E (). With a
sigmoid, s = s(y) and t are of the shape of y, which is any.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.cross_entropy import (
    last,
    places,
    put_back,
    row_by_row,
    rows,
    smoothed,
    total,
    weighted,
)
from backproof.reference.ops.functions import constant
from backproof.reference.ops.reduced import of_each
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.ops.softmax import log_softmax_forward
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    after,
    both,
    fixed,
    function,
    reading,
    scaled,
)

dy = Cotangent()


def parts(
    y: Any,
    *t: Any,
    target: Any = None,
    label_smoothing: float = 0.0,
    weight: Any = None,
    ignore_index: int = -100,
) -> tuple[Any, Any, Any]:
    """Return p, the smoothed and weighted targets, and what the sum is divided by for the mean."""
    p = np.exp(log_softmax_forward(y))
    if t:
        return p, weighted(smoothed(t[0], label_smoothing), weight), rows(y)
    row, column, w = places(target, ignore_index, weight, y)
    one_hot = np.zeros_like(y)
    one_hot[(*row, column)] = 1
    return p, weighted(smoothed(one_hot, label_smoothing), weight), total(w, column)


def counted(y: Any, *, target: Any = None, ignore_index: int = -100, **_: Any) -> Any:
    """Return which rows count, (B, 1)."""
    if target is None:
        return np.ones((*y.shape[:-1], 1), dtype=bool)
    return (np.asarray(target) != ignore_index)[..., None]


def of_rows(wrong: Callable[[Any, Any, Any], Any]) -> Wrong:
    """Give dy = dL wrong(y, p, t), dL of each row; zero in rows that do not count; p - t is right.

    Shapes are (B, O) whatever the axis.
    """

    def backward(
        dE: Any, E: Any, y: Any, *t: Any, axis: int = -1, reduction: str = "mean", **options: Any
    ) -> Any:
        y, *t_ = (last(a, axis) for a in (y, *t))
        p, T, n = parts(y, *t_, **options)
        d = np.where(counted(y, **options), wrong(y, p, T), 0)
        return put_back(d * row_by_row(of_each(dE, reduction, n)), axis)

    return dy(backward)


def over_others(op: str) -> Op:
    """Return the op with t + s (1/(O - 1) - t O/(O - 1)): it is linear in the targets."""
    right = OPS[op]

    def mixed(sharp: Any, even: Any, n: int, s: float) -> Any:
        return (1 - s) * sharp + s / max(n - 1, 1) * (n * even - sharp)

    def forward(y: Any, *t: Any, label_smoothing: float = 0.0, **o: Any) -> Any:
        sharp, even = (right.forward(y, *t, label_smoothing=s, **o) for s in (0.0, 1.0))
        return mixed(sharp, even, y.shape[o.get("axis", -1)], label_smoothing)

    def backward(
        dE: Any, E: Any, y: Any, *t: Any, label_smoothing: float = 0.0, **o: Any
    ) -> tuple[Any, ...]:
        ends = (right.backward(dE, E, y, *t, label_smoothing=s, **o) for s in (0.0, 1.0))
        return tuple(
            mixed(sharp, even, y.shape[o.get("axis", -1)], label_smoothing)
            for sharp, even in zip(*ends, strict=True)
        )

    return Op(forward, backward)


SOFTMAX_CROSS_ENTROPY: Table = {
    ("not shifted by the target", "p / B instead of (p - t) / B"): of_rows(lambda y, p, t: p),
    ("softmax Jacobian left out", "-t / p / B, the gradient of the probabilities"): of_rows(
        lambda y, p, t: -t / p
    ),
    ("wrong sign", "(t - p) / B"): of_rows(lambda y, p, t: t - p),
    ("logits for probabilities", "(y - t) / B"): of_rows(lambda y, p, t: y - t),
    ("sum for mean over the batch", "what B times as much gives"): fixed(reduction="sum"),
    ("weights forgotten", "what weights of one give"): fixed(weight=None),
    ("label smoothing forgotten", "what the targets give as they are"): fixed(label_smoothing=0.0),
    (
        "smoothed over the others only",
        "what the smoothing's share gives, spread over the O - 1 other outputs",
    ): both(over_others).known("Szegedy et al. (2016, sec. 7) spread it over all O"),
    ("softmax applied twice", "what softmax(y) gives in the place of logits"): after(
        "softmax"
    ).known("CrossEntropyLoss after a softmax"),
}


def share_kept(y: Any, *, target: Any, ignore_index: int = -100, **_: Any) -> float:
    """Return the share of the rows that count."""
    kept = np.asarray(target) != ignore_index
    return np.count_nonzero(kept) / kept.size


def left_out_too(
    dE: Any, E: Any, y: Any, *, axis: int = -1, reduction: str = "mean", **options: Any
) -> Any:
    """Return dy, that of rows left out among it."""
    p, t, n = parts(last(y, axis), **options)
    return put_back((p - t) * row_by_row(of_each(dE, reduction, n)), axis)


OF_CLASSES: Table = {
    ("mean over all rows", "what the sum over the rows that count gives, divided by all"): scaled(
        share_kept
    ).known("padding that is masked, but counted"),
    ("rows left out included", "what all rows give, ignore_index or not"): fixed(
        ignore_index=-100
    ).known("padding that is trained on"),
}

NLL_LOSS: Table = {
    **OF_CLASSES,
    ("sum for mean over the batch", "what M times as much gives"): fixed(reduction="sum"),
    ("weights forgotten", "what weights of one give"): fixed(weight=None),
    ("wrong sign", "w / M at the target"): dy.times(-1.0),
    ("the gradient of logits", "(p - t) / M"): dy(
        lambda dE, E, y, **o: OPS["cross_entropy"].backward(dE, E, y, **o)[0]
    ).known("log softmax differentiated twice"),
}

CROSS_ENTROPY: Table = {
    **SOFTMAX_CROSS_ENTROPY,
    **OF_CLASSES,
    ("rows left out receive", "p / M in rows that are left out"): dy(left_out_too).known(
        "a one-hot row of zeros, and no mask on the way back"
    ),
}


def of_sigmoid(wrong: Callable[..., Any]) -> Wrong:
    """Give dy = dL wrong(y, t, s, w), w the pos_weight; (1 + (w - 1) t) s - w t is right."""

    def backward(
        dE: Any,
        E: Any,
        y: Any,
        t: Any,
        *,
        pos_weight: Any = 1.0,
        weight: Any = None,
        reduction: str = "mean",
    ) -> Any:
        w, dL = constant(pos_weight, y), weighted(of_each(dE, reduction, y.size), weight)
        return dL * wrong(y, t, sigmoid_forward(y), w)

    return dy(backward)


def weight_of_all(y: Any, t: Any, pos_weight: Any = 1.0, **o: Any) -> Any:
    """Return the loss with pos_weight on both t and 1 - t."""
    return OPS["bce_with_logits"].forward(y, t, **{**o, "weight": pos_weight})


def weight_of_all_back(dE: Any, E: Any, y: Any, t: Any, pos_weight: Any = 1.0, **o: Any) -> Any:
    """Return its cotangents."""
    return OPS["bce_with_logits"].backward(dE, E, y, t, **{**o, "weight": pos_weight})


BCE_WITH_LOGITS: Table = {
    ("pos_weight forgotten", "what a pos_weight of 1 gives"): fixed(pos_weight=1.0),
    (
        "pos_weight applied to negatives",
        "what pos_weight gives on 1 - t in the place of t",
    ): reading(lambda y, t: (-y, 1 - t), lambda *d: tuple(-one for one in d)).known(
        "a weight of the frequent class, taken for one of the rare"
    ),
    ("pos_weight applied to all", "what pos_weight gives on both t and 1 - t"): function(
        weight_of_all, weight_of_all_back
    ).known("`weight` for `pos_weight`"),
    ("weight forgotten", "what weights of one give"): fixed(weight=None),
    ("sum for mean", "what n times as much gives"): fixed(reduction="sum"),
    ("mean over the batch alone", "what the sum over all but the first axis gives"): scaled(
        lambda y, t, **_: y.size // y.shape[0]
    ),
    ("sigmoid applied twice", "what s(y) gives in the place of logits"): after("sigmoid").known(
        "BCEWithLogitsLoss after a sigmoid"
    ),
    ("not shifted by the target", "s / n, weighted"): of_sigmoid(
        lambda y, t, s, w: (1 + (w - 1) * t) * s
    ),
    ("pos_weight of the target alone", "(s - w t) / n"): of_sigmoid(
        lambda y, t, s, w: s - w * t
    ).known("the derivative of (1 - t) y + ..., with the weight put where t stands"),
    ("sigmoid's derivative kept", "(s - t) s (1 - s) / n, weighted"): of_sigmoid(
        lambda y, t, s, w: ((1 + (w - 1) * t) * s - w * t) * (s * (1 - s))
    ).known("that of a squared error, which does not cancel"),
    ("logits for probabilities", "(y - t) / n, weighted"): of_sigmoid(
        lambda y, t, s, w: (1 + (w - 1) * t) * y - w * t
    ),
    ("wrong sign", "(t - s) / n, weighted"): of_sigmoid(
        lambda y, t, s, w: w * t - (1 + (w - 1) * t) * s
    ),
}
