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
        return 0.5 * z * (1 + np.tanh(inner(z)))
    return 0.5 * z * (1 + erf(z * sqrt(0.5)))


def gelu_backward(dout: Array, out: Array, z: Array, *, approximate: str = "none") -> tuple[Array]:
    """Return dz, in the shape of z.

    1. (z P)' = P + z P'.
    2. P = (1 + erf(z / sqrt 2)) / 2 is the normal distribution, so P' = e^(-z^2 / 2) / sqrt(2 pi).
    3. In the tanh form P' = (1 - tanh^2 u) u' / 2, and u' = sqrt(2 / pi) (1 + 3 0.044715 z^2).
    """
    if approximate == "tanh":
        t = np.tanh(inner(z))
        slope = sqrt(2 / pi) * (1 + 3 * CUBIC * (z * z))
        return (dout * (0.5 * (1 + t) + 0.5 * z * ((1 - t) * (1 + t) * slope)),)
    density = np.exp(-0.5 * (z * z)) * sqrt(0.5 / pi)
    return (dout * (0.5 * (1 + erf(z * sqrt(0.5))) + z * density),)


def inner(z: Array) -> Array:
    """Return u = sqrt(2 / pi) (z + 0.044715 z^3)."""
    return sqrt(2 / pi) * (z * (1 + CUBIC * (z * z)))


gelu = Op(gelu_forward, gelu_backward)
