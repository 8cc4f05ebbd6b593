"""RMSprop (Tieleman and Hinton 2012, lecture 6e); centered (Graves 2013, eq. 38 to 41)."""

from typing import Any

import numpy as np

from backproof.reference.optimizers.optimizer import Formula, Optimizer, interpolated, prepared


def rmsprop(
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    *,
    centered: bool = False,
    maximize: bool = False,
) -> Optimizer:
    """Return w - lr b, where b <- momentum b + g / (sqrt(v) + eps), v the running mean of g^2.

    Source: Tieleman and Hinton 2012, slide 29. Centered: v - m^2, the variance, in place of v
    (Graves 2013, eq. 40, but with eps outside the root). The learning rate multiplies b, and is
    not in it.
    """
    lines = {**prepared(weight_decay, maximize=maximize), **means(alpha, centered=centered)}
    start = {"v": 0.0, **({"m": 0.0} if centered else {})}
    if centered:
        lines["u"] = lambda g, v, m: g / (np.sqrt(v - m * m) + eps)
    else:
        lines["u"] = lambda g, v: g / (np.sqrt(v) + eps)
    if momentum:
        start["b"] = 0.0
        lines["b"] = lambda b, u: momentum * b + u
        lines["w"] = lambda w, b: w - lr * b
    else:
        lines["w"] = lambda w, u: w - lr * u
    return Optimizer(lines, start, forms=interpolated(alpha) if centered else {})


def rmsprop_of_steps(
    lr: float = 1e-2,
    alpha: float = 0.9,
    eps: float = 1e-8,
    momentum: float = 0.0,
    initial_scale: float = 0.0,
    weight_decay: float = 0.0,
    *,
    centered: bool = False,
    nesterov: bool = False,
    eps_in_sqrt: bool = True,
    bias_correction: bool = False,
) -> Optimizer:
    """Return w + b, where b <- momentum b - lr g / sqrt(v + eps): momentum of whole steps.

    Source: Graves 2013, eq. 38 to 41: eps inside the root, learning rate and sign in b. With a
    bias correction the means are divided by 1 - alpha^t, as in Adam.
    """

    def corrected(mean: Any, c: Any) -> Any:
        return mean / c if bias_correction else mean

    def scaled(g: Any, variance: Any) -> Any:
        return -lr * (g / (np.sqrt(variance + eps) if eps_in_sqrt else np.sqrt(variance) + eps))

    def centered_step(g: Any, v: Any, m: Any, c: Any) -> Any:
        m = corrected(m, c)
        return scaled(g, corrected(v, c) - m * m)

    lines = {**prepared(weight_decay), **means(alpha, centered=centered)}
    start = {"v": initial_scale, **({"m": 0.0} if centered else {})}
    lines["u"] = centered_step if centered else lambda g, v, c: scaled(g, corrected(v, c))
    if momentum:
        start["b"] = 0.0
        lines["b"] = lambda b, u: momentum * b + u
    if momentum and nesterov:
        lines["w"] = lambda w, b, u: w + (momentum * b + u)
    elif momentum:
        lines["w"] = lambda w, b: w + b
    else:
        lines["w"] = lambda w, u: w + u
    return Optimizer(lines, start, {"c": lambda t: 1 - alpha**t})


def means(alpha: float, *, centered: bool) -> dict[str, Formula]:
    """Return the lines of the running means v of g^2 and, where it is needed, m of g."""
    v: dict[str, Formula] = {"v": lambda g, v: alpha * v + (1 - alpha) * g * g}
    m: dict[str, Formula] = {"m": lambda g, m: alpha * m + (1 - alpha) * g}
    return {**v, **m} if centered else v
