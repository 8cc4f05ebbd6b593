"""Special functions, entry by entry: atan2, the inverse of erf, log gamma and its derivative.

x, y = f(x) and dy have one shape; dx = dy f'(x). The sources are sections of NIST's Digital Library
of Mathematical Functions (DLMF).
"""

from math import pi, sqrt

import numpy as np

from backproof.reference.ops.functions import arctan2, digamma, erf_inv, lgamma, rounding, zeta
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


def lgamma_forward(x: Array) -> Array:
    """Return log Gamma(x) of x > 0."""
    return lgamma(x)


def lgamma_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy psi(x), psi = Gamma' / Gamma (DLMF 5.2.2)."""
    return (dy * digamma(x),)


def digamma_forward(x: Array) -> Array:
    """Return psi(x), the derivative of log Gamma, of x > 0."""
    return digamma(x)


def digamma_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy psi'(x), where psi'(x) = sum of 1 / (x + k)^2 over k >= 0 (DLMF 5.15.1)."""
    return (dy * zeta(2, x),)


atan2 = Op(atan2_forward, atan2_backward)
erf_inv_ = Op(
    erf_inv_forward,
    erf_inv_backward,
    forms={
        "erf_inv' from the output": Op(erf_inv_forward, erf_inv_backward_from_output),
        "erf_inv of a rounded operand": Op(erf_inv_forward_rounded, erf_inv_backward_from_output),
    },
)
lgamma_ = Op(lgamma_forward, lgamma_backward)
digamma_ = Op(digamma_forward, digamma_backward)
