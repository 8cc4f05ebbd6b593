"""Functions that several ops share, and that NumPy does not have by one name for every number.

`np.exp` on an object array calls each ball's own `exp`. NumPy has no erf, and Arb's arctan is
called `atan`.
"""

from typing import Any

import numpy as np
from scipy import special

from backproof.reference.ops.op import Array


def is_object(x: Any) -> bool:
    """Return whether x is an object array, of Arb balls."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "O"


def erf(x: Array) -> Array:
    """Return erf x = 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x, in the shape of x."""
    if is_object(x):
        return np.frompyfunc(lambda ball: ball.erf(), 1, 1)(x)
    return special.erf(x)


def stop(x: Array) -> Array:
    """Return x as a constant: a dual number without its tangent."""
    return x.stopped() if hasattr(x, "stopped") else x


def with_tangent(y: Array, moved: Array) -> Array:
    """Return y with the tangent of `moved`; an array that is no dual number, as it is."""
    return y.moving_as(moved) if hasattr(y, "moving_as") else y


def counted(ones: Array) -> Array:
    """Return how many entries are 1 and not 0 along the last axis, which nothing rounds."""
    return ones.counted() if hasattr(ones, "counted") else np.sum(ones, axis=-1)


def rounding(x: Array) -> Any:
    """Return zero; over `Ball`, with the error of rounding x once as its radius."""
    return x.rounding() if hasattr(x, "rounding") else 0.0


def stored(x: Array) -> Array:
    """Return x as it is stored between two kernels; over `Ball`, with the error of rounding it."""
    return x.stored() if hasattr(x, "stored") else x


def arctan(x: Array) -> Array:
    """Return arctan x, in the shape of x."""
    if is_object(x):
        return np.frompyfunc(lambda ball: ball.atan(), 1, 1)(x)
    return np.arctan(x)


def constant(values: Any, x: Array) -> Any:
    """Return constant numbers as an array of the kind of x; a single number as it is."""
    if np.ndim(values) == 0:
        return values
    held = np.zeros_like(x, shape=np.shape(values))
    held[...] = exactly(values, x)
    return held


def exactly(values: Any, x: Array) -> Array:
    """Return numbers as Arb's where x is of such: Python's have no square root."""
    while hasattr(x, "value"):  # a dual number
        x = x.value
    made = np.frompyfunc(type(x.flat[0]), 1, 1) if is_object(x) and x.size else np.asarray
    return np.asarray(made(values))


def either_side(z: Array, above: Array, below: Array, share: float, kink: Any = 0) -> Array:
    """Return `above` where z > kink, `below` where z < kink, and a share of the way between at it.

    Every slope between those on both sides of a kink is a subgradient, and backpropagation with any
    of them is right (Bolte and Pauwels, A Mathematical Model for Automatic Differentiation in
    Machine Learning, NeurIPS 2020).
    share: 0 for what is below, 1 for what is above, 1/2 for the mean.
    """
    between = above if share else below
    if 0 < share < 1:
        between = below + share * (above - below)
    return np.where(z > kink, above, np.where(z < kink, below, between))
