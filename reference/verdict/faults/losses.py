"""Classical mistakes of losses of distances: y, t and the gradient dy are (B, O).

The loss is (B, O), or its mean or sum, ().
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.losses import log_or_zero
from backproof.reference.ops.reduced import of_each, reduced
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    averaged,
    fixed,
    forward,
    scaled,
)

dy = Cotangent()


def signs_and_factors(lost: str, factor: float) -> Table:
    """Return the faults of a gradient that is right but for a factor."""
    return {
        ("wrong sign", "the gradient negated"): dy.times(-1.0),
        (f"{lost} of the gradient", f"{factor} times the gradient"): dy.times(factor),
        ("wrong sign of one output", "the first output's gradient negated"): dy.then(
            lambda d, y, t, **_: d * flip(y)
        ),
    }


def flip(y: Any) -> Any:
    """Return ones, but minus one for the first output."""
    signs = np.ones(y.shape)
    signs[..., 0] = -1
    return signs


HALF_SQUARED_ERROR: Table = {
    **signs_and_factors("lost factor 1/2", 2.0),
    ("lost factor 1/2", "sum (t - y)^2"): forward(lambda y, t: np.sum((t - y) * (t - y))),
    ("mean for sum over the batch", "-(t - y) / B"): dy.then(averaged),
}

MEAN_SQUARED_ERROR: Table = {
    **signs_and_factors("lost factor 2", 0.5),
    ("sum for mean", "what n times as much gives"): fixed(reduction="sum"),
    ("mean over the batch alone", "-2 (t - y) / B"): dy(
        lambda dE, E, y, t, **_: -(dE * (2 * (t - y))) / y.shape[0]
    ),
}


def losses(linear: Callable[[Any, float], Any], half: float = 0.5) -> Wrong:
    """Give half e^2 where |e| <= delta, else linear(|e|, delta); e = t - y."""

    def loss(y: Any, t: Any, *, delta: float = 1.0, reduction: str = "mean") -> Any:
        e = t - y
        size = np.abs(e)
        each = np.where(size > delta, linear(size, delta), half * e * e)
        return reduced(each, reduction, y.size)

    return forward(loss)


def gradient(wrong: Callable[[Any, float], Any]) -> Wrong:
    """Give dy = -dL wrong(e, delta), dL of each loss; right is e clipped to +-delta."""

    def backward(
        dE: Any, E: Any, y: Any, t: Any, *, delta: float = 1.0, reduction: str = "mean"
    ) -> Any:
        return -(of_each(dE, reduction, y.size) * wrong(t - y, delta))

    return dy(backward)


def clipped(e: Any, delta: float) -> Any:
    """Return what is right."""
    return np.maximum(np.minimum(e, delta), -delta)


HUBER: Table = {
    ("delta forgotten", "what delta = 1 gives"): fixed(delta=1.0),
    ("sum for mean", "what n times as much gives"): fixed(reduction="sum"),
    ("divided by delta", "what e^2 / (2 delta), else |e| - delta / 2, gives"): scaled(
        lambda y, t, delta=1.0, **_: 1 / delta
    ).known("the smooth L1 loss, whose beta is no delta"),
    ("lost factor 1/2", "the mean with e^2 where |e| <= delta"): losses(
        lambda size, delta: delta * (size - 0.5 * delta), 1.0
    ),
    (
        "delta forgotten in the linear part",
        "the mean with |e| - delta / 2 where |e| > delta",
    ): losses(lambda size, delta: size - 0.5 * delta),
    ("jump at delta", "the mean with delta |e| where |e| > delta, without - delta^2 / 2"): losses(
        lambda size, delta: delta * size
    ),
    ("not clipped", "-e / n everywhere"): gradient(lambda e, delta: e).known("the squared error's"),
    ("lost factor 1/2 of the gradient", "-2 e / n where |e| <= delta"): gradient(
        lambda e, delta: np.where(np.abs(e) > delta, clipped(e, delta), 2 * e)
    ).known("the squared error's, without its 1/2"),
    ("zero where clipped", "-e / n, but zero where |e| > delta"): gradient(
        lambda e, delta: np.where(np.abs(e) > delta, 0, e)
    ).known("the gradient of clamp(e), Mnih et al.'s clipped error (2015) taken at its word"),
    ("linear everywhere", "-delta sign(e) / n everywhere"): gradient(
        lambda e, delta: delta * np.where(e > 0, 1, -1)
    ).known("the absolute error's"),
    ("wrong sign", "the gradient negated"): gradient(lambda e, delta: -clipped(e, delta)),
}

L1_LOSS: Table = {
    **signs_and_factors("doubled", 2.0),
    ("sum for mean", "what n times as much gives"): fixed(reduction="sum"),
    ("squared", "e^2 in the place of |e|"): forward(OPS["mean_squared_error"].forward),
    ("the squared error's gradient", "-2 e / n"): dy(
        lambda dE, E, y, t, **o: OPS["mean_squared_error"].backward(dE, E, y, t, **o)[0]
    ),
}

dt = Cotangent(1)


def without_log(y: Any, t: Any, *, log_target: bool = False, reduction: str = "mean") -> Any:
    """Return -t y of each entry, the cross-entropy."""
    return reduced(-(np.exp(t) if log_target else t) * y, reduction, y.size)


KL_DIV: Table = {
    ("wrong sign", "the gradient negated"): dy.times(-1.0),
    ("sum for mean", "what n times as much gives"): fixed(reduction="sum"),
    ("mean over the batch alone", "what the sum over all but the first axis gives"): scaled(
        lambda y, t, **_: y.size // y.shape[0]
    ).known("`batchmean` for `mean`"),
    ("target's own entropy left out", "-t y"): forward(without_log).known("the cross-entropy"),
    ("log_target ignored", "what the targets give, taken for probabilities"): fixed(
        log_target=False
    ),
    ("operands exchanged on the way back", "e^y (y + 1 - log t)"): dy(
        lambda dE, E, y, t, reduction="mean", **_: (
            of_each(dE, reduction, y.size) * np.exp(y) * (y + 1 - log_or_zero(t))
        )
    ).known("KL(q, p) for KL(p, q)"),
    ("gradient of the targets lost", "zero"): dt.lost,
}
