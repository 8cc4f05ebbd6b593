"""GELU, the Gaussian error linear unit: z times the probability that a normal number is below z.

Source: Hendrycks and Gimpel, Gaussian Error Linear Units (2016), sec. 2.
"""

from math import pi, sqrt

import numpy as np

from backproof.reference.ops.functions import erf
from backproof.reference.ops.op import Array, Op

CUBIC = 0.044715
"""The coefficient of z^3 in the tanh form, fitted by the paper's authors."""


def gelu_forward(z: Array, *, approximate: str = "none") -> Array:
    """Return z P(z), in the shape and dtype of z.

    approximate: "none": P(z) = (1 + erf(z / sqrt 2)) / 2; "tanh": with tanh(u) for the erf, where
    u = sqrt(2 / pi) (z + 0.044715 z^3).
    """
    if approximate == "tanh":
        return 0.5 * z * (1 + np.tanh(inner(near(z))))
    return 0.5 * z * (1 + erf(z * sqrt(0.5)))


def gelu_backward(dout: Array, out: Array, z: Array, *, approximate: str = "none") -> tuple[Array]:
    """Return dz, in the shape of z.

    1. (z P)' = P + z P'.
    2. P = (1 + erf(z / sqrt 2)) / 2 is the normal distribution, so P' = e^(-z^2 / 2) / sqrt(2 pi).
    3. In the tanh form P' = (1 - tanh^2 u) u' / 2, and u' = sqrt(2 / pi) (1 + 3 0.044715 z^2).
    """
    if approximate == "tanh":
        z = near(z)
        u, slope = inner(z), sqrt(2 / pi) * (1 + 3 * CUBIC * (z * z))
        return (dout * (0.5 * (1 + np.tanh(u)) + 0.5 * z * (tanh_slope(u) * slope)),)
    density = np.exp(-0.5 * (z * z)) * sqrt(0.5 / pi)
    return (dout * (0.5 * (1 + erf(z * sqrt(0.5))) + z * density),)


def inner(z: Array) -> Array:
    """Return u = sqrt(2 / pi) (z + 0.044715 z^3)."""
    return sqrt(2 / pi) * (z + CUBIC * (z * z * z))


FAR = 100.0
"""A net input beyond which 1 - |tanh u| is below 10^-31000: its cube need not be taken there."""

SATURATED = 22.0
"""A u beyond which tanh u is one, rounded to float64; fdlibm's s_tanh.c returns one there."""


def near(z: Array) -> Array:
    """Return z, but no further from zero than FAR, so that its cube does not overflow."""
    far = 0 * z + FAR  # as the kind of number that z is of
    return np.maximum(np.minimum(z, far), -far)


def tanh_slope(u: Array) -> Array:
    """Return tanh'(u) as 1 - tanh^2 u, but as 4 e^-2|u| / (1 + e^-2|u|)^2 beyond SATURATED.

    There the first form is zero wherever it is computed, whatever tanh's last digit may be.
    """
    t, e = np.tanh(u), np.exp(-2 * np.abs(u))
    return np.where(np.abs(u) > SATURATED, 4 * e / ((1 + e) * (1 + e)), 1 - t * t)


gelu = Op(gelu_forward, gelu_backward)
