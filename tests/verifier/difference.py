"""Derivatives without the chain rule: difference quotients over Arb balls.

At 200 bits and a step of 2^-80, (f(x + h) - f(x - h)) / 2h has an error near h^2, which is
10^-48, and loses 80 bits of 200 to cancellation: some 36 digits of the derivative are left.
"""

from collections.abc import Callable
from typing import Any

import flint
import numpy as np

from reference.numbers.exact import workprec
from reference.ops import Array

STEP = flint.arb(2) ** -80
ERROR = flint.arb(2) ** -100
"""What is allowed between quotient and derivative: far above h^2, far below any fault."""


def gradient(f: Callable[[Array], Any], x: Array) -> Array:
    """Return df/dx, entry by entry, of a scalar f at an object array of balls."""
    found = np.empty(x.shape, dtype=object)
    with workprec():
        for index in np.ndindex(x.shape):
            ends = []
            for step in (STEP, -STEP):
                moved = x.copy()
                moved[index] = x[index] + step
                ends.append(f(moved))
            found[index] = (ends[0] - ends[1]) / (2 * STEP)
    return found


def close(one: Array, other: Array) -> bool:
    """Return whether all entries of two arrays of balls are proven to differ by less than ERROR."""
    pairs = zip(np.ravel(one), np.ravel(other), strict=True)
    return np.shape(one) == np.shape(other) and all(bool(abs(a - b) < ERROR) for a, b in pairs)
