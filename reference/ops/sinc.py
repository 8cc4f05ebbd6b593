"""The cardinal sine, entry by entry: sin z / z, z = pi x, and 1 at zero.

x, y = f(x) and dy have one shape; dx = dy f'(x). The sources are sections of NIST's Digital Library
of Mathematical Functions (DLMF).
"""

from math import pi

import numpy as np

from backproof.reference.ops.functions import is_object, rounding, stop, with_tangent
from backproof.reference.ops.op import Array, Op

TERMS = 12
"""So many of the series of the slope are added up below 1. The others are less than 2^-80 of it."""

ROUNDINGS = 40
"""No term of the quotient is rounded more often, and each is at most 1 / |x|: it has the errors of
two products, of a quotient, and of a sine or cosine. The terms of its derivative, 6 / x^2 together,
have no more errors than the derivative of that bound allows, which is 2 ROUNDINGS / x^2."""


def one_at_zero(x: Array) -> tuple[Array, Array]:
    """Return where x is zero, and x with ones there."""
    is_zero = ~((x > 0) | (x < 0))
    return is_zero, np.where(is_zero, 1.0, x)


def series(z: Array) -> Array:
    """Return -z/3 (1 - z^2/10 (1 - z^2/28 (1 - ...))), which is -j1(z) (DLMF 10.53.1)."""
    square, total = z * z, np.ones_like(z)
    for k in range(TERMS, 0, -1):
        total = 1 - square * total / (2 * k * (2 * k + 3))
    return -(z * total / 3)


def slope(x: Array) -> Array:
    """Return the derivative by x: -pi times the spherical Bessel function j1(z).

    That is pi (cos z - sin z / z) / z (DLMF 10.51.2), whose terms cancel near zero: it is computed
    by its series where |z| < 1, except over Arb, whose balls have digits enough.
    """
    z = pi * x
    is_zero, divisor = one_at_zero(z)
    whole = (np.cos(divisor) - np.sin(divisor) / divisor) / divisor
    if is_object(x):
        return pi * np.where(is_zero, z, whole)
    return pi * np.where(np.abs(z) < 1, series(z), whole)


def slope_in_terms(x: Array) -> Array:
    """Return the same, off by the rounding of 1 / x and of cos z / x where these cancel."""
    _, divisor = one_at_zero(x)
    is_small = np.abs(pi * x) < 1
    return slope(x) + rounding(np.where(is_small, ROUNDINGS * 2 / divisor, 0.0))


def sinc_forward(x: Array) -> Array:
    """Return sin z / z; its tangent is by the slope, since that of the quotient cancels."""
    is_zero, divisor = one_at_zero(pi * x)
    y = np.where(is_zero, 1.0, np.sin(divisor) / divisor)
    return with_tangent(y, slope(stop(x)) * x)


def sinc_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy f'(x)."""
    return (dy * slope(x),)


def sinc_backward_in_terms(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy f'(x), in terms that cancel."""
    return (dy * slope_in_terms(x),)


sinc = Op(
    sinc_forward,
    sinc_backward,
    forms={"sinc' in its quotient's terms": Op(sinc_forward, sinc_backward_in_terms)},
)
