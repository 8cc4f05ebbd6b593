"""What activations are known to compute instead. Shapes as in `reference.ops`."""

from dataclasses import replace
from math import pi, sqrt
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.numbers.stepwise import cast, like
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import rounding, stop, with_tangent
from backproof.reference.ops.gelu import CUBIC, inner
from backproof.reference.verdict.faults.fault import with_options

THRESHOLD = 20.0
"""Where softplus is taken for its input by default."""


def softplus_with_threshold() -> dict[str, Op]:
    """Return softplus that returns its input above a threshold of 20, if it is given none.

    At the threshold its slope is that of softplus still, but a constant.
    """
    above = with_options("softplus", lambda given: {"threshold": THRESHOLD, **given})

    def backward(
        dout: Array, out: Array, z: Array, *, threshold: float = THRESHOLD, **options: float
    ) -> tuple[Array, ...]:
        (dz,) = above.backward(dout, out, z, threshold=threshold, **options)
        (at,) = above.backward(dout, out, stop(z), threshold=threshold, **options)
        return (np.where(z > threshold, dz, np.where(z < threshold, dz, at)),)

    return {"softplus": replace(above, backward=backward)}


def gelu_in_steps() -> dict[str, Op]:
    """Return GELU in the tanh form whose derivative is multiplied out, step by step.

    z^2 and z^3 overflow where the slope of tanh is zero: zero times infinity is NaN.
    """
    right = OPS["gelu"]

    def backward(
        dout: Array, out: Array, z: Array, *, approximate: str = "none"
    ) -> tuple[Array, ...]:
        if approximate != "tanh":
            return right.backward(dout, out, z, approximate=approximate)
        # 1. out = z P, P = (1 + t) / 2, t = tanh u, u = c inner, inner = z + CUBIC z^3.
        t, c = np.tanh(inner(z)), sqrt(2 / pi)
        # 2. dt, then du, with tanh' as (1 + t)(1 - t), then dinner.
        dt = dout * z * 0.5
        dinner = (dt + dt * t) * (1 - t) * c
        # 3. dz of P's factor z, of z in inner, and of z^3.
        return (dout * (0.5 * (1 + t)) + dinner + (dinner * CUBIC) * (3 * (z * z)),)

    return {"gelu": replace(right, backward=backward)}


def sixth_in_float32() -> dict[str, Op]:
    """Return the hard sigmoid whose slope is 1/6 rounded to float32, in float64 too."""
    right, factor = OPS["hardsigmoid"], 6 * float(np.float32(1 / 6))

    def backward(dout: Array, out: Array, z: Array) -> tuple[Array, ...]:
        return right.backward(factor * dout, out, z)

    return {"hardsigmoid": replace(right, backward=backward)}


def mish_that_overflows() -> dict[str, Op]:
    """Return mish of e^z in float32: where e^z dz overflows, the tangent of the slope is NaN.

    1. t = tanh(log(1 + e^z)), so that dt = (1 - t^2) / (1 + e^z) e^z dz.
    2. There 1 - t^2 is zero, and e^z dz is infinite: zero times infinity is NaN. t itself is right.
    """
    right, largest = OPS["mish"], float(np.log(np.finfo(np.float32).max))

    def backward(dout: Array, out: Array, z: Array) -> tuple[Array, ...]:
        (dz,) = right.backward(dout, out, z)
        moved = z - stop(z)
        overflows = z + np.log(np.maximum(tangent_sizes(moved), 1)) > largest
        return (with_tangent(dz, dz + np.where(overflows, np.nan, 0) * moved),)

    return {"mish": replace(right, backward=backward)}


def tangent_sizes(x: Any) -> Any:
    """Return the magnitudes of tangents, as float64; zero where nothing moves."""
    tangent = getattr(x, "tangent", 0.0)
    return np.abs(getattr(tangent, "mid", tangent))


def elu_of_difference() -> dict[str, Op]:
    """Return ELU that takes e^z - 1 as the rounded e^z, minus 1: it cancels near zero.

    e^z is within one unit in the last place: twice the error of one rounding.
    """

    def forward(z: Array, *, alpha: float = 1.0) -> Array:
        e = like(np.exp(cast(-np.abs(z), FLOAT64)), z)
        return np.where(z > 0, z, alpha * (e + rounding(e) - 1))

    return {"elu": Op(forward, OPS["elu"].backward)}


def leaky_relu_flat_at_zero() -> dict[str, Op]:
    """Return leaky ReLU with a slope of zero at zero, which no slope between its two is."""
    right = OPS["leaky_relu"]

    def backward(dout: Array, out: Array, z: Array, **options: float) -> tuple[Array]:
        (dz,) = right.backward(dout, out, z, **options)
        return (np.where(z > 0, dz, np.where(z < 0, dz, 0 * dz)),)

    return {"leaky_relu": replace(right, backward=backward)}


def gelu_that_overflows() -> dict[str, Op]:
    """Return GELU by tanh whose slope is NaN where 3 z^2 overflows float16, of its cube's.

    There tanh' is zero, and zero times infinity is NaN.
    """
    right, largest = OPS["gelu"], sqrt(float(np.finfo(np.float16).max) / 3)

    def backward(
        dout: Array, out: Array, z: Array, *, approximate: str = "none"
    ) -> tuple[Array, ...]:
        (dz,) = right.backward(dout, out, z, approximate=approximate)
        if approximate == "none":
            return (dz,)
        return (np.where(np.abs(z) > largest, np.nan * dz, dz),)

    return {"gelu": replace(right, backward=backward)}
