"""Rprop (Riedmiller and Braun 1993): a step size for each entry, and of a gradient its sign."""

from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Formula, Optimizer, prepared


def rprop(
    lr: float = 1e-2,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    min_step_size: float = 1e-6,
    max_step_size: float = 50.0,
    *,
    maximize: bool = False,
) -> Optimizer:
    """Return w - size sign(g), without a step where the sign of g has turned.

    Source: Igel and Huesken 2000, sec. 2 (iRprop-): where g has turned, it is kept as zero, so that
    the next step has nothing to turn from. lr is the size at the start.
    """
    return Optimizer(
        lines={
            **prepared(0, maximize=maximize),
            "turn": lambda g, before: np.sign(g * before),
            "size": adapted(eta_minus, eta_plus, min_step_size, max_step_size),
            "before": lambda g, turn: np.where(turn < 0, 0, g),
            "w": lambda w, size, before: w - size * np.sign(before),
        },
        start={"before": 0.0, "size": lr},
    )


def rprop_of_steps(
    lr: float = 1e-2,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    min_step_size: float = 1e-6,
    max_step_size: float = 50.0,
) -> Optimizer:
    """Return `rprop` that keeps its last step in the place of its last gradient."""
    return Optimizer(
        lines={
            "turn": lambda g, b: np.sign(g * b),
            "size": adapted(eta_minus, eta_plus, min_step_size, max_step_size),
            "b": lambda g, size, turn: np.where(turn < 0, 0, size * np.sign(g)),
            "w": lambda w, b: w - b,
        },
        start={"b": 0.0, "size": lr},
    )


def adapted(eta_minus: float, eta_plus: float, least: float, most: float) -> Formula:
    """Return the line of the step's size (Riedmiller and Braun 1993, eq. 4 and sec. 3)."""

    def size(size: Any, turn: Any) -> Any:
        longer = np.minimum(eta_plus * size, most)
        shorter = np.maximum(eta_minus * size, least)
        return np.where(turn > 0, longer, np.where(turn < 0, shorter, size))

    return size
