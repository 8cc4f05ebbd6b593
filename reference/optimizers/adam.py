"""Adam (Kingma and Ba 2015), and AdamW (Loshchilov and Hutter 2019)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import (
    Formula,
    Optimizer,
    interpolated,
    prepared,
    reading,
)


def adam(
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    *,
    eps_root: float = 0.0,
    bias_correction: bool = True,
    maximize: bool = False,
) -> Optimizer:
    """Return w - lr (m / c1) / (sqrt(v / c2 + eps_root) + eps); decay is coupled.

    Source: Kingma and Ba 2015, alg. 1, where eps_root is zero. Without a bias correction c1 and c2
    are one.
    """
    return Optimizer(
        lines={
            **prepared(weight_decay, maximize=maximize),
            **moments(beta1, beta2),
            "u": lambda m, v, c1, c2: (m / c1) / (root(v, c2, eps_root) + eps),
            "w": lambda w, u: w - lr * u,
        },
        start={"m": 0.0, "v": 0.0},
        scalars=corrections(beta1, beta2, applied=bias_correction),
        forms=interpolated(beta1),
    )


def adamw(lr: float = 1e-3, weight_decay: float = 1e-2, **options: Any) -> Optimizer:
    """Return Adam with decoupled decay; the options are Adam's (Loshchilov and Hutter 2019)."""
    return decoupled(adam(lr, **options), lr, weight_decay)


def moments(beta1: float, beta2: float) -> dict[str, Formula]:
    """Return the lines of the running means of g and g^2 (Kingma and Ba 2015, alg. 1)."""
    return {
        "m": lambda g, m: beta1 * m + (1 - beta1) * g,
        "v": lambda g, v: beta2 * v + (1 - beta2) * g * g,
    }


def adam_eps_hat(lr: float = 1e-3, eps: float = 1e-7, **options: Any) -> Optimizer:
    """Return Adam whose epsilon is added before the bias correction; the other options are Adam's.

    w - lr sqrt(c2) / c1 m / (sqrt(v) + eps). Source: Kingma and Ba 2015, sec. 2, where this epsilon
    has a hat.
    """
    return with_eps_hat(adam(lr, **options), "v", eps)


def with_eps_hat(of: Optimizer, largest: str, eps: float) -> Optimizer:
    """Return an optimizer with this epsilon. largest: the second moment that the step reads."""

    def u(m: Any, v: Any, c1: Any, c2: Any) -> Any:
        return (m / c1) * np.sqrt(c2) / (np.sqrt(v) + eps)

    return replace(of, lines={**of.lines, "u": reading(u, "m", largest, "c1", "c2")})


def corrections(
    beta1: float, beta2: float, *, applied: bool = True
) -> dict[str, Callable[[Any], Any]]:
    """Return the bias corrections of means that start at zero (Kingma and Ba 2015, sec. 3)."""
    if not applied:
        return dict.fromkeys(("c1", "c2"), lambda t: 1 + 0 * t)
    return {"c1": lambda t: 1 - beta1**t, "c2": lambda t: 1 - beta2**t}


def root(v: Any, c2: Any, eps_root: float = 0.0) -> Any:
    """Return sqrt(v / c2 + eps_root); without eps_root a quotient of roots: zero stays zero."""
    return np.sqrt(v / c2 + eps_root) if eps_root else np.sqrt(v) / np.sqrt(c2)


def decoupled(optimizer: Optimizer, lr: float, weight_decay: float) -> Optimizer:
    """Return w - lr (u + weight_decay w) for an optimizer's w - lr u.

    Source: Loshchilov and Hutter 2019, alg. 2, line 12; here the decay is multiplied by lr too.
    Forms with a line w of their own are left out: they have no decay.
    """
    if not weight_decay:
        return optimizer
    return replace(
        optimizer,
        lines={**optimizer.lines, "w": lambda w, u: w - lr * (u + weight_decay * w)},
        forms={
            **{name: form for name, form in optimizer.forms.items() if "w" not in form},
            "decays first": {"w": lambda w, u: w * (1 - lr * weight_decay) - lr * u},
        },
    )
