"""Special functions, entry by entry: atan2, the inverse of erf, log gamma and its derivative.

x, y = f(x) and dy have one shape; dx = dy f'(x). The sources are sections of NIST's Digital Library
of Mathematical Functions (DLMF).
"""

from math import log, pi, sqrt

import numpy as np

from backproof.reference.ops.functions import (
    arctan2,
    constant,
    digamma,
    erf_inv,
    erfc,
    erfcx,
    lgamma,
    rounding,
    stop,
    stored,
    zeta,
)
from backproof.reference.ops.op import Array, Op, sum_to_shape


def atan2_forward(a: Array, b: Array) -> Array:
    """Return the angle of the point (b, a), from -pi to pi; both broadcast."""
    return arctan2(a, b)


def atan2_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da = dy b / (a^2 + b^2) and db = -dy a / (a^2 + b^2).

    The angle is arctan(a / b) and a constant, so that (DLMF 4.24.3) its derivative by a is
    1 / b / (1 + (a / b)^2), and that by b is -a / b^2 / (1 + (a / b)^2).
    """
    square = a * a + b * b
    return sum_to_shape(dy * (b / square), a.shape), sum_to_shape(-(dy * (a / square)), b.shape)


def asinh_forward(x: Array) -> Array:
    """Return the number whose hyperbolic sine is x."""
    return np.arcsinh(x)


def asinh_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy / sqrt(1 + x^2) (DLMF 4.40.1)."""
    return (dy / np.sqrt(1 + x * x),)


def zeta_forward(x: Array, *, s: int) -> Array:
    """Return Hurwitz's zeta function, the sum of 1 / (x + k)^s over k >= 0, x > 0 and s > 1."""
    return zeta(s, x)


def zeta_backward(dy: Array, y: Array, x: Array, *, s: int) -> tuple[Array]:
    """Return dx = -dy s zeta(s + 1, x) (DLMF 25.11.17)."""
    return (-(dy * (s * zeta(s + 1, x))),)


def erf_inv_forward(x: Array) -> Array:
    """Return the number whose erf is x, -1 < x < 1."""
    return erf_inv(x)


def erf_inv_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy sqrt(pi) / 2 e^(y^2): y is computed from x.

    erf y = x, so erf'(y) dy/dx = 1, where erf' = 2 / sqrt(pi) e^(-y^2) (DLMF 7.2.1).
    """
    return erf_inv_backward_from_output(dy, erf_inv(x), x)


def erf_inv_backward_from_output(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy sqrt(pi) / 2 e^(y^2), from the rounded output."""
    return (dy * (sqrt(pi) / 2 * np.exp(y * y)),)


def erf_inv_forward_rounded(x: Array) -> Array:
    """Return the inverse of erf of an operand that was rounded once more, as 1 - x^2 is.

    Near 1 and -1 that matters (Giles, Approximating the erfinv Function, GPU Computing Gems 2011,
    takes log((1 - x)(1 + x)), since 1 - x^2 cancels).
    """
    return erf_inv(x + rounding(x))


def erfcx_forward(x: Array) -> Array:
    """Return e^(x^2) (1 - erf x)."""
    return erfcx(x)


def erfcx_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy (2 x y - 2 / sqrt(pi)) (DLMF 7.2.1)."""
    return (dy * (2 * (x * erfcx(x)) - 2 / sqrt(pi)),)


def erfc_forward(x: Array) -> Array:
    """Return 1 - erf x."""
    return erfc(x)


def erfc_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -dy 2 / sqrt(pi) e^(-x^2) (DLMF 7.2.1)."""
    return (-(dy * (2 / sqrt(pi) * np.exp(-(x * x)))),)


def mirrored(x: Array) -> tuple[Array, Array, Array]:
    """Return where x < 0, what is positive of x and 1 - x, and pi x there, elsewhere pi / 2."""
    below = x < 0
    half = constant(np.full(np.shape(x), 0.5), x)
    return below, np.where(below, 1 - x, x), pi * np.where(below, x, half)


def lgamma_forward(x: Array) -> Array:
    """Return log |Gamma(x)|, where x is no pole.

    Below zero it is log(pi / |sin(pi x)|) - log Gamma(1 - x) (DLMF 5.5.3).
    """
    below, z, angle = mirrored(x)
    there = lgamma(z)
    return np.where(below, log(pi) - (np.log(np.abs(np.sin(angle))) + there), there)


LANCZOS = (
    *(676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059),
    *(12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7),
)
"""Godfrey's coefficients (2001) of Lanczos's A, for g = 7."""

ROUNDINGS = 16
"""No term is rounded more often: a sum of nine, a quotient and a logarithm of some units each."""


def lanczos(x: Array) -> tuple[Array, Array, Array]:
    """Return t = x + 6.5 and the sizes of A's and A's derivative's terms, as multiples of A.

    Gamma(x) = sqrt(2 pi) t^(x - 1/2) e^-t A(x), where A is a constant and a sum of c[k] / (x + k)
    (Lanczos, A Precision Approximation of the Gamma Function, SIAM J. Numer. Anal. B 1, 1964). The
    terms of A cancel.
    """
    total, size, slope = np.ones_like(x), np.ones_like(x), np.zeros_like(x)
    for k, c in enumerate(LANCZOS):
        total = total + c / (x + k)
        size = size + abs(c) / (x + k)
        slope = slope + abs(c) / ((x + k) * (x + k))
    return x + 6.5, size / total, slope / total


def lgamma_forward_in_terms(x: Array) -> Array:
    """Return log Gamma(x), off by the rounding of (x - 1/2) log t, t and log A."""
    _, z, _ = mirrored(stop(x))
    t, size, _ = lanczos(z)
    terms = np.abs(z - 0.5) * np.log(t) + t + size
    return lgamma_forward(x) + rounding(ROUNDINGS * terms)


def digamma_in_terms(x: Array) -> Array:
    """Return psi(x), off by the rounding of log t, g / t and A' / A, whose terms cancel both."""
    _, z, _ = mirrored(stop(x))
    t, size, slope = lanczos(z)
    terms = np.log(t) + 7 / t + slope + size * slope
    return digamma_forward(x) + rounding(ROUNDINGS * terms)


def lgamma_backward_in_terms(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy psi(x), in terms as well."""
    return (dy * digamma_in_terms(x),)


def lgamma_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy psi(x), psi = Gamma' / Gamma (DLMF 5.2.2)."""
    return (dy * stored(digamma_forward(x)),)


def digamma_forward(x: Array) -> Array:
    """Return psi(x), the derivative of log |Gamma|, where x is no pole.

    Below zero it is psi(1 - x) - pi / tan(pi x) (DLMF 5.5.4).
    """
    below, z, angle = mirrored(x)
    there = digamma(z)
    return np.where(below, there - pi * (np.cos(angle) / np.sin(angle)), there)


def digamma_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy psi'(x).

    1. psi'(x) = zeta(2, x), the sum of 1 / (x + k)^2 over k >= 0, x > 0 (DLMF 5.15.1).
    2. Below zero it is (pi / sin(pi x))^2 - psi'(1 - x) (DLMF 5.15.6).
    """
    below, z, angle = mirrored(x)
    there, root = zeta(2, z), pi / np.sin(angle)
    return (dy * stored(np.where(below, root * root - there, there)),)


atan2 = Op(atan2_forward, atan2_backward)
asinh = Op(asinh_forward, asinh_backward)
erfc_ = Op(erfc_forward, erfc_backward)
erfcx_ = Op(erfcx_forward, erfcx_backward)
zeta_ = Op(zeta_forward, zeta_backward)
erf_inv_ = Op(
    erf_inv_forward,
    erf_inv_backward,
    forms={
        "erf_inv' from the output": Op(erf_inv_forward, erf_inv_backward_from_output),
        "erf_inv of a rounded operand": Op(erf_inv_forward_rounded, erf_inv_backward_from_output),
    },
)
lgamma_ = Op(
    lgamma_forward,
    lgamma_backward,
    forms={"lgamma in Lanczos's terms": Op(lgamma_forward_in_terms, lgamma_backward_in_terms)},
)
digamma_ = Op(
    digamma_forward,
    digamma_backward,
    forms={"digamma in Lanczos's terms": Op(digamma_in_terms, digamma_backward)},
)
