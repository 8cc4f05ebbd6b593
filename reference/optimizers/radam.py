"""RAdam (Liu et al. 2020, alg. 2): Adam that waits until its second moment can be trusted."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.optimizers.adam import corrections, decoupled, moments, root
from backproof.reference.optimizers.optimizer import Optimizer, interpolated, prepared

THRESHOLD = 5.0
"""The length of the average from which it is trusted."""


def radam(
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Optimizer:
    """Return RAdam whose step, once rectified, is r (m / c1) sqrt(c2) / (sqrt(v) + eps).

    Source: Liu et al. 2020, alg. 2, with the threshold 5 of their program instead of the paper's 4,
    and eps added to the root of v before the bias correction.
    """

    def u(m: Any, v: Any, c1: Any, c2: Any, rho: Any, r: Any) -> Any:
        return np.where(rho > THRESHOLD, r * (m / c1) * np.sqrt(c2) / (np.sqrt(v) + eps), m / c1)

    right = Optimizer(
        lines={
            **prepared(0 if decoupled_weight_decay else weight_decay, maximize=maximize),
            **moments(beta1, beta2),
            "u": u,
            "w": lambda w, u: w - lr * u,
        },
        start={"m": 0.0, "v": 0.0},
        scalars={**corrections(beta1, beta2), **rectification(beta2)},
        forms=interpolated(beta1),
    )
    return decoupled(right, lr, weight_decay) if decoupled_weight_decay else right


def radam_eps_last(
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    *,
    eps_root: float = 0.0,
    threshold: float = THRESHOLD,
    nesterov: bool = False,
) -> Optimizer:
    """Return RAdam whose rectified step is r m' / (sqrt(v / c2 + eps_root) + eps), eps as in Adam.

    m' is m / c1, or with Nesterov's look-ahead that of `nadam_constant`. Source: Liu et al. 2020,
    alg. 2; rho may equal the threshold.
    """

    def m_hat(m: Any, g: Any, c1: Any, c1_next: Any) -> Any:
        return beta1 * (m / c1_next) + (1 - beta1) * (g / c1) if nesterov else m / c1

    def u(m_hat: Any, v: Any, c2: Any, rho: Any, r: Any) -> Any:
        return np.where(rho < threshold, m_hat, r * m_hat / (root(v, c2, eps_root) + eps))

    return Optimizer(
        lines={**moments(beta1, beta2), "m_hat": m_hat, "u": u, "w": lambda w, u: w - lr * u},
        start={"m": 0.0, "v": 0.0},
        scalars={
            **corrections(beta1, beta2),
            **rectification(beta2),
            "c1_next": lambda t: 1 - beta1 ** (t + 1),
        },
    )


def rectification(beta2: float) -> dict[str, Callable[[Any], Any]]:
    """Return rho, the length of the average in step t, and r, which rectifies its variance.

    Source: Liu et al. 2020, alg. 2. r is computed from a length of at least 4; a shorter one has no
    r.
    """
    limit = 2 / (1 - beta2) - 1

    def rho(t: Any) -> Any:
        return limit - 2 * t * beta2**t / (1 - beta2**t)

    def r(t: Any) -> Any:
        length = np.maximum(rho(t), 4 + 0 * t)
        share = (length - 4) * (length - 2) * limit
        return np.sqrt(share / ((limit - 4) * (limit - 2) * length))

    return {"rho": rho, "r": r}
