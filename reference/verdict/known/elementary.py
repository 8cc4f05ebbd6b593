"""What exponentials and powers are known to compute instead. Shapes as in `reference.ops`."""

from collections.abc import Callable
from dataclasses import replace
from math import log, log2, pi
from typing import Any

import numpy as np

from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.numbers.stepwise import cast, like, precision_of
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import stop
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.ops.softmax import softmax_forward
from backproof.reference.verdict.known.five_terms import erf_of_5_terms


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
    """Return sigmoids, and softmax, that take e^z as 2^(z log2 e): its rounding grows with z."""

    def silu_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
        s = sigmoid_forward(exponent(z))
        return (dout * (s + z * s * sigmoid_forward(-exponent(z))),)

    def softmax(z: Array, *, axis: int = -1) -> Array:
        below = z - stop(np.max(z, axis=axis, keepdims=True))
        return softmax_forward(exponent(below), axis=axis)

    def about(op: Op) -> Op:
        return Op(
            lambda z, **options: op.forward(exponent(z), **options),
            lambda dout, out, z, **options: op.backward(dout, out, exponent(z), **options),
        )

    ops = {name: about(OPS[name]) for name in ("softplus", "log_sigmoid")}
    ops["softmax"] = replace(OPS["softmax"], forward=softmax)
    ops["sigmoid"] = about(OPS["sigmoid"].forms["sigmoid' from the input"])
    silu = Op(lambda z: z * sigmoid_forward(exponent(z)), silu_backward)
    return {**ops, "silu": silu}


def sigmoid_that_overflows() -> dict[str, Op]:
    """Return the sigmoid 1 / (1 + e^-z), whose slope is s^2 e^-z: NaN where e^-z overflows.

    There s^2 is zero, and zero times infinity is NaN. e^z is a power of two.
    """
    ops = powers_of_two()

    def backward(dout: Array, out: Array, z: Any) -> tuple[Array]:
        (dz,) = ops["sigmoid"].backward(dout, out, z)
        return (np.where(-z > largest(z), np.nan * dz, dz),)

    return {"sigmoid": replace(OPS["sigmoid"], backward=backward)}


def largest(z: Any) -> float:
    """Return the logarithm of the largest number of the precision of numbers of any kind."""
    p = precision_of(z)
    return (2 - p.exponent - p.u) * log(2)


def cosine_of_difference() -> dict[str, Op]:
    """Return cos, and the derivatives of cos and sin, by sin(pi/2 - x): pi/2 - x is rounded."""

    def cos(x: Array) -> Array:
        return np.sin(pi / 2 - x)

    return {
        "sin": replace(OPS["sin"], backward=lambda dy, _, x: (dy * cos(x),)),
        "cos": Op(cos, lambda dy, _, x: (-dy * cos(pi / 2 - x),)),
    }


def elu_of_both_branches() -> dict[str, Op]:
    """Return ELU, the choice between z and alpha (e^z - 1), which is NaN where e^z overflows.

    The branch that is not taken receives zero, and hands on zero times infinity. e^z is a power of
    two.
    """
    right = OPS["elu"]

    def backward(dout: Array, out: Array, z: Any, *, alpha: float = 1.0) -> tuple[Array]:
        (dz,) = right.backward(dout, out, exponent(z), alpha=alpha)
        return (np.where(z > largest(z), np.nan * dz, dz),)

    return {"elu": replace(right, backward=backward)}


def tanh_of_sigmoid() -> dict[str, Op]:
    """Return tanh z as 2 s(2 z) - 1, which cancels near zero; its derivative is the right one."""
    return {"tanh": replace(OPS["tanh"], forward=lambda z: 2 * sigmoid_forward(2 * z) - 1)}


def logarithm_of_sum() -> dict[str, Op]:
    """Return softplus and mish that take log(1 + e^-|z|) of the rounded sum: e^-|z| is lost in it.

    e^z is a power of two. Their derivatives are the right ones.
    """

    def softplus(z: Array, *, beta: float = 1.0, threshold: Any = None) -> Array:
        del threshold  # of another framework
        x = beta * z
        total = 1 + np.exp(-np.abs(exponent(x)))
        return (np.where(x > 0, x, 0) + np.log(total + 0 * x)) / beta

    ops = {"softplus": softplus, "log_sigmoid": lambda z: -softplus(-z)}
    ops["mish"] = lambda z: z * np.tanh(softplus(z))
    return {name: replace(OPS[name], forward=forward) for name, forward in ops.items()}


def power_of_zero() -> dict[str, Op]:
    """Return x^p whose slope p x^(p - 1) is NaN where p is zero and 1/x is infinite."""
    right = OPS["power"]

    def backward(dy: Array, y: Array, x: Array, *, exponent: float) -> tuple[Array]:
        (dx,) = right.backward(dy, y, x, exponent=exponent)
        small = np.abs(x) < (0 if exponent else 1 / np.finfo(np.float32).max)
        return (np.where(small, dx * np.nan, dx),)

    return {"power": replace(right, backward=backward)}


def expm1_from_output() -> dict[str, Op]:
    """Return e^x - 1 whose derivative is dy y + dy, each rounded: it cancels where y is near -1."""
    return {"expm1": replace(OPS["expm1"], backward=lambda dy, y, _: (dy * y + dy,))}


def logarithm_of_sum_with_threshold() -> dict[str, Op]:
    """Return softplus and mish of log(1 + e^z), the rounded sum, of z itself above 20.

    softplus has other thresholds, too. Mish's derivative is that of this softplus; see `mish`.
    """
    ops = logarithm_of_sum()

    def softplus(z: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
        low = ops["softplus"].forward(z, beta=beta)
        return np.where(beta * z > threshold, z, low)

    def mish_backward(dy: Array, y: Array, z: Array) -> tuple[Array]:
        s = softplus(z)
        t = np.tanh(s)
        return (dy * (t + z * ((1 - t * t) * -np.expm1(-s))),)

    mish = Op(lambda z: z * np.tanh(softplus(z)), mish_backward)
    return {**ops, "softplus": replace(OPS["softplus"], forward=softplus), "mish": mish}


def silu_that_overflows() -> dict[str, Op]:
    """Return SiLU whose slope s (1 + z e^-z s) is infinite where z e^-z overflows.

    Where e^-z overflows, too, s is zero, and the slope NaN.
    """
    right = OPS["silu"]

    def backward(dy: Array, y: Array, z: Any) -> tuple[Array]:
        (dz,) = right.backward(dy, y, z)
        overflows = np.log(np.maximum(-z, 1)) - z > largest(z)
        infinite = np.where(-z > largest(z), np.nan, -dy * np.inf)
        return (np.where(overflows, infinite, dz),)

    return {"silu": replace(right, backward=backward)}
