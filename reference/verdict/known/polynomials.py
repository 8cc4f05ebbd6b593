"""Exponentials by polynomials, and what follows from them."""

from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32, FLOAT64
from backproof.reference.ops import Array
from backproof.reference.ops.functions import stop, with_tangent

LOG_2 = float(np.float32(0.693147))
COEFFICIENTS = (1 / 24, 1 / 6, 1 / 2, 1, 1)
ZERO = FLOAT32.exponent
"""At this power of two and below, e^x is zero: it may be under the smallest normal number."""

BOUND = 5
"""Beyond it the fraction leaves tanh, and one is taken instead."""


def middle(x: Any) -> Any:
    """Return the midpoints of a ball, or of a dual number's value."""
    return getattr(x, "value", x).mid


def exp(x: Any) -> Any:
    """Return e^x as 2^n e^d, where x = n log 2 + d, log 2 has six digits, and e^d six terms.

    n is x / log 2, rounded to nearest. The slope is e^x itself.
    """
    n = np.clip(np.rint(middle(x) / LOG_2), FLOAT64.exponent, -FLOAT64.exponent)
    d = stop(x) - n * LOG_2
    total = d * (1 / 120) + COEFFICIENTS[0]
    for a in COEFFICIENTS[1:]:
        total = total * d + a
    e = np.where(n <= ZERO, 0, total * np.exp2(n))
    return with_tangent(e, e * x)


def logarithm(x: Any) -> Any:
    """Return log x as log m + n log 2, where x = 2^n m, m is from 1 to 2, and log 2 is as above."""
    n = np.frexp(middle(x))[1] - 1
    return np.log(x * np.exp2(-n)) + n * LOG_2


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + e^-z)."""
    return 1 / (1 + exp(-z))


def softplus(z: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Return log(1 + e^(beta z)) / beta of the rounded sum; z itself above the threshold."""
    x = beta * z
    return np.where(x > threshold, z, logarithm(1 + exp(np.minimum(x, threshold))) / beta)


def tanh(z: Array) -> Array:
    """Return tanh z as a fraction of two polynomials, and one beyond 5 (Lambert 1768)."""
    q = z * z
    above = (((q + 378) * q + 17325) * q + 135135) * z
    below = ((28 * q + 3150) * q + 62370) * q + 135135
    return np.where(z > BOUND, 1, np.where(z < -BOUND, -1, above / below))
