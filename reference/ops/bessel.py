"""Modified Bessel functions of the first kind, of order 0 and 1, entry by entry.

x, y = f(x) and dy have one shape; dx = dy f'(x). The sources are sections of NIST's Digital Library
of Mathematical Functions (DLMF). All are computed from e^-|x| I0(x) and e^-|x| I1(x), which do not
overflow.
"""

import numpy as np

from backproof.reference.ops.functions import i0e, i1e
from backproof.reference.ops.op import Array, Op


def sign(x: Array) -> Array:
    """Return 1, 0 or -1."""
    return np.where(x > 0, 1.0, np.where(x < 0, -1.0, 0.0))


def by_x(x: Array) -> Array:
    """Return e^-|x| I1(x) / x; at zero, where also its derivatives count, by I1's series.

    I1(x) = x / 2 + x^3 / 16 + ... (DLMF 10.25.2).
    """
    is_zero = ~((x > 0) | (x < 0))
    at_zero = np.exp(-np.abs(x)) * (0.5 + x * x / 16)
    return np.where(is_zero, at_zero, i1e(x) / np.where(is_zero, 1.0, x))


def i0_forward(x: Array) -> Array:
    """Return I0(x)."""
    return np.exp(np.abs(x)) * i0e(x)


def i0_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy I1(x) (DLMF 10.29.3)."""
    return (dy * (np.exp(np.abs(x)) * i1e(x)),)


def i1_forward(x: Array) -> Array:
    """Return I1(x)."""
    return np.exp(np.abs(x)) * i1e(x)


def i1_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy (I0(x) - I1(x) / x) (DLMF 10.29.2)."""
    return (dy * (np.exp(np.abs(x)) * (i0e(x) - by_x(x))),)


def i0e_forward(x: Array) -> Array:
    """Return e^-|x| I0(x)."""
    return i0e(x)


def i0e_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy e^-|x| (I1(x) - sign(x) I0(x)); at the kink at zero it is zero."""
    return (dy * (i1e(x) - sign(x) * i0e(x)),)


def i1e_forward(x: Array) -> Array:
    """Return e^-|x| I1(x)."""
    return i1e(x)


def i1e_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy e^-|x| (I0(x) - I1(x) / x - sign(x) I1(x))."""
    return (dy * (i0e(x) - by_x(x) - sign(x) * i1e(x)),)


i0 = Op(i0_forward, i0_backward)
i1 = Op(i1_forward, i1_backward)
i0e_ = Op(i0e_forward, i0e_backward)
i1e_ = Op(i1e_forward, i1e_backward)
