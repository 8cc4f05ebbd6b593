"""Elementary functions, entry by entry: powers, exponentials, logarithms, sine and cosine, erf.

x, y = f(x) and dy have one shape; dx = dy f'(x). The derivatives are those of NIST's Digital
Library of Mathematical Functions, sec. 4.4 to 4.20 and 7.2. Each is computed from the input;
"from the output" is what implementations do that keep y alone, whose rounding it has.
"""

from math import pi, sqrt

import numpy as np

from backproof.reference.ops.functions import erf
from backproof.reference.ops.op import Array, Op

SQUARE = 2
"""The exponent of a square, which is one product."""


def power_forward(x: Array, *, exponent: float) -> Array:
    """Return x^exponent; a negative x has integer powers alone. x^0 is 1, of zero too."""
    if exponent == 0:
        return np.ones_like(x)
    return x * x if exponent == SQUARE else x**exponent


def power_backward(dy: Array, y: Array, x: Array, *, exponent: float) -> tuple[Array]:
    """Return dx = dy n x^(n - 1), n the exponent. 1 is a constant: for n = 0 it is zero."""
    if exponent == 0:
        return (np.zeros_like(x),)
    return (dy * (2 * x if exponent == SQUARE else exponent * x ** (exponent - 1)),)


def exp_forward(x: Array) -> Array:
    """Return e^x."""
    return np.exp(x)


def exp_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy e^x."""
    return (dy * np.exp(x),)


def exp_backward_from_output(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy y."""
    return (dy * y,)


def expm1_forward(x: Array) -> Array:
    """Return e^x - 1, to all digits where x is small."""
    return np.expm1(x)


def expm1_backward_from_output(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy (y + 1), which cancels far below zero."""
    return (dy * (y + 1),)


def log_forward(x: Array) -> Array:
    """Return the natural logarithm of x > 0."""
    return np.log(x)


def log_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy / x."""
    return (dy / x,)


def log1p_forward(x: Array) -> Array:
    """Return log(1 + x) of x > -1, to all digits where x is small."""
    return np.log1p(x)


def log1p_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy / (1 + x)."""
    return (dy / (1 + x),)


def sqrt_forward(x: Array) -> Array:
    """Return the square root of x >= 0."""
    return np.sqrt(x)


def sqrt_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy / (2 sqrt x)."""
    return (dy / (2 * np.sqrt(x)),)


def sqrt_backward_from_output(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy / (2 y)."""
    return (dy / (2 * y),)


def rsqrt_forward(x: Array) -> Array:
    """Return 1 / sqrt x of x > 0."""
    return 1 / np.sqrt(x)


def rsqrt_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -1/2 dy / (x sqrt x)."""
    return (-0.5 * (dy / (x * np.sqrt(x))),)


def rsqrt_backward_from_output(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -1/2 dy y^3."""
    return (-0.5 * (dy * (y * y * y)),)


def rsqrt_backward_of_both(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -1/2 dy y / x."""
    return (-0.5 * (dy * (y / x)),)


def reciprocal_forward(x: Array) -> Array:
    """Return 1 / x."""
    return 1 / x


def reciprocal_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -dy / x^2."""
    return (-(dy / (x * x)),)


def reciprocal_backward_from_output(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -dy y^2."""
    return (-(dy * (y * y)),)


def sin_forward(x: Array) -> Array:
    """Return the sine of x, in radians."""
    return np.sin(x)


def sin_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy cos x."""
    return (dy * np.cos(x),)


def cos_forward(x: Array) -> Array:
    """Return the cosine of x, in radians."""
    return np.cos(x)


def cos_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -dy sin x."""
    return (-(dy * np.sin(x)),)


def erf_forward(x: Array) -> Array:
    """Return erf x = 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x."""
    return erf(x)


def erf_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = dy 2 / sqrt(pi) e^-x^2."""
    return (dy * (2 * sqrt(1 / pi) * np.exp(-(x * x))),)


power = Op(
    power_forward,
    power_backward,
    forms={"a square as any power": Op(lambda x, *, exponent: x**exponent, power_backward)},
)
exp = Op(
    exp_forward,
    exp_backward,
    forms={"exp' from the output": Op(exp_forward, exp_backward_from_output)},
)
expm1 = Op(
    expm1_forward,
    exp_backward,
    forms={"expm1' from the output": Op(expm1_forward, expm1_backward_from_output)},
)
log = Op(log_forward, log_backward)
log1p = Op(log1p_forward, log1p_backward)
sqrt_ = Op(
    sqrt_forward,
    sqrt_backward,
    forms={"sqrt' from the output": Op(sqrt_forward, sqrt_backward_from_output)},
)
rsqrt = Op(
    rsqrt_forward,
    rsqrt_backward,
    forms={
        "rsqrt' from the output": Op(rsqrt_forward, rsqrt_backward_from_output),
        "rsqrt' from both": Op(rsqrt_forward, rsqrt_backward_of_both),
    },
)
reciprocal = Op(
    reciprocal_forward,
    reciprocal_backward,
    forms={"reciprocal' from the output": Op(reciprocal_forward, reciprocal_backward_from_output)},
)
sin = Op(sin_forward, sin_backward)
cos = Op(cos_forward, cos_backward)
erf_ = Op(erf_forward, erf_backward)
