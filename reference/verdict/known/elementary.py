"""What exponentials and powers are known to compute instead. Shapes as in `reference.ops`."""

from collections.abc import Callable
from dataclasses import replace
from math import log, log2, pi
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.numbers.stepwise import cast, like
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.verdict.known.activations import TERMS, P, erf_of_5_terms


def functions_in_float32() -> dict[str, Op]:
    """Return exp, sin, cos, erf and its inverse, and their derivatives, in float32 at most.

    erf is an approximation of five terms besides.
    """

    def narrow(function: Callable[..., Any]) -> Callable[..., Any]:
        def computed(*operands: Array) -> Any:
            found = function(*(cast(a, FLOAT32) for a in operands))
            if isinstance(found, tuple):
                return tuple(like(a, operands[0]) for a in found)
            return like(found, operands[0])

        return computed

    ops = {name: OPS[name] for name in ("exp", "sin", "cos", "erf", "erf_inv")}
    ops["erf"] = replace(ops["erf"], forward=erf_of_5_terms)
    return {k: Op(narrow(op.forward), narrow(op.backward)) for k, op in ops.items()}


def exponent(z: Array) -> Array:
    """Return z as e^z has it that is computed as 2^(z log2 e): rounded, in the shape of z."""
    return z * log2(np.e) * log(2)


def powers_of_two() -> dict[str, Op]:
    """Return sigmoids that take e^z as 2^(z log2 e): the rounding of the exponent grows with z."""

    def silu_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
        s = sigmoid_forward(exponent(z))
        return (dout * (s + z * s * sigmoid_forward(-exponent(z))),)

    def about(op: Op) -> Op:
        return Op(
            lambda z, **options: op.forward(exponent(z), **options),
            lambda dout, out, z, **options: op.backward(dout, out, exponent(z), **options),
        )

    ops = {name: about(OPS[name]) for name in ("sigmoid", "softplus", "log_sigmoid")}
    silu = Op(lambda z: z * sigmoid_forward(exponent(z)), silu_backward)
    return {**ops, "silu": silu}


def elu_of_both_branches() -> dict[str, Op]:
    """Return ELU, the choice between z and alpha (e^z - 1), which is NaN where e^z overflows.

    The branch that is not taken receives zero, and hands on zero times infinity. e^z is a power of
    two.
    """
    right = OPS["elu"]

    def backward(dout: Array, out: Array, z: Any, *, alpha: float = 1.0) -> tuple[Array]:
        (dz,) = right.backward(dout, out, exponent(z), alpha=alpha)
        p = z.precision
        largest = (1 - p.exponent + 1 - p.u) * log(2)
        return (np.where(z > largest, np.nan * dz, dz),)

    return {"elu": replace(right, backward=backward)}


def tanh_of_sigmoid() -> dict[str, Op]:
    """Return tanh z as 2 s(2 z) - 1, which cancels near zero; its derivative is the right one."""
    return {"tanh": replace(OPS["tanh"], forward=lambda z: 2 * sigmoid_forward(2 * z) - 1)}


def cosine_of_complement() -> dict[str, Op]:
    """Return cos, whose derivative is -sin(pi/2 - (pi/2 - x)): small x lose their digits."""

    def backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
        return (-(dy * np.sin(pi / 2 - (pi / 2 - x))),)

    return {"cos": replace(OPS["cos"], backward=backward)}


def erf_slope_of_5_terms() -> dict[str, Op]:
    """Return erf whose derivative is that of the approximation 1 - P(t) e^(-x^2), not of erf.

    1. t = 1 / (1 + p |x|), and dt/d|x| = -p t^2.
    2. The slope is (p t^2 P'(t) + 2 |x| P(t)) e^(-x^2).
    """

    def backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
        size = np.abs(x)
        t = 1 / (1 + P * size)
        total, slope = 0 * t, 0 * t
        for a in TERMS:
            slope = slope * t + total
            total = total * t + a
        slope, total = slope * t + total, total * t
        return (dy * ((P * t * t * slope + 2 * size * total) * np.exp(-(x * x))),)

    return {"erf": replace(OPS["erf"], backward=backward)}


def power_of_zero() -> dict[str, Op]:
    """Return x^p whose slope p x^(p - 1) is NaN where p is zero and 1/x is infinite."""
    right = OPS["power"]

    def backward(dy: Array, y: Array, x: Array, *, exponent: float) -> tuple[Array]:
        (dx,) = right.backward(dy, y, x, exponent=exponent)
        small = np.abs(x) < (0 if exponent else 1 / np.finfo(np.float32).max)
        return (np.where(small, dx * np.nan, dx),)

    return {"power": replace(right, backward=backward)}
