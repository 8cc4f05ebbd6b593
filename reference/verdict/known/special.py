"""What special functions are known to compute instead. Shapes as in `reference.ops`."""

from dataclasses import replace
from math import pi, sqrt

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import erf, erf_inv, stop, with_tangent

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
    psi = OPS["digamma"].forward

    def forward(x: Array) -> Array:
        at = stop(x)
        return psi(at) + (x - at) * trigamma(at)

    def of_log(dy: Array, y: Array, x: Array) -> tuple[Array]:
        return (dy * forward(x),)

    def backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
        (right,) = OPS["digamma"].backward(np.ones_like(x), y, x)
        return (dy * with_tangent(trigamma(stop(x)), right),)

    return {"digamma": Op(forward, backward), "lgamma": Op(OPS["lgamma"].forward, of_log)}


LINE = 0.7
"""Where the two approximations of the inverse of erf meet."""


def erf_inv_of_2_steps(x: Array) -> Array:
    """Return the inverse of erf by a fraction and two steps of Newton's method, of none below -0.7.

    1. Of |x| < 0.7 a fraction of polynomials in x^2; beyond, one in z = sqrt(-log((1 - |x|) / 2)).
    2. y - (erf y - x) / erf'(y), twice.

    The denominator for |x| < 0.7 has two coefficients in each other's place, so that the steps
    start far from the root where x^2 is large.
    """
    square = x * x
    inner = ((-0.140543331 * square + 0.914624893) * square - 1.645349621) * square + 0.886226899
    under = (-0.329097515 * square + 0.012229801) * square + 1.442710462
    inner = x * inner / ((under * square - 2.118377725) * square + 1)
    z = np.sqrt(-np.log((1 - np.abs(x)) / 2))
    outer = ((1.641345311 * z + 3.429567803) * z - 1.624906493) * z - 1.970840454
    outer = outer / ((1.637067800 * z + 3.543889200) * z + 1)
    y = np.where(np.abs(x) < LINE, inner, outer)
    for _ in range(2):
        y = y - (erf(y) - x) / (2 / sqrt(pi) * np.exp(-(y * y)))
    return np.where(x < -LINE, -outer, y)


def erf_inv_by_newton() -> dict[str, Op]:
    """Return the inverse of erf by that approximation; its derivative follows from its value."""
    return {"erf_inv": replace(OPS["erf_inv"], forward=erf_inv_of_2_steps)}


def erf_inv_of_sum() -> dict[str, Op]:
    """Return the inverse of erf by the normal distribution's, whose argument is (1 + x) / 2.

    What is small of x is lost in 1 + x. The derivative is the right one.
    """
    return {"erf_inv": replace(OPS["erf_inv"], forward=lambda x: erf_inv((1 + x) - 1))}
