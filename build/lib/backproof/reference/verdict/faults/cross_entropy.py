"""Classical mistakes of cross-entropies of logits.

Shapes: y and dy (B, O), p = softmax(y), t (B, O) the targets or integers (B,), E ().
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.cross_entropy import places, rows, smoothed
from backproof.reference.ops.softmax import log_softmax_forward, softmax_backward, softmax_forward
from backproof.reference.verdict.faults.fault import (
    COMMON,
    Fault,
    in_backward,
    in_both,
    times,
    with_options,
)


def softmax_cross_entropy() -> Iterator[Fault]:
    """Yield the faults of softmax cross-entropy with target probabilities."""
    yield from entropy("softmax_cross_entropy")


def cross_entropy() -> Iterator[Fault]:
    """Yield the faults of softmax cross-entropy with target classes."""
    yield from entropy("cross_entropy")

    def kept(y: Any, *, target: Any, ignore_index: int = -100, **_: Any) -> Any:
        return places(target, ignore_index)[2]

    def left_out(dE: Any, E: Any, y: Any, **options: Any) -> Any:
        p, t, n = parts(y, **options)
        return (p - t) * (dE / n)

    yield in_both(
        "cross_entropy",
        "mean over all rows",
        "what the sum over the rows that count gives, divided by all",
        times("cross_entropy", lambda y, **o: kept(y, **o) / rows(y)),
        "padding that is masked, but counted",
    )
    yield in_both(
        "cross_entropy",
        "rows left out included",
        "what all rows give, ignore_index or not",
        with_options("cross_entropy", lambda _: {"ignore_index": -100}),
        "padding that is trained on",
    )
    yield in_backward(
        "cross_entropy",
        0,
        "rows left out receive",
        "p / M in rows that are left out",
        left_out,
        "a one-hot row of zeros, and no mask on the way back",
    )


def entropy(op: str) -> Iterator[Fault]:
    """Yield the faults that both share."""

    def dy(name: str, gives: str, wrong: Callable[[Any, Any, Any], Any]) -> Fault:
        def backward(dE: Any, E: Any, y: Any, *t: Any, **options: Any) -> Any:
            p, t_, n = parts(y, *t, **options)
            return np.where(counted(y, **options), wrong(y, p, t_), 0) * (dE / n)

        return in_backward(op, 0, name, gives, backward, COMMON)

    yield dy("not shifted by the target", "p / B instead of (p - t) / B", lambda y, p, t: p)
    yield dy(
        "softmax Jacobian left out",
        "-t / p / B, the gradient of the probabilities",
        lambda y, p, t: -t / p,
    )
    yield dy("wrong sign", "(t - p) / B", lambda y, p, t: t - p)
    yield dy("logits for probabilities", "(y - t) / B", lambda y, p, t: y - t)
    yield in_both(
        op,
        "sum for mean over the batch",
        "what B times as much gives",
        times(op, lambda y, *t, **o: parts(y, *t, **o)[2]),
    )
    yield in_both(
        op,
        "label smoothing forgotten",
        "what the targets give as they are",
        with_options(op, lambda _: {"label_smoothing": 0.0}),
    )
    yield in_both(
        op,
        "smoothed over the others only",
        "what the smoothing's share gives, spread over the O - 1 other outputs",
        _over_others(op),
        "Szegedy et al. (2016, sec. 7) spread it over all O",
    )
    yield in_both(
        op,
        "softmax applied twice",
        "what softmax(y) gives in the place of logits",
        _twice(op),
        "CrossEntropyLoss after a softmax",
    )


def parts(
    y: Any, *t: Any, target: Any = None, label_smoothing: float = 0.0, ignore_index: int = -100
) -> tuple[Any, Any, int]:
    """Return p, the smoothed targets, and how many rows count."""
    p = np.exp(log_softmax_forward(y))
    if t:
        return p, smoothed(t[0], label_smoothing), rows(y)
    row, column, kept = places(target, ignore_index)
    one_hot = np.zeros_like(y)
    one_hot[(*row, column)] = 1
    return p, smoothed(one_hot, label_smoothing), kept


def counted(y: Any, *, target: Any = None, ignore_index: int = -100, **_: Any) -> Any:
    """Return which rows count, (B, 1)."""
    if target is None:
        return np.ones((*y.shape[:-1], 1), dtype=bool)
    return (np.asarray(target) != ignore_index)[..., None]


def _over_others(op: str) -> Op:
    """Return the op with t + s (1/(O - 1) - t O/(O - 1)): it is linear in the targets."""
    right = OPS[op]

    def mixed(sharp: Any, even: Any, y: Any, s: float) -> Any:
        others = max(y.shape[-1] - 1, 1)
        return (1 - s) * sharp + s / others * (y.shape[-1] * even - sharp)

    def forward(y: Any, *t: Any, label_smoothing: float = 0.0, **o: Any) -> Any:
        sharp, even = (right.forward(y, *t, label_smoothing=s, **o) for s in (0.0, 1.0))
        return mixed(sharp, even, y, label_smoothing)

    def backward(
        dE: Any, E: Any, y: Any, *t: Any, label_smoothing: float = 0.0, **o: Any
    ) -> tuple[Any, ...]:
        ends = (right.backward(dE, E, y, *t, label_smoothing=s, **o) for s in (0.0, 1.0))
        return tuple(
            mixed(sharp, even, y, label_smoothing) for sharp, even in zip(*ends, strict=True)
        )

    return Op(forward, backward)


def _twice(op: str) -> Op:
    right = OPS[op]

    def backward(dE: Any, E: Any, y: Any, *t: Any, **o: Any) -> tuple[Any, ...]:
        p = softmax_forward(y)
        dp, *dt = right.backward(dE, E, p, *t, **o)
        return (*softmax_backward(dp, p, y), *dt)

    return Op(lambda y, *t, **o: right.forward(softmax_forward(y), *t, **o), backward)
