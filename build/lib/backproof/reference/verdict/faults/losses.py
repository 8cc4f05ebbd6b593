"""Classical mistakes of squared errors: y, t and the gradient dy are (B, O), the loss E ()."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.verdict.faults.fault import (
    COMMON,
    Fault,
    in_backward,
    in_both,
    in_forward,
    times,
)


def half_squared_error() -> Iterator[Fault]:
    """Yield the faults of 1/2 sum (t - y)^2."""
    yield from scaled("half_squared_error", "lost factor 1/2", 2.0)
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


def mean_squared_error() -> Iterator[Fault]:
    """Yield the faults of 1/n sum (t - y)^2."""
    yield from scaled("mean_squared_error", "lost factor 2", 0.5)
    yield in_both(
        "mean_squared_error",
        "sum for mean",
        "what n times as much gives",
        times("mean_squared_error", lambda y, t: y.size),
    )
    yield in_backward(
        "mean_squared_error",
        0,
        "mean over the batch alone",
        "-2 (t - y) / B",
        lambda dE, E, y, t: -(dE * (2 * (t - y))) / y.shape[0],
        COMMON,
    )


def scaled(op: str, lost: str, factor: float) -> Iterator[Fault]:
    """Yield the faults of a loss whose gradient is right but for a factor."""

    def scaled_by(name: str, gives: str, factor: Callable[[Any], Any]) -> Fault:
        def wrong(dE: Any, E: Any, y: Any, t: Any) -> Any:
            return OPS[op].backward(dE, E, y, t)[0] * factor(y)

        return in_backward(op, 0, name, gives, wrong, COMMON)

    yield scaled_by("wrong sign", "the gradient negated", lambda _: -1.0)
    yield scaled_by(f"{lost} of the gradient", f"{factor} times the gradient", lambda _: factor)
    yield scaled_by("wrong sign of one output", "the first output's gradient negated", flip)


def flip(y: Any) -> Any:
    """Return ones, but minus one for the first output."""
    signs = np.ones(y.shape)
    signs[..., 0] = -1
    return signs
