"""Adafactor (Shazeer and Stern 2018): the second moment of a matrix from its rows and columns."""

from typing import Any

import numpy as np

from backproof.reference.optimizers.factored import (
    capped,
    largest,
    last_two,
    moments,
    parameter_scale,
    states,
)
from backproof.reference.optimizers.optimizer import Formula, Optimizer, Shapes, prepared


def adafactor(
    lr: float = 1.0,
    decay_rate: float = 0.8,
    clipping_threshold: float = 1.0,
    weight_decay: float = 0.0,
    *,
    eps: float = 1e-30,
    momentum: float = 0.0,
    multiply_by_parameter_scale: bool = True,
    factored: bool = True,
) -> Optimizer:
    """Return w - (step + weight_decay w), where step = lr scale u, and u = g / sqrt(v) is clipped.

    1. v is a mean of g^2 + eps, with beta2 = 1 - t^-decay_rate. Of a matrix only the means of rows
       and of columns are kept, and v = row column / mean(row).
    2. u is divided by RMS(u) / clipping_threshold where that is above 1.
    3. scale = max(0.001, RMS(w)), or 1 where the step is not multiplied by it.
    4. With momentum, the step is a mean of steps, which starts at zero and is not corrected.

    factored: whether all parameters are; an array of more than two axes along its two largest.
    Source: Shazeer and Stern 2018, alg. 4 (matrices) and 5 (vectors), where lr is called rho, and
    sums take the place of means, which changes nothing.
    """
    scale = parameter_scale(1e-3)
    lines: dict[str, Formula] = {
        **moments(lambda g: g * g + eps, largest if factored else None),
        "u": lambda g, v: g / np.sqrt(v),
        "capped": capped(clipping_threshold),
        "step": lambda w, capped, shapes: lr * scale(w, shapes) * capped,
    }
    if not multiply_by_parameter_scale:
        lines["step"] = lambda capped: lr * capped
    if momentum:  # the mean of the steps takes the place of the step
        lines["b"] = lambda b, step: momentum * b + (1 - momentum) * step
        lines["w"] = lambda w, b: w - (b + weight_decay * w)
    else:
        lines["w"] = lambda w, step: w - (step + weight_decay * w)
    start = dict.fromkeys([*states(factored=factored), *(["b"] if momentum else [])], 0.0)
    return Optimizer(lines, start, {"beta2": lambda t: 1 - t ** (-decay_rate)})


def adafactor_clamped(
    lr: float = 1e-2,
    decay_rate: float = 0.8,
    clipping_threshold: float = 1.0,
    weight_decay: float = 0.0,
    *,
    eps: float = 2.0**-52,
    min_scale: float = 1e-3,
    maximize: bool = False,
    factored: bool = True,
) -> Optimizer:
    """Return w - lr weight_decay w - rho scale u: eps is a bound, and is added to nothing.

    v = row column / max(mean(row), eps), u = g / max(sqrt(v), eps), rho = min(lr, 1 / sqrt(t)),
    scale = max(min_scale, RMS(w)); all else is as of `adafactor`. An array of more than two axes is
    factored along its last two. Source: Shazeer and Stern 2018, alg. 4 and 5, but for eps.
    """
    scale = parameter_scale(min_scale)
    axes = last_two if factored else None

    def w(w: Any, capped: Any, rho: Any, shapes: Shapes) -> Any:
        return w * (1 - lr * weight_decay) - rho * scale(w, shapes) * capped

    return Optimizer(
        lines={
            **prepared(0, maximize=maximize),
            **moments(lambda g: g * g, axes, eps),
            "u": lambda g, v: g / np.sqrt(np.maximum(v, eps * eps + 0 * v)),
            "capped": capped(clipping_threshold),
            "w": w,
        },
        start=dict.fromkeys(states(factored=factored), 0.0),
        scalars={
            "beta2": lambda t: 1 - t ** (-decay_rate),
            "rho": lambda t: np.minimum(lr, 1 / np.sqrt(t)),
        },
        forms={"mean by interpolation": moments(lambda g: g * g, axes, eps, interpolates=True)},
    )


def adafactor_relative(
    lr: float = 1e-2,
    decay_rate: float = 0.8,
    clipping_threshold: float = 1.0,
    weight_decay: float = 0.0,
    *,
    eps: float = 1e-30,
    min_scale: float = 1e-3,
    momentum: float = 0.0,
    relative_step: bool = True,
    multiply_by_parameter_scale: bool = True,
    factored: bool = True,
) -> Optimizer:
    """Return w - rate weight_decay w - rate u, where rate = rho scale.

    rho = min(lr, 1 / sqrt(t)), or lr where the step is not relative; scale = max(min_scale,
    RMS(w)); all else is as of `adafactor`. An array of more than two axes is factored along its
    last two. Source: Shazeer and Stern 2018, alg. 6, with a decay of its own.
    """
    scale = parameter_scale(min_scale)

    def rate(w: Any, rho: Any, shapes: Shapes) -> Any:
        return rho * scale(w, shapes) if multiply_by_parameter_scale else rho + 0 * w

    lines: dict[str, Formula] = {
        **moments(lambda g: g * g + eps, last_two if factored else None),
        "u": lambda g, v: g / np.sqrt(v),
        "capped": capped(clipping_threshold),
        "rate": rate,
        "step": lambda capped, rate: rate * capped,
        "b": lambda b, step: momentum * b + (1 - momentum) * step,
        "w": lambda w, b, rate: (w - weight_decay * rate * w if weight_decay else w) - b,
    }
    if not momentum:
        lines["b"] = lambda step: 1 * step
    return Optimizer(
        lines,
        dict.fromkeys([*states(factored=factored), *(["b"] if momentum else [])], 0.0),
        {
            "beta2": lambda t: 1 - t ** (-decay_rate),
            "rho": lambda t: np.minimum(lr, 1 / np.sqrt(t)) if relative_step else lr + 0 * t,
        },
    )
