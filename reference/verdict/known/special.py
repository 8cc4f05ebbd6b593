"""What special functions are known to compute instead. Shapes as in `reference.ops`."""

from dataclasses import replace
from math import pi

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import digamma, erf_inv, stop, zeta

TERMS = 6
"""How many terms are added up before the series."""

HALF = 0.5
"""Below, psi' is reflected."""


def trigamma(x: Array) -> Array:
    """Return psi'(x) to within 1e-9: an asymptotic series of four terms from x + 6 on.

    1. Below 1/2, psi'(x) = pi^2 / sin^2(pi x) - psi'(1 - x) (DLMF 5.15.6).
    2. psi'(x) = sum of 1 / (x + k)^2 over k < 6, and psi'(z), z = x + 6 (DLMF 5.15.5).
    3. psi'(z) = (1 + 1/(2z) + 1/(6 z^2) - 1/(30 z^4) + 1/(42 z^6) - ...) / z (DLMF 5.15.8).
    """
    below = x < HALF
    z = np.where(below, 1 - x, x)
    total = np.zeros_like(x)
    for _ in range(TERMS):
        total, z = total + 1 / (z * z), z + 1
    square = 1 / (z * z)
    series = 1 + 1 / (2 * z) + square * (1 / 6 - square * (1 / 30 - square * (1 / 42)))
    total = total + series / z
    sine = np.sin(pi * np.where(below, x, 0.5))
    return np.where(below, (pi * pi) / (sine * sine) - total, total)


def digamma_slope_of_4_terms() -> dict[str, Op]:
    """Return psi and log Gamma, both with that series for psi'.

    The derivative of psi' is the right one.
    """

    def forward(x: Array) -> Array:
        at = stop(x)
        return digamma(at) + (x - at) * trigamma(at)

    def of_log(dy: Array, y: Array, x: Array) -> tuple[Array]:
        return (dy * forward(x),)

    def backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
        at = stop(x)
        return (dy * (trigamma(at) + (x - at) * (-2 * zeta(3, at))),)

    return {"digamma": Op(forward, backward), "lgamma": Op(OPS["lgamma"].forward, of_log)}


def erf_inv_of_sum() -> dict[str, Op]:
    """Return the inverse of erf by the normal distribution's, whose argument is (1 + x) / 2.

    What is small of x is lost in 1 + x. The derivative is the right one.
    """
    return {"erf_inv": replace(OPS["erf_inv"], forward=lambda x: erf_inv((1 + x) - 1))}
