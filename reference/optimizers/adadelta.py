"""Adadelta (Zeiler 2012): steps in the units of the parameter itself."""

import numpy as np

from backproof.reference.optimizers.optimizer import Optimizer, prepared


def adadelta(
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    *,
    maximize: bool = False,
) -> Optimizer:
    """Return w - lr u, where u = g sqrt(d + eps) / sqrt(v + eps), and d is the running mean of u^2.

    v is the running mean of g^2. Source: Zeiler 2012, alg. 1, where lr is one.
    """
    return Optimizer(
        lines={
            **prepared(weight_decay, maximize=maximize),
            "v": lambda g, v: rho * v + (1 - rho) * g * g,
            "u": lambda g, v, d: np.sqrt(d + eps) / np.sqrt(v + eps) * g,
            "d": lambda u, d: rho * d + (1 - rho) * u * u,
            "w": lambda w, u: w - lr * u,
        },
        start={"v": 0.0, "d": 0.0},
    )
