"""Averaged SGD (Polyak and Juditsky 1992), with the schedules of Bottou's program (2012)."""

import numpy as np

from backproof.reference.optimizers.optimizer import Optimizer, prepared


def asgd(
    lr: float = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
    *,
    maximize: bool = False,
) -> Optimizer:
    """Return descent at a falling rate eta, and the average of all w that come after t0.

    eta_t = lr / (1 + lambd lr t)^alpha, from eta_0 = lr; mu_t = 1 / max(1, t - t0). A step has the
    eta and the mu of the step before. Source: Bottou 2012, sec. 5.1, with an L2 penalty lambd.
    """
    return Optimizer(
        lines={
            **prepared(weight_decay, maximize=maximize),
            "w": lambda w, g, eta: w - eta * (g + lambd * w),
            "average": lambda average, w, mu: average + mu * (w - average),
            "eta": lambda eta, rate: np.broadcast_to(rate, np.shape(eta)),
            "mu": lambda mu, share: np.broadcast_to(share, np.shape(mu)),
        },
        start={"average": 0.0, "eta": lr, "mu": 1.0},
        scalars={
            "rate": lambda t: lr / np.power(1 + lambd * lr * t, alpha),
            "share": lambda t: 1 / np.maximum(1, t - t0),
        },
        forms={"decays first": {"w": lambda w, g, eta: w * (1 - lambd * eta) - eta * g}},
    )
