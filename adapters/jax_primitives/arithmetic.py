"""Arithmetic and elementary functions, entry by entry; casts."""

from dataclasses import replace
from math import log
from typing import Any

import jax.numpy as jnp
import numpy as np

from backproof.adapters.jax_primitives.calls import (
    FUNCTIONS,
    Call,
    NotKnown,
    Operand,
    Reader,
    Seen,
    made_of,
    number,
    reads,
)
from backproof.reference.ops.cast import cast
from backproof.reference.own import BY_HALVES, BY_SQUARE, FROM_OUTPUT, OWN, with_forms

SAME = {
    "add": "add",
    "add_any": "add",
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "neg": "negative",
    "exp": "exp",
    "expm1": "expm1",
    "log": "log",
    "log1p": "log1p",
    "sqrt": "sqrt",
    "rsqrt": "rsqrt",
    "sin": "sin",
    "cos": "cos",
    "tanh": "tanh",
    "logistic": "sigmoid",
    "erf": "erf",
    "abs": "abs",
    "max": "maximum",
    "min": "minimum",
    "atan2": "atan2",
}
"""Primitive -> the op that has the same operands and no options."""


def as_op(op: str) -> Reader:
    """Return the reader of a primitive that is an op."""
    return lambda _, *operands: Call(op, operands)


for primitive, op in SAME.items():
    reads(primitive)(as_op(op))


@reads("convert_element_type", "copy", "copy_p", "name", "sharding_constraint")
def convert(_: Seen, x: Operand) -> Call:
    return Call("cast", (x,), own=cast)


@reads("optimization_barrier", "device_put")
def barrier(_: Seen, *operands: Operand) -> list[Call]:
    return [Call("cast", (x,), own=cast) for x in operands]


@reads("reduce_precision")
def reduce_precision(seen: Seen, x: Operand) -> Call:
    """Read it as nothing where all bits are kept, as of what a checkpoint saves."""
    bits = seen.params["mantissa_bits"]
    of = jnp.finfo(x.dtype)  # type: ignore[no-untyped-call]
    if bits < of.nmant or seen.params["exponent_bits"] < of.nexp:
        raise NotKnown(f"{bits} bits in an array of {x.dtype}")
    return Call("cast", (x,), own=cast)


@reads("logaddexp2", table=FUNCTIONS)
def logaddexp2(a: Operand, b: Operand) -> list[Call]:
    """Read it as max(a, b) + log2(1 + 2^-|a - b|), where b may be infinite."""
    less = ("subtract", (0, 1)), ("abs", (-1,)), ("scale", (-1,), {"factor": -log(2)})
    log2 = ("softplus", (-1,)), ("scale", (-1,), {"factor": 1 / log(2)})
    call = made_of("logaddexp2", (a, b), *less, *log2, ("maximum", (0, 1)), ("add", (-1, -2)))
    return [replace(call, own=with_forms(call.own, FROM_OUTPUT))]


@reads("xlogy", table=FUNCTIONS)
def x_log_y(x: Operand, y: Operand) -> list[Call]:
    """Read x log y as a product: at x = 0 its slope by x is log y, and not that of its branch."""
    return [made_of("xlogy", (x, y), ("log", (1,)), ("multiply", (0, -1)))]


@reads("xlog1py", table=FUNCTIONS)
def x_log1p_y(x: Operand, y: Operand) -> list[Call]:
    """Read x log(1 + y) as a product, as above."""
    return [made_of("xlog1py", (x, y), ("log1p", (1,)), ("multiply", (0, -1)))]


# Powers.

MOST_EXPONENTS = 16
"""So many whole exponents of one array are read as a power each."""


@reads("square")
def square(_: Seen, x: Operand) -> Call:
    return Call("power", (x,), {"exponent": 2})


@reads("integer_pow")
def integer_pow(seen: Seen, x: Operand) -> Call:
    return Call("power", (x,), {"exponent": seen.params["y"]})


@reads("pow")
def power(_: Seen, x: Operand, y: Operand) -> Call:
    """Read it as e^(y log x) of positive x, or as one power for each exponent, if they are few."""
    exponents = [] if y.tracked else np.unique(np.asarray(y.read(), np.float64)).tolist()
    if len(exponents) == 1:
        return Call("power", (x,), {"exponent": exponents[0]})
    if 0 < len(exponents) <= MOST_EXPONENTS and all(k.is_integer() for k in exponents):
        steps: list[Any] = [("power", (0,), {"exponent": exponents[0]})]
        for k in exponents[1:]:
            steps.append(("power", (0,), {"exponent": k}))
            steps.append(("where", (-1, -2), {"condition": y.read() == k}))
        return made_of("pow", (x,), *steps)
    if (x.read() <= 0).any():
        raise NotKnown("a power of numbers that are not all positive")
    return made_of("pow", (x, y), ("log", (0,)), ("multiply", (1, -1)), ("exp", (-1,)))


@reads("exp2")
def exp2(_: Seen, x: Operand) -> Call:
    return made_of("exp2", (x,), ("scale", (0,), {"factor": log(2)}), ("exp", (-1,)))


# Special functions.


@reads("lgamma", "digamma")
def of_gamma(seen: Seen, x: Operand) -> Call:
    if ((x.read() <= 0) & (x.read() == np.floor(x.read()))).any():
        raise NotKnown("a pole of the gamma function")
    return Call(seen.name, (x,))


@reads("asinh", "erfc", "bessel_i0e", "bessel_i1e")
def own(seen: Seen, x: Operand) -> Call:
    """Read it as an op that the table of ops does not have."""
    name = seen.name.removeprefix("bessel_")
    return Call(name, (x,), own=OWN[name])


@reads("erf_inv")
def erf_inv(seen: Seen, x: Operand) -> Call:
    if (abs(x.read()) >= 1).any():
        raise NotKnown("numbers that are not all between -1 and 1")
    return Call(seen.name, (x,))


# Functions of several steps.


@reads("atan")
def atan(_: Seen, x: Operand) -> Call:
    return made_of("atan", (x, number(1, x)), ("atan2", (0, 1)))


@reads("asin", "acos")
def inverse(seen: Seen, x: Operand) -> Call:
    """Read it as the angle of a point on the circle: the other side of its triangle is a root."""
    steps = ("subtract", (1, 0)), ("add", (1, 0)), ("multiply", (-2, -1)), ("sqrt", (-1,))
    angle = ("atan2", (0, -1) if seen.name == "asin" else (-1, 0))
    call = made_of(seen.name, (x, number(1, x)), *steps, angle)
    return replace(call, own=with_forms(call.own, BY_SQUARE))


@reads("tan")
def tan(_: Seen, x: Operand) -> Call:
    return made_of("tan", (x,), ("sin", (0,)), ("cos", (0,)), ("divide", (-2, -1)))


@reads("sinh", "cosh")
def hyperbolic(seen: Seen, x: Operand) -> Call:
    both = "subtract" if seen.name == "sinh" else "add"
    exponentials = ("exp", (0,)), ("negative", (0,)), ("exp", (-1,))
    half = ("scale", (-1,), {"factor": 0.5})
    call = made_of(seen.name, (x,), *exponentials, (both, (-3, -1)), half)
    return replace(call, own=with_forms(call.own, BY_HALVES))


@reads("acosh")
def acosh(_: Seen, x: Operand) -> Call:
    """Read it as log(x + sqrt((x - 1)(x + 1)))."""
    if (x.read() <= 1).any():
        raise NotKnown("numbers that are not all above 1")
    root = ("subtract", (0, 1)), ("add", (0, 1)), ("multiply", (-2, -1)), ("sqrt", (-1,))
    return made_of("acosh", (x, number(1, x)), *root, ("add", (0, -1)), ("log", (-1,)))


@reads("atanh")
def atanh(_: Seen, x: Operand) -> Call:
    """Read it as (log(1 + x) - log(1 - x)) / 2."""
    steps = ("log1p", (0,)), ("negative", (0,)), ("log1p", (-1,)), ("subtract", (-3, -1))
    return made_of("atanh", (x,), *steps, ("scale", (-1,), {"factor": 0.5}))


@reads("cbrt")
def cbrt(_: Seen, x: Operand) -> Call:
    sign = np.sign(np.asarray(x.read()))
    steps = ("abs", (0,)), ("power", (-1,), {"exponent": 1 / 3}), ("multiply", (-1, 1))
    return made_of("cbrt", (x, sign), *steps)


@reads("rem")
def rem(_: Seen, x: Operand, y: Operand) -> Call:
    """Read it as x - k y, where k is x / y without its fraction, and not differentiated.

    Raises NotKnown for a k that has no float of the operands' dtype.
    """
    a, b = (np.asarray(one.read(), np.float64) for one in (x, y))
    exact = np.rint((a - np.fmod(a, b)) / b)
    k = exact.astype(x.dtype)
    if not np.array_equal(k, exact):
        raise NotKnown("a quotient of too many digits")
    return made_of("rem", (x, y, k), ("multiply", (2, 1)), ("subtract", (0, -1)))
