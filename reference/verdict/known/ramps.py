"""Activations that are known to be written with ReLUs. Shapes as in `reference.ops`."""

from dataclasses import replace

import numpy as np

from backproof.reference.numbers.stepwise import precision_of
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.verdict.known.elementary import exponent, largest


def hardswish_of_difference() -> dict[str, Op]:
    """Return hard swish z (relu(z + 3) - relu(z - 3)) / 6: the difference cancels far above 3."""

    def ramp(z: Array) -> Array:
        return np.maximum(z + 3, 0) - np.maximum((z + 3) - 6, 0)

    def backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
        slope = np.where(z + 3 > 0, 1, 0) - np.where((z + 3) - 6 > 0, 1, 0)
        return (dout * (ramp(z) + z * slope) * (1 / 6),)

    return {
        "hardswish": replace(
            OPS["hardswish"], forward=lambda z: z * ramp(z) * (1 / 6), backward=backward
        )
    }


def elu_of_ramps() -> dict[str, Op]:
    """Return ELU as relu(z) - alpha relu(1 - e^z), which cancels near zero; see `exponent`.

    Where the rounded e^z is one, at zero and just below it, its slope is zero. Where e^z overflows,
    it is NaN: zero times infinity.
    """

    def forward(z: Array, *, alpha: float = 1.0) -> Array:
        return np.where(z > 0, z, -alpha * (1 - np.exp(-np.abs(exponent(z)))))

    def backward(dout: Array, out: Array, z: Array, *, alpha: float = 1.0) -> tuple[Array]:
        below = dout * (alpha * np.exp(-np.abs(exponent(z))))
        above = np.where(z > largest(z), np.nan * dout, dout)
        return (np.where(z > 0, above, np.where(z > -precision_of(z).u / 2, 0 * dout, below)),)

    return {"elu": Op(forward, backward)}
