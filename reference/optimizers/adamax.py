"""Adamax (Kingma and Ba 2015, sec. 7.1): Adam with the largest gradient instead of the mean."""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.optimizers.adam import decoupled
from backproof.reference.optimizers.optimizer import Formula, Optimizer, interpolated, prepared


def adamax(
    lr: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Optimizer:
    """Return w - lr (m / c1) / largest, where largest <- max(beta2 largest, |g| + eps).

    Source: Kingma and Ba 2015, alg. 2, where eps is zero.
    """
    right = Optimizer(
        lines={
            **prepared(0 if decoupled_weight_decay else weight_decay, maximize=maximize),
            "m": lambda g, m: beta1 * m + (1 - beta1) * g,
            "largest": lambda g, largest: np.maximum(beta2 * largest, np.abs(g) + eps),
            "u": lambda m, largest, c1: (m / c1) / largest,
            "w": lambda w, u: w - lr * u,
        },
        start={"m": 0.0, "largest": 0.0},
        scalars={"c1": lambda t: 1 - beta1**t},
        forms=interpolated(beta1),
    )
    return decoupled(right, lr, weight_decay) if decoupled_weight_decay else right


def adamax_eps_last(
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-7,
    *,
    bias_correction: bool = True,
) -> Optimizer:
    """Return w - lr (m / c1) / (largest + eps), where largest <- max(beta2 largest, |g|).

    Source: Kingma and Ba 2015, alg. 2, where eps is zero. Without a bias correction c1 is one.
    """
    right = adamax(lr, beta1, beta2)
    lines: dict[str, Formula] = {
        "largest": lambda g, largest: np.maximum(beta2 * largest, np.abs(g)),
        "u": lambda m, largest, c1: (m / c1) / (largest + eps),
    }
    scalars = right.scalars if bias_correction else {"c1": lambda t: 1 + 0 * t}
    return replace(right, lines={**right.lines, **lines}, scalars=scalars)


def adamax_eps_decayed(lr: float = 1e-3, eps: float = 1e-8, **options: Any) -> Optimizer:
    """Return Adamax where largest <- max(beta2 largest + eps, |g|); the options are Adamax's."""
    right = adamax(lr, **options)
    beta2 = options.get("beta2", 0.999)

    def line(g: Any, largest: Any) -> Any:
        return np.maximum(beta2 * largest + eps, np.abs(g))

    return replace(right, lines={**right.lines, "largest": line})
