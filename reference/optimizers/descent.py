"""Gradient descent, and momentum (Polyak 1964; Nesterov 1983; Sutskever et al. 2013)."""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.ops import Array
from backproof.reference.optimizers.optimizer import Formula, Optimizer, prepared


def sgd(w: Array, gradient: Array, eta: Any) -> Array:
    """Return w - eta dE/dw, element by element (article, steps 3.3 and 4.3; formula row 8).

    w, gradient: two arrays of one shape, of any kind that can be scaled and subtracted, a
    framework's own included. eta: the learning rate, a scalar.
    """
    return w - eta * gradient


def momentum_descent(
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    *,
    nesterov: bool = False,
    maximize: bool = False,
) -> Optimizer:
    """Return descent with a buffer b of former gradients.

    b <- momentum b + (1 - dampening) g, but b <- g in the first step, which is not dampened.
    Source: Sutskever et al. 2013, eq. 1 to 4, with b = -v / lr: the learning rate multiplies the
    buffer and is not in it. Nesterov's look-ahead is g + momentum b (Bengio et al. 2012, sec. 3.5).
    """

    def b(g: Any, b: Any, t: Any) -> Any:
        return np.where(t == 1, g, momentum * b + (1 - dampening) * g)

    lines = prepared(weight_decay, maximize=maximize)
    if not momentum:
        return Optimizer({**lines, "w": lambda w, g: sgd(w, g, lr)})
    lines["b"] = b
    if nesterov:
        lines["w"] = lambda w, g, b: sgd(w, g + momentum * b, lr)
    else:
        lines["w"] = lambda w, b: sgd(w, b, lr)
    return Optimizer(lines, start={"b": 0.0})


def descent_from_zero(
    lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0, **options: Any
) -> Optimizer:
    """Return `momentum_descent` whose buffer starts at zero: the first step is dampened as well."""
    right = momentum_descent(lr, momentum, dampening, **options)
    if not momentum:
        return right
    b = {"b": lambda g, b: momentum * b + (1 - dampening) * g}
    return replace(right, lines={**right.lines, **b})


def descent_of_steps(
    lr: float = 1e-2, momentum: float = 0.0, *, nesterov: bool = False
) -> Optimizer:
    """Return w + b, where b <- momentum b - lr g: the buffer is of whole steps.

    Source: Sutskever et al. 2013, eq. 1 and 2. Nesterov's look-ahead is w + (momentum b - lr g).
    """
    if not momentum:
        return momentum_descent(lr)
    lines: dict[str, Formula] = {"b": lambda g, b: momentum * b - lr * g}
    if not nesterov:
        return Optimizer({**lines, "w": lambda w, b: w + b}, start={"b": 0.0})
    return Optimizer(
        {**lines, "w": lambda w, g, b: w + (momentum * b - lr * g)},
        start={"b": 0.0},
        forms={"in two steps": {"w": lambda w, g, b: (w - lr * g) + momentum * b}},
    )
