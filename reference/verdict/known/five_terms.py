"""An approximation of erf of five terms, in erf and GELU (Abramowitz and Stegun 1964, 7.1.26)."""

from dataclasses import replace
from math import pi, sqrt

import numpy as np

from backproof.reference.ops import OPS, Array, Op

P, TERMS = 0.3275911, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
"""p and a5 to a1 of the approximation of erf (Abramowitz and Stegun 1964, 7.1.26)."""


def erf_of_5_terms(x: Array) -> Array:
    """Return erf x to within 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).

    1. t = 1 / (1 + p |x|).
    2. erf |x| = 1 - (a1 t + a2 t^2 + a3 t^3 + a4 t^4 + a5 t^5) e^(-x^2), which cancels near zero.
    """
    t = 1 / (1 + P * np.abs(x))
    total = 0 * t
    for a in TERMS:
        total = (total + a) * t
    size = 1 - total * np.exp(-(x * x))
    return np.where(x > 0, size, -size)


def of_5_terms() -> dict[str, Op]:
    """Return erf by that approximation; its derivative is the right one."""
    return {"erf": replace(OPS["erf"], forward=erf_of_5_terms)}


def gelu_of_5_terms() -> dict[str, Op]:
    """Return GELU by that approximation; its derivative is the right one."""
    right = OPS["gelu"]

    def forward(z: Array, *, approximate: str = "none") -> Array:
        if approximate == "tanh":
            return right.forward(z, approximate=approximate)
        return 0.5 * z * (1 + erf_of_5_terms(z * sqrt(0.5)))

    return {"gelu": replace(right, forward=forward)}


def gelu_slope_of_5_terms() -> dict[str, Op]:
    """Return GELU whose derivative P(z) + z P'(z) takes P by that approximation, P' as it is."""
    right = OPS["gelu"]

    def backward(
        dout: Array, out: Array, z: Array, *, approximate: str = "none"
    ) -> tuple[Array, ...]:
        if approximate == "tanh":
            return right.backward(dout, out, z, approximate=approximate)
        density = np.exp(-0.5 * (z * z)) * sqrt(0.5 / pi)
        return (dout * (0.5 * (1 + erf_of_5_terms(z * sqrt(0.5))) + z * density),)

    return {"gelu": replace(right, backward=backward)}


def erf_slope_of_5_terms() -> dict[str, Op]:
    """Return erf whose derivative is that of the approximation 1 - P(t) e^(-x^2), not of erf.

    1. t = 1 / (1 + p |x|), and dt/d|x| = -p t^2.
    2. The slope is (p t^2 P'(t) + 2 |x| P(t)) e^(-x^2), and zero at zero, where |x| has none.
    """

    def backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
        size = np.abs(x)
        t = 1 / (1 + P * size)
        total, slope = 0 * t, 0 * t
        for a in TERMS:
            slope = slope * t + total
            total = total * t + a
        slope, total = slope * t + total, total * t
        found = dy * ((P * t * t * slope + 2 * size * total) * np.exp(-(x * x)))
        return (np.where(size > 0, found, 0 * dy),)

    return {"erf": replace(OPS["erf"], backward=backward)}


def gelu_with_slope_of_5_terms() -> dict[str, Op]:
    """Return GELU by that approximation, and with the derivative of the approximation itself."""
    gelu, erf = gelu_of_5_terms()["gelu"], erf_slope_of_5_terms()["erf"]

    def backward(
        dout: Array, out: Array, z: Array, *, approximate: str = "none"
    ) -> tuple[Array, ...]:
        if approximate == "tanh":
            return gelu.backward(dout, out, z, approximate=approximate)
        u = z * sqrt(0.5)
        (du,) = erf.backward(dout * (0.5 * z), out, u)
        return (dout * (0.5 * (1 + erf_of_5_terms(u))) + du * sqrt(0.5),)

    return {"gelu": replace(gelu, backward=backward)}
