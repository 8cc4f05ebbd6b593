"""Classical mistakes of losses: y, t and the gradient dy are (B, O), the loss E is ()."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reference.ops import OPS
from reference.ops.softmax import log_softmax_forward
from reference.verdict.faults.fault import COMMON, Fault, in_backward, in_forward


def losses() -> Iterator[Fault]:
    """Yield the faults of all losses."""
    yield from scaled("half_squared_error", "lost factor 1/2", 2.0)
    yield from scaled("mean_squared_error", "lost factor 2", 0.5)
    yield from squares()
    yield from cross_entropy()


def scaled(op: str, lost: str, factor: float) -> Iterator[Fault]:
    """Yield the faults of a loss whose gradient is right but for a factor."""

    def times(name: str, gives: str, factor: Callable[[Any], Any]) -> Fault:
        def wrong(dE: Any, E: Any, y: Any, t: Any) -> Any:
            return OPS[op].backward(dE, E, y, t)[0] * factor(y)

        return in_backward(op, 0, name, gives, wrong, COMMON)

    yield times("wrong sign", "the gradient negated", lambda _: -1.0)
    yield times(f"{lost} of the gradient", f"{factor} times the gradient", lambda _: factor)
    yield times("wrong sign of one output", "the first output's gradient negated", flip)


def squares() -> Iterator[Fault]:
    """Yield the faults of squared errors."""
    yield in_forward(
        "half_squared_error",
        "lost factor 1/2",
        "sum (t - y)^2",
        lambda y, t: np.sum((t - y) * (t - y)),
        COMMON,
    )
    yield in_backward(
        "half_squared_error",
        0,
        "mean for sum over the batch",
        "-(t - y) / B",
        lambda dE, E, y, t: -(dE * (t - y)) / y.shape[0],
        COMMON,
    )
    yield in_backward(
        "mean_squared_error",
        0,
        "sum for mean",
        "-2 (t - y)",
        lambda dE, E, y, t: -(dE * (2 * (t - y))),
        COMMON,
    )
    yield in_backward(
        "mean_squared_error",
        0,
        "mean over the batch alone",
        "-2 (t - y) / B",
        lambda dE, E, y, t: -(dE * (2 * (t - y))) / y.shape[0],
        COMMON,
    )
    yield in_forward(
        "mean_squared_error",
        "sum for mean",
        "sum (t - y)^2",
        lambda y, t: np.sum((t - y) * (t - y)),
        COMMON,
    )


def cross_entropy() -> Iterator[Fault]:
    """Yield the faults of softmax cross-entropy."""

    def entropy(name: str, gives: str, wrong: Any) -> Fault:
        return in_backward("softmax_cross_entropy", 0, name, gives, wrong, COMMON)

    yield entropy(
        "not shifted by the target",
        "p / B instead of (p - t) / B",
        lambda dE, E, y, t: dE * np.exp(log_softmax_forward(y)) / y.shape[0],
    )
    yield entropy(
        "softmax Jacobian left out",
        "-t / p / B, the gradient of the probabilities",
        lambda dE, E, y, t: -(dE * t / np.exp(log_softmax_forward(y))) / y.shape[0],
    )
    yield entropy(
        "sum for mean over the batch",
        "p - t",
        lambda dE, E, y, t: dE * (np.exp(log_softmax_forward(y)) - t),
    )
    yield entropy(
        "wrong sign",
        "(t - p) / B",
        lambda dE, E, y, t: dE * (t - np.exp(log_softmax_forward(y))) / y.shape[0],
    )
    yield entropy(
        "logits for probabilities", "(y - t) / B", lambda dE, E, y, t: dE * (y - t) / y.shape[0]
    )
    yield in_forward(
        "softmax_cross_entropy",
        "sum for mean over the batch",
        "-sum t log p",
        lambda y, t: -np.sum(t * log_softmax_forward(y)),
        COMMON,
    )


def flip(y: Any) -> Any:
    """Return ones, but minus one for the first output."""
    signs = np.ones(y.shape)
    signs[:, 0] = -1
    return signs
