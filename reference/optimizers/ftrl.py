"""FTRL-Proximal (McMahan et al. 2013): each time the parameter anew, from the sum of gradients."""

from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Optimizer


def ftrl(
    lr: float = 1e-3,
    power: float = 0.5,
    initial_accumulator_value: float = 0.1,
    l1: float = 0.0,
    l2: float = 0.0,
    beta: float = 0.0,
    shrinkage: float = 0.0,
) -> Optimizer:
    """Return (sign(z) l1 - z) / ((beta + n^power) / lr + l2), or zero where |z| is below l1.

    n is the sum of all g^2, and z that of g + 2 shrinkage w - sigma w, where sigma is the increase
    of n^power / lr. Source: McMahan et al. 2013, alg. 1, where the power is 1/2 and n starts at
    zero; shrinkage adds the gradient of an L2 penalty to g.
    """

    def z(z: Any, w: Any, g: Any, n: Any) -> Any:
        grown = np.where(g == 0, 0, np.power(n + g * g, power) - np.power(n, power))
        return z + (g + 2 * shrinkage * w - grown / lr * w)

    def w(z: Any, n: Any, l2: Any) -> Any:
        nearer = np.minimum(np.maximum(z, -l1), l1) - z
        return nearer / ((beta + np.power(n, power)) / lr + l2)

    return Optimizer(
        lines={"z": z, "n": lambda n, g: n + g * g, "w": w},
        start={"z": 0.0, "n": initial_accumulator_value},
        scalars={"l2": lambda t: l2 + 0 * t},
    )
