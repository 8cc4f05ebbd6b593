"""What constants that are rounded to float32 compute, in float64 too. Shapes as in `ops`."""

from dataclasses import replace
from math import pi, sqrt
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import erf
from backproof.reference.verdict.faults.fault import with_options

ROOT, CUBIC = float(np.float32(sqrt(0.5))), float(np.float32(0.044715))
"""The constants of GELU in float32: the root of 1/2, and the coefficient of z^3."""


def gelu_forward(z: Array, *, approximate: str = "none") -> Array:
    """Return GELU with these constants."""
    if approximate == "tanh":
        return 0.5 * z * (1 + np.tanh(inner(z)))
    return 0.5 * z * (1 + erf(z * ROOT))


def gelu_backward(dout: Array, out: Array, z: Array, *, approximate: str = "none") -> tuple[Array]:
    """Return dz: (z P)' = P + z P', by these constants."""
    if approximate == "tanh":
        t = np.tanh(inner(z))
        slope = sqrt(2 / pi) * (1 + 3 * CUBIC * (z * z))
        return (dout * (0.5 * (1 + t) + 0.5 * z * ((1 - t) * (1 + t) * slope)),)
    x = z * ROOT
    return (dout * (0.5 * (1 + erf(x)) + x * (np.exp(-(x * x)) / sqrt(pi))),)


def inner(z: Array) -> Array:
    """Return u = sqrt(2 / pi) (z + CUBIC z^3)."""
    return sqrt(2 / pi) * (z * (1 + CUBIC * (z * z)))


def slope_in_float32(given: dict[str, float]) -> dict[str, float]:
    """Return the options of a leaky ReLU, with the slope rounded to float32."""
    return {"negative_slope": float(np.float32(given.get("negative_slope", 0.01)))}


def mean_slope_in_float32() -> dict[str, Op]:
    """Return leaky ReLU with this slope, and at zero the mean of both."""
    right = OPS["leaky_relu"].forms["mean of both slopes at zero"]
    return {"leaky_relu": with_options("leaky_relu", slope_in_float32, right)}


def slopes_of_flushed() -> dict[str, Op]:
    """Return leaky ReLU max(a z, z) of which subnormals of float32 are flushed on the way.

    Those above zero have the slope at zero, (1 + a) / 2, and those below a / 2.
    """
    right = OPS["leaky_relu"]
    at_zero = right.forms["mean of both slopes at zero"]

    def backward(dout: Array, out: Array, z: Any, *, negative_slope: float = 0.01) -> tuple[Array]:
        is_flushed = np.abs(z) < FLOAT32.minimum
        seen = np.where(is_flushed, 0, z)
        (dz,) = at_zero.backward(dout, out, seen, negative_slope=negative_slope)
        return (np.where(is_flushed & (z < 0), dout * (negative_slope / 2), dz),)

    return {"leaky_relu": replace(right, backward=backward)}


def scaled_in_float32() -> Op:
    """Return attention whose scale is rounded to float32."""
    right = OPS["attention"]

    def rounded(q: Array, options: dict[str, Any]) -> dict[str, Any]:
        scale = options.get("scale") or q.shape[-1] ** -0.5
        return {**options, "scale": float(np.float32(scale))}

    def forward(q: Array, *others: Array, **options: Any) -> Array:
        return right.forward(q, *others, **rounded(q, options))

    def backward(dy: Array, y: Array, q: Array, *others: Array, **options: Any) -> tuple[Any, ...]:
        return right.backward(dy, y, q, *others, **rounded(q, options))

    return replace(right, forward=forward, backward=backward)


def constants_in_float32() -> dict[str, Op]:
    """Return GELU, leaky ReLU and attention whose constants are rounded to float32."""
    gelu = replace(OPS["gelu"], forward=gelu_forward, backward=gelu_backward)
    leaky = with_options("leaky_relu", slope_in_float32)
    return {"gelu": gelu, "leaky_relu": leaky, "attention": scaled_in_float32()}
