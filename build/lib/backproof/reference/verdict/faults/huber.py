"""Classical mistakes of the Huber loss: y, t and the gradient dy are (B, O), the loss E ()."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.verdict.faults.fault import (
    COMMON,
    Fault,
    in_backward,
    in_both,
    in_forward,
    times,
    with_options,
)


def huber() -> Iterator[Fault]:
    """Yield the faults of the Huber loss: e = t - y, linear where |e| > delta."""
    forward = partial(in_forward, "huber")

    def dy(name: str, gives: str, wrong: Callable[[Any, float], Any], source: str) -> Fault:
        def backward(dE: Any, E: Any, y: Any, t: Any, *, delta: float = 1.0) -> Any:
            return -(dE * (wrong(t - y, delta) / y.size))

        return in_backward("huber", 0, name, gives, backward, source)

    yield in_both(
        "huber",
        "delta forgotten",
        "what delta = 1 gives",
        with_options("huber", lambda _: {"delta": 1.0}),
    )
    yield in_both(
        "huber",
        "sum for mean",
        "what n times as much gives",
        times("huber", lambda y, t, **_: y.size),
    )
    yield in_both(
        "huber",
        "divided by delta",
        "what e^2 / (2 delta), else |e| - delta / 2, gives",
        times("huber", lambda y, t, delta=1.0: 1 / delta),
        "the smooth L1 loss, whose beta is no delta",
    )
    yield forward(
        "lost factor 1/2",
        "the mean with e^2 where |e| <= delta",
        lambda y, t, delta=1.0: _mean(t - y, delta, lambda size: delta * (size - 0.5 * delta), 1.0),
    )
    yield forward(
        "delta forgotten in the linear part",
        "the mean with |e| - delta / 2 where |e| > delta",
        lambda y, t, delta=1.0: _mean(t - y, delta, lambda size: size - 0.5 * delta),
    )
    yield forward(
        "jump at delta",
        "the mean with delta |e| where |e| > delta, without - delta^2 / 2",
        lambda y, t, delta=1.0: _mean(t - y, delta, lambda size: delta * size),
    )
    yield dy("not clipped", "-e / n everywhere", lambda e, delta: e, "the squared error's")
    yield dy(
        "lost factor 1/2 of the gradient",
        "-2 e / n where |e| <= delta",
        lambda e, delta: np.where(np.abs(e) > delta, _clipped(e, delta), 2 * e),
        "the squared error's, without its 1/2",
    )
    yield dy(
        "zero where clipped",
        "-e / n, but zero where |e| > delta",
        lambda e, delta: np.where(np.abs(e) > delta, 0, e),
        "the gradient of clamp(e), Mnih et al.'s clipped error (2015) taken at its word",
    )
    yield dy(
        "linear everywhere",
        "-delta sign(e) / n everywhere",
        lambda e, delta: delta * np.where(e > 0, 1, -1),
        "the absolute error's",
    )
    yield dy("wrong sign", "the gradient negated", lambda e, delta: -_clipped(e, delta), COMMON)


def _mean(e: Any, delta: float, linear: Callable[[Any], Any], half: float = 0.5) -> Any:
    size = np.abs(e)
    return np.sum(np.where(size > delta, linear(size), half * e * e)) / e.size


def _clipped(e: Any, delta: float) -> Any:
    return np.maximum(np.minimum(e, delta), -delta)
