"""LAMB (You et al. 2020): Adam whose step is as long as the parameter, layer by layer."""

from typing import Any

import numpy as np

from backproof.reference.optimizers.adam import adam
from backproof.reference.optimizers.clipping import norm
from backproof.reference.optimizers.optimizer import Optimizer, each


def lamb(
    lr: float = 1e-3, eps: float = 1e-6, weight_decay: float = 0.0, **options: Any
) -> Optimizer:
    """Return w - lr ratio u, where u is Adam's direction + weight_decay w, and ratio = |w| / |u|.

    The norms are those of each parameter alone; where one of them is zero, the ratio is 1. The
    options are Adam's. Source: You et al. 2020, alg. 2, where phi is the identity.
    """
    of = adam(lr, eps=eps, **options)
    direction = of.lines["u"]

    def u(w: Any, m: Any, v: Any, c1: Any, c2: Any) -> Any:
        u = direction(m, v, c1, c2)
        return u + weight_decay * w if weight_decay else u

    def ratio(w: Any, u: Any, shapes: Any) -> Any:
        size, length = each(norm, w, shapes), each(norm, u, shapes)
        lengths = np.where(length > 0, length, 1)
        return np.where(size > 0, np.where(length > 0, size / lengths, 1), 1)

    lines = {name: of.lines[name] for name in ("m", "v")}
    lines = {**lines, "u": u, "ratio": ratio, "w": lambda w, u, ratio: w - lr * (ratio * u)}
    return Optimizer(lines, of.start, of.scalars)
