"""NAdam (Dozat 2016): Adam with Nesterov's look-ahead."""

import numpy as np

from backproof.reference.optimizers.adam import corrections, decoupled, moments, root
from backproof.reference.optimizers.optimizer import Optimizer, interpolated, prepared


def nadam(
    lr: float = 2e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    *,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Optimizer:
    """Return NAdam with its schedule of momentum mu, and the product of all mu as a state.

    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2). Source: Dozat 2016, alg. 2 and sec. 2; the
    schedule is that of Sutskever et al. 2013, eq. 5, as Dozat writes it.
    """
    right = Optimizer(
        lines={
            **prepared(0 if decoupled_weight_decay else weight_decay, maximize=maximize),
            **moments(beta1, beta2),
            "mu_product": lambda mu_product, mu: mu_product * mu,
            "ahead": lambda m, mu_product, mu_next: mu_next * m / (1 - mu_product * mu_next),
            "now": lambda g, mu_product, mu: (1 - mu) * g / (1 - mu_product),
            "u": lambda ahead, now, v, c2: (ahead + now) / (root(v, c2) + eps),
            "w": lambda w, u: w - lr * u,
        },
        start={"m": 0.0, "v": 0.0, "mu_product": 1.0},
        scalars={
            **corrections(beta1, beta2),
            "mu": lambda t: beta1 * (1 - 0.5 * np.power(0.96, t * momentum_decay)),
            "mu_next": lambda t: beta1 * (1 - 0.5 * np.power(0.96, (t + 1) * momentum_decay)),
        },
        forms={
            **interpolated(beta1),
            "in two steps": {
                "u": lambda v, c2: root(v, c2) + eps,
                "w": lambda w, ahead, now, u: (w - lr * now / u) - lr * ahead / u,
            },
        },
    )
    return decoupled(right, lr, weight_decay) if decoupled_weight_decay else right


def nadam_constant(
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    eps_root: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> Optimizer:
    """Return NAdam with constant momentum: mu_t = beta1, so that the product of all is beta1^t.

    Source: Dozat 2016, sec. 2, before a schedule is brought in; v is not multiplied by beta2.
    """
    right = Optimizer(
        lines={
            **prepared(0 if decoupled_weight_decay else weight_decay),
            **moments(beta1, beta2),
            "ahead": lambda m, c1_next: beta1 * (m / c1_next),
            "now": lambda g, c1: (1 - beta1) * (g / c1),
            "u": lambda ahead, now, v, c2: (ahead + now) / (root(v, c2, eps_root) + eps),
            "w": lambda w, u: w - lr * u,
        },
        start={"m": 0.0, "v": 0.0},
        scalars={**corrections(beta1, beta2), "c1_next": lambda t: 1 - beta1 ** (t + 1)},
    )
    return decoupled(right, lr, weight_decay) if decoupled_weight_decay else right
