"""Classical mistakes of binary cross-entropy of logits: y and t of any shape, s = s(y), E ()."""

from collections.abc import Callable, Iterator
from typing import Any

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.cross_entropy import bce_with_logits_backward, bce_with_logits_forward
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.verdict.faults.fault import (
    COMMON,
    Fault,
    in_backward,
    in_both,
    times,
    with_options,
)

OP = "bce_with_logits"


def bce_with_logits() -> Iterator[Fault]:
    """Yield the faults."""
    yield in_both(
        OP,
        "pos_weight forgotten",
        "what a pos_weight of 1 gives",
        with_options(OP, lambda _: {"pos_weight": 1.0}),
    )
    yield in_both(
        OP,
        "pos_weight applied to negatives",
        "what pos_weight gives on 1 - t in the place of t",
        _on_negatives(),
        "a weight of the frequent class, taken for one of the rare",
    )
    yield in_both(
        OP,
        "pos_weight applied to all",
        "what pos_weight gives on both t and 1 - t",
        _on_both(),
        "`weight` for `pos_weight`",
    )
    yield in_both(
        OP, "sum for mean", "what n times as much gives", times(OP, lambda y, t, **_: y.size)
    )
    yield in_both(
        OP,
        "mean over the batch alone",
        "what the sum over all but the first axis gives",
        times(OP, lambda y, t, **_: y.size // y.shape[0]),
    )
    yield in_both(
        OP,
        "sigmoid applied twice",
        "what s(y) gives in the place of logits",
        _twice(),
        "BCEWithLogitsLoss after a sigmoid",
    )
    yield from _gradients()


def _gradients() -> Iterator[Fault]:
    """Yield the faults of dy = ((1 + (w - 1) t) s - w t) / n."""

    def dy(name: str, gives: str, wrong: Callable[..., Any], source: str = COMMON) -> Fault:
        return in_backward(
            OP,
            0,
            name,
            gives,
            lambda dE, E, y, t, pos_weight=1.0: (
                dE / y.size * wrong(y, t, sigmoid_forward(y), pos_weight)
            ),
            source,
        )

    yield dy(
        "not shifted by the target", "s / n, weighted", lambda y, t, s, w: (1 + (w - 1) * t) * s
    )
    yield dy(
        "pos_weight of the target alone",
        "(s - w t) / n",
        lambda y, t, s, w: s - w * t,
        "the derivative of (1 - t) y + ..., with the weight put where t stands",
    )
    yield dy(
        "sigmoid's derivative kept",
        "(s - t) s (1 - s) / n, weighted",
        lambda y, t, s, w: ((1 + (w - 1) * t) * s - w * t) * (s * (1 - s)),
        "that of a squared error, which does not cancel",
    )
    yield dy(
        "logits for probabilities",
        "(y - t) / n, weighted",
        lambda y, t, s, w: (1 + (w - 1) * t) * y - w * t,
    )
    yield dy(
        "wrong sign", "(t - s) / n, weighted", lambda y, t, s, w: w * t - (1 + (w - 1) * t) * s
    )


def _on_negatives() -> Op:
    """Return the loss of -y and 1 - t: log s(-y) = log(1 - s(y))."""

    def backward(dE: Any, E: Any, y: Any, t: Any, **o: float) -> tuple[Any, ...]:
        return tuple(-d for d in bce_with_logits_backward(dE, E, -y, 1 - t, **o))

    return Op(lambda y, t, **o: bce_with_logits_forward(-y, 1 - t, **o), backward)


def _on_both() -> Op:
    def forward(y: Any, t: Any, *, pos_weight: float = 1.0) -> Any:
        return pos_weight * bce_with_logits_forward(y, t)

    def backward(dE: Any, E: Any, y: Any, t: Any, *, pos_weight: float = 1.0) -> tuple[Any, ...]:
        return bce_with_logits_backward(pos_weight * dE, E, y, t)

    return Op(forward, backward)


def _twice() -> Op:
    def backward(dE: Any, E: Any, y: Any, t: Any, **o: float) -> tuple[Any, ...]:
        s = sigmoid_forward(y)
        ds, dt = bce_with_logits_backward(dE, E, s, t, **o)
        return (*OPS["sigmoid"].backward(ds, s, y), dt)

    return Op(lambda y, t, **o: bce_with_logits_forward(sigmoid_forward(y), t, **o), backward)
