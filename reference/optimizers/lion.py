"""Lion (Chen et al. 2023): steps of one size, in the direction of a sign."""

import numpy as np

from backproof.reference.optimizers.adam import decoupled
from backproof.reference.optimizers.optimizer import Optimizer


def lion(
    lr: float = 1e-4, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 1e-3
) -> Optimizer:
    """Return w - lr (u + weight_decay w), where u = sign(beta1 m + (1 - beta1) g).

    The m in u is the one before the step. Source: Chen et al. 2023, alg. 2.
    """
    right = Optimizer(
        lines={
            "u": lambda g, m: np.sign(beta1 * m + (1 - beta1) * g),
            "m": lambda g, m: beta2 * m + (1 - beta2) * g,
            "w": lambda w, u: w - lr * u,
        },
        start={"m": 0.0},
    )
    return decoupled(right, lr, weight_decay)
