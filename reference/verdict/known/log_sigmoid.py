"""What log s, s = 1 / (1 + e^-z), is known to be where it is taken as it stands."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.ops import Array, Op
from backproof.reference.verdict.known.elementary import largest
from backproof.reference.verdict.known.polynomials import sigmoid


def rounded(z: Any) -> Any:
    """Return s, which is zero where e^-z overflows."""
    return np.where(-z > largest(z), 0, 1 / (1 + np.exp(-z)))


def flushed(z: Any) -> Any:
    """Return s by an exponential of six terms, which is zero where it is subnormal."""
    s = sigmoid(z)
    return np.where(s < FLOAT32.minimum, 0, s)


def log_of(s: Callable[[Any], Any]) -> Op:
    """Return log s, whose slope is s (1 - s) / s: NaN where s is zero."""

    def forward(z: Array) -> Array:
        return np.where(s(z) > 0, np.log(s(z)), -np.inf)

    def backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
        return (np.where(s(z) > 0, dout * (1 - s(z)), np.nan * dout),)

    return Op(forward, backward)


def logarithm_of_sigmoid() -> dict[str, Op]:
    """Return log s of the rounded sigmoid."""
    return {"log_sigmoid": log_of(rounded)}


OF_6_TERMS = log_of(flushed)
