"""Adagrad (Duchi, Hazan and Singer 2011, fig. 1, diagonal): a rate for each entry."""

from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Optimizer, prepared


def adagrad(
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    *,
    maximize: bool = False,
) -> Optimizer:
    """Return w - rate g / (sqrt(v) + eps), v the sum of all g^2, rate lr / (1 + (t - 1) lr_decay).

    Source: Duchi et al. 2011, fig. 1, where eps is called delta.
    """
    return Optimizer(
        lines={
            **prepared(weight_decay, maximize=maximize),
            "v": lambda g, v: v + g * g,
            "w": lambda w, g, v, rate: w - rate * g / (np.sqrt(v) + eps),
        },
        start={"v": initial_accumulator_value},
        scalars={"rate": lambda t: lr / (1 + (t - 1) * lr_decay)},
    )


def adagrad_eps_inside(
    lr: float = 1e-2,
    initial_accumulator_value: float = 0.1,
    eps: float = 1e-7,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Return w - lr g / sqrt(v + eps): epsilon inside the root; no step where v is zero.

    Source: Duchi et al. 2011, fig. 1, but for eps, which is outside there.
    """

    def w(w: Any, g: Any, v: Any) -> Any:
        return w - lr * np.where(v > 0, g / np.sqrt(v + eps), 0)

    return Optimizer(
        lines={**prepared(weight_decay, maximize=False), "v": lambda g, v: v + g * g, "w": w},
        start={"v": initial_accumulator_value},
    )
