"""Elementary functions of complex numbers, by those of their parts.

The sources are sections of NIST's Digital Library of Mathematical Functions (DLMF).
"""

from typing import Any

import numpy as np

from backproof.reference.numbers.complex import Complex, absolute, each
from backproof.reference.ops.functions import arctan2

MOST = 16
"""The largest whole exponent whose power is a product; others are e^(n log z)."""


def _exp(z: Complex) -> Complex:
    """Return e^a (cos b + i sin b) (DLMF 4.2.19)."""
    size = np.exp(z.re)
    return Complex(size * np.cos(z.im), size * np.sin(z.im))


def _expm1(z: Complex) -> Complex:
    """Return e^z - 1, where e^a cos b - 1 = (e^a - 1) cos b - 2 sin^2(b / 2)."""
    sin = np.sin(z.im / 2)
    return Complex(np.expm1(z.re) * np.cos(z.im) - 2 * (sin * sin), np.exp(z.re) * np.sin(z.im))


def _log(z: Complex) -> Complex:
    """Return log |z| + i arg z, the principal value (DLMF 4.2.3)."""
    return Complex(np.log(absolute(z)), arctan2(z.im, z.re))


def _log1p(z: Complex) -> Complex:
    """Return log(1 + z), where |1 + z|^2 = 1 + a(2 + a) + b^2."""
    a, b = each(z)
    return Complex(np.log1p(a * (2 + a) + b * b) / 2, arctan2(b, 1 + a))


def _sqrt(z: Complex) -> Complex:
    """Return the principal root, whose real part is not negative.

    1. t = sqrt((|z| + |a|) / 2), which does not cancel, is the larger part's size; the other's is
       |b| / 2t, since their product is b / 2.
    2. For a > 0 the real part is the larger one; for a < 0 the imaginary one, which has the sign of
       the angle.
    """
    a, b = each(z)
    t = np.sqrt((absolute(z) + np.abs(a)) / 2)
    other = b / (2 * t)
    is_below, is_left = arctan2(b, a) < 0, a < 0
    return Complex(
        np.where(is_left, np.abs(other), t), np.where(is_left, np.where(is_below, -t, t), other)
    )


def _hyperbolic(x: Any) -> tuple[Any, Any]:
    """Return sinh x and cosh x, from e^x - 1, so that nothing cancels."""
    return (np.expm1(x) - np.expm1(-x)) / 2, (np.exp(x) + np.exp(-x)) / 2


def _sin(z: Complex) -> Complex:
    """Return sin a cosh b + i cos a sinh b (DLMF 4.21.37)."""
    sinh, cosh = _hyperbolic(z.im)
    return Complex(np.sin(z.re) * cosh, np.cos(z.re) * sinh)


def _cos(z: Complex) -> Complex:
    """Return cos a cosh b - i sin a sinh b (DLMF 4.21.38)."""
    sinh, cosh = _hyperbolic(z.im)
    return Complex(np.cos(z.re) * cosh, -(np.sin(z.re) * sinh))


def _tanh(z: Complex) -> Complex:
    """Return (sinh a cosh a + i sin b cos b) / (sinh^2 a + cos^2 b) (DLMF 4.35.36)."""
    (sinh, cosh), sin, cos = _hyperbolic(z.re), np.sin(z.im), np.cos(z.im)
    size = sinh * sinh + cos * cos
    return Complex(sinh * cosh / size, sin * cos / size)


def _power(z: Complex, n: Any) -> Any:
    """Return z^n: of a small whole n by squaring, of any other as e^(n log z)."""
    if isinstance(n, Complex) or n != int(n) or abs(n) > MOST:
        return by_logarithm(z, n)
    if n <= 0:
        return 1 / _power(z, -n) if n else np.ones_like(z)
    bits = f"{int(n):b}"
    found = z
    for bit in bits[1:]:
        found = found * found
        found = found * z if bit == "1" else found
    return found


def by_logarithm(z: Complex, n: Any) -> Complex:
    """Return e^(n log z) (DLMF 4.2.26)."""
    return np.exp(n * np.log(z))


Complex.rules |= {
    np.exp: _exp,
    np.expm1: _expm1,
    np.log: _log,
    np.log1p: _log1p,
    np.sqrt: _sqrt,
    np.sin: _sin,
    np.cos: _cos,
    np.tanh: _tanh,
    np.power: _power,
}
