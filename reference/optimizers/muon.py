"""Muon (Jordan et al. 2024): momentum whose singular values are brought near one."""

from typing import Any

import numpy as np

from backproof.reference.optimizers.newton_schulz import (
    Shape,
    frobenius,
    newton_schulz,
    ratio_of,
    updated,
)
from backproof.reference.optimizers.optimizer import Formula, Optimizer, in_shape, prepared, reading

PUBLISHED = (3.4445, -4.7750, 2.0315)
"""The coefficients of Jordan et al. 2024, section "The Newton-Schulz iteration"."""


def muon(
    lr: float = 1e-3,
    momentum: float = 0.95,
    weight_decay: float = 0.1,
    *,
    nesterov: bool = True,
    coefficients: tuple[float, float, float] = PUBLISHED,
    eps: float = 1e-7,
    ns_steps: int = 5,
    consistent_rms: float = 0.0,
) -> Optimizer:
    """Return w - lr weight_decay w - lr ratio x, where x is the orthogonalized momentum.

    1. m is a mean of gradients, and ahead = momentum m + (1 - momentum) g, Nesterov's look-ahead.
    2. It is read in bfloat16, and x0 = ahead / max(|ahead|, eps), |ahead| being the Frobenius norm.
    3. Each Newton-Schulz step is x <- a x + (b x x^T + c (x x^T)^2) x, in bfloat16.
    4. ratio = sqrt(max(1, rows / columns)), or consistent_rms sqrt(max(rows, columns)).

    All parameters are matrices. Source: Jordan et al. 2024, where a sum of gradients takes the
    place of the mean, which x0 is the same of; Liu et al. 2025, eq. 4 (consistent_rms).
    """

    def ratio(shape: Shape) -> float:
        return ratio_of(shape, consistent_rms)

    def ahead(g: Any, m: Any) -> Any:
        return momentum * m + (1 - momentum) * g

    def normalized(_: Shape, a: Any) -> Any:
        return a / np.maximum(frobenius(a), eps)

    read: Formula = ahead if nesterov else reading(lambda m: m, "m")
    steps = newton_schulz(coefficients, ns_steps)
    return Optimizer(
        lines={
            "m": lambda g, m: momentum * m + (1 - momentum) * g,
            "ahead": read,
            "read": lambda ahead: 1 * ahead,
            "x0": lambda read, shapes: in_shape(normalized, shapes, read),
            **steps,
            "w": updated(ns_steps, ratio, lambda w, step: w * (1 - lr * weight_decay) - lr * step),
        },
        start={"m": 0.0},
        forms={
            "mean by interpolation": {
                "m": lambda g, m: m + (1 - momentum) * (g - m),
                "ahead": (lambda g, m: g + momentum * (m - g)) if nesterov else read,
            }
        },
        stored=dict.fromkeys(("read", "x0", *steps), "bfloat16"),
    )


def muon_corrected(
    lr: float = 1e-3,
    momentum: float = 0.95,
    weight_decay: float = 0.0,
    *,
    nesterov: bool = True,
    coefficients: tuple[float, float, float] = PUBLISHED,
    eps: float = 1e-8,
    ns_steps: int = 5,
    consistent_rms: float = 0.0,
) -> Optimizer:
    """Return w - lr (ratio x + weight_decay w), with corrected biases, all in one precision.

    As `muon`, but ahead = momentum m / c_next + (1 - momentum) g / c, where c = 1 - momentum^t and
    c_next is that of the next step; x0 = ahead / (|ahead| + eps); and a matrix is transposed:
    ratio = sqrt(max(1, columns / rows)). Source: Jordan et al. 2024; Dozat 2016 (corrections).
    """

    def ratio(shape: Shape) -> float:
        return ratio_of(shape[::-1], consistent_rms)

    def ahead(g: Any, m: Any, c: Any, c_next: Any) -> Any:
        return momentum * (m / c_next) + (1 - momentum) * (g / c)

    def normalized(_: Shape, a: Any) -> Any:
        return a / (frobenius(a) + eps)

    return Optimizer(
        lines={
            "m": lambda g, m: momentum * m + (1 - momentum) * g,
            "ahead": ahead if nesterov else lambda m, c: m / c,
            "x0": lambda ahead, shapes: in_shape(normalized, shapes, ahead),
            **newton_schulz(coefficients, ns_steps),
            "w": updated(ns_steps, ratio, lambda w, step: w - lr * (step + weight_decay * w)),
        },
        start={"m": 0.0},
        scalars={"c": lambda t: 1 - momentum**t, "c_next": lambda t: 1 - momentum ** (t + 1)},
    )


def muon_uncorrected(
    lr: float = 1e-3,
    momentum: float = 0.95,
    weight_decay: float = 0.0,
    *,
    nesterov: bool = True,
    coefficients: tuple[float, float, float] = PUBLISHED,
    eps: float = 1e-7,
    ns_steps: int = 5,
    consistent_rms: float = 0.0,
    is_mean: bool = True,
    is_coupled: bool = False,
    is_scaled: bool = True,
) -> Optimizer:
    """Return `muon` all in one precision, with x0 = ahead / (|ahead| + eps).

    is_mean: whether m is a mean; else m <- momentum m + g, and ahead = g + momentum m. is_coupled:
    whether decay is added to g. is_scaled: whether x has its ratio. Source: Jordan et al. 2024.
    """
    share = 1 - momentum if is_mean else 1

    def ratio(shape: Shape) -> float:
        return ratio_of(shape, consistent_rms) if is_scaled or consistent_rms else 1

    def ahead(g: Any, m: Any) -> Any:
        return momentum * m + share * g

    def normalized(_: Shape, a: Any) -> Any:
        return a / (frobenius(a) + eps)

    apart = 0 if is_coupled else weight_decay
    return Optimizer(
        lines={
            **prepared(weight_decay if is_coupled else 0),
            "m": ahead,
            "ahead": ahead if nesterov else reading(lambda m: m, "m"),
            "x0": lambda ahead, shapes: in_shape(normalized, shapes, ahead),
            **newton_schulz(coefficients, ns_steps),
            "w": updated(ns_steps, ratio, lambda w, step: w - lr * (step + apart * w)),
        },
        start={"m": 0.0},
    )
