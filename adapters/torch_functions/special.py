"""Inverse, hyperbolic and special functions, entry by entry, by steps that cancel at no number."""

from dataclasses import replace
from math import factorial, log, pi, sqrt
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    array,
    made_of,
    number,
    reads,
    refuse_narrow,
    refuse_several_dtypes,
    steps,
)
from backproof.reference.own import BY_DENSITY, BY_DIFFERENCE, BY_SQUARE, OWN, with_forms


def by_square(call: Call) -> Call:
    """Return the call of a function whose derivative may be computed from x^2, which cancels."""
    return replace(call, own=with_forms(call.own, BY_SQUARE))


@reads("tan")
def tan(_: Seen, input: Tensor) -> Call:
    return made_of("tan", (input,), ("sin", (0,)), ("cos", (0,)), ("divide", (-2, -1)))


@reads("atan2", "arctan2")
def arctan2(_: Seen, input: Tensor, other: Tensor) -> Call:
    refuse_several_dtypes((input, other))
    return Call("atan2", (input, other))


@reads("atan", "arctan")
def atan(_: Seen, input: Tensor) -> Call:
    return made_of("atan", (input, number(1)), ("atan2", (0, 1)))


ROOT = ("subtract", (1, 0)), ("add", (1, 0)), ("multiply", (-2, -1)), ("sqrt", (-1,))
"""The steps to sqrt((1 - x)(1 + x)): beside x, the other side of a triangle in a circle."""


@reads("asin", "arcsin")
def asin(_: Seen, input: Tensor) -> Call:
    return by_square(made_of("asin", (input, number(1)), *ROOT, ("atan2", (0, -1))))


@reads("acos", "arccos")
def acos(_: Seen, input: Tensor) -> Call:
    return by_square(made_of("acos", (input, number(1)), *ROOT, ("atan2", (-1, 0))))


# Hyperbolic functions, and logarithms of sums, by steps that cancel nowhere but at a true zero.


def halved(name: str, input: Tensor, *found: Any) -> Call:
    """Return a call of half of what the steps make of a number and of its negative."""
    return made_of(name, (input,), ("negative", (0,)), *found, ("scale", (-1,), {"factor": 0.5}))


@reads("sinh")
def sinh(_: Seen, input: Tensor) -> Call:
    return halved("sinh", input, ("expm1", (0,)), ("expm1", (-2,)), ("subtract", (-2, -1)))


@reads("cosh")
def cosh(_: Seen, input: Tensor) -> Call:
    return halved("cosh", input, ("exp", (0,)), ("exp", (-2,)), ("add", (-2, -1)))


@reads("atanh", "arctanh")
def atanh(_: Seen, input: Tensor) -> Call:
    steps = ("log1p", (0,)), ("log1p", (-2,)), ("subtract", (-2, -1))
    return by_square(halved("atanh", input, *steps))


@reads("asinh", "arcsinh")
def asinh(_: Seen, input: Tensor) -> Call:
    return Call("asinh", (input,), own=OWN["asinh"])


@reads("acosh", "arccosh")
def acosh(_: Seen, input: Tensor) -> Call:
    """Read it as log(x + sqrt((x - 1)(x + 1)))."""
    if (input <= 1).any():
        raise NotKnown("numbers that are not all above 1")
    root = ("subtract", (0, 1)), ("add", (0, 1)), ("multiply", (-2, -1)), ("sqrt", (-1,))
    steps = *root, ("add", (0, -1)), ("log", (-1,))
    return by_square(made_of("acosh", (input, number(1)), *steps))


@reads("logit", "special_logit")
def logit(_: Seen, input: Tensor, eps: float | None = None) -> Call:
    """Read it as log(x) - log(1 - x), of numbers that are clamped first where eps is given."""
    if eps is None and ((input <= 0) | (input >= 1)).any():
        raise NotKnown("numbers that are not all between 0 and 1")
    if eps is not None and eps > 1 - eps:
        raise NotKnown("bounds that cross")
    bounds = {} if eps is None else {"low": eps, "high": 1 - eps}
    steps = ("log", (-1,)), ("negative", (-2,)), ("log1p", (-1,)), ("subtract", (-3, -1))
    return made_of("logit", (input,), ("clamp", (0,), bounds), *steps)


SUM_OF_POWERS = (
    *(("subtract", (0, 1)), ("abs", (-1,)), ("negative", (-1,)), ("softplus", (-1,))),
    *(("maximum", (0, 1)), ("add", (-1, -2))),
)
"""The steps to log(e^a + e^b) = max(a, b) + log(1 + e^-|a - b|), where b may be infinite."""


@reads("logaddexp")
def logaddexp(_: Seen, input: Tensor, other: Tensor) -> Call:
    call = made_of("logaddexp", (input, other), *SUM_OF_POWERS)
    return replace(call, own=with_forms(call.own, BY_DIFFERENCE))


@reads("logaddexp2")
def logaddexp2(_: Seen, input: Tensor, other: Tensor) -> Call:
    """Read it as log2(e^(a log 2) + e^(b log 2))."""
    a, b = (("scale", (place,), {"factor": log(2)}) for place in (0, 1))
    less = ("subtract", (-2, -1)), ("abs", (-1,)), ("negative", (-1,)), ("softplus", (-1,))
    steps = *less, ("maximum", (-6, -5)), ("add", (-1, -2))
    last = ("scale", (-1,), {"factor": 1 / log(2)})
    call = made_of("logaddexp2", (input, other), a, b, *steps, last)
    return replace(call, own=with_forms(call.own, BY_DIFFERENCE))


def times_log(name: str, log: str, x: Any, y: Any, result: Tensor) -> Call:
    """Return the call of x log y. Raises NotKnown where y is not positive, and x may be zero."""
    x, y = number(x), number(y)
    if isinstance(y, torch.Tensor):
        refuse_narrow(y, result)
    low = 0 if log == "log" else -1
    if (torch.as_tensor(y) <= low).any():
        raise NotKnown("a logarithm of numbers that are not all positive")
    return made_of(name, (x, y), (log, (1,)), ("multiply", (0, -1)))


@reads("xlogy", "special_xlogy")
def xlogy(seen: Seen, input: Any, other: Any) -> Call:
    return times_log("xlogy", "log", input, other, seen.result)


@reads("special_xlog1py")
def xlog1py(seen: Seen, input: Any, other: Any) -> Call:
    return times_log("xlog1py", "log1p", input, other, seen.result)


@reads("special_entr")
def entr(_: Seen, input: Tensor) -> Call:
    """Read it as -x log x."""
    if (input <= 0).any():
        raise NotKnown("numbers that are not all positive")
    return made_of("entr", (input,), ("log", (0,)), ("multiply", (0, -1)), ("negative", (-1,)))


@reads("special_expit")
def expit(_: Seen, input: Tensor) -> Call:
    return Call("sigmoid", (input,))


@reads("sinc", "special_sinc")
def sinc(_: Seen, input: Tensor) -> Call:
    return Call("sinc", (input,), own=OWN["sinc"])


@reads("hypot")
def hypot(_: Seen, input: Tensor, other: Tensor) -> Call:
    if ((input == 0) & (other == 0)).any():
        raise NotKnown("the length of zero, which has no derivative")
    steps = ("multiply", (0, 0)), ("multiply", (1, 1)), ("add", (-2, -1)), ("sqrt", (-1,))
    return made_of("hypot", (input, other), *steps)


@reads("erfc", "special_erfc")
def erfc(_: Seen, input: Tensor) -> Call:
    return Call("erfc", (input,), own=OWN["erfc"])


@reads("special_ndtr")
def ndtr(_: Seen, input: Tensor) -> Call:
    """Read it as (1 + erf(x / sqrt 2)) / 2."""
    steps = ("scale", (0,), {"factor": 1 / sqrt(2)}), ("erf", (-1,)), ("add", (1, -1))
    return made_of("ndtr", (input, number(1)), *steps, ("scale", (-1,), {"factor": 0.5}))


@reads("special_erfcx")
def erfcx(_: Seen, input: Tensor) -> Call:
    return Call("erfcx", (input,), own=OWN["erfcx"])


@reads("special_log_ndtr")
def log_ndtr(_: Seen, input: Tensor) -> Call:
    """Read it by erfcx t, t = |x| / sqrt 2 below -1: as log(erfcx t / 2) - t^2 there.

    Elsewhere, t = x / sqrt 2, it is log(1 - e^(-t^2) erfcx t / 2).
    """
    is_left = {"condition": array(input < -1)}
    call = steps(
        "log_ndtr",
        {"x": input},
        ("t", "scale", "x", {"factor": sqrt(0.5)}),
        ("-t", "negative", "t"),
        ("from", "where", "-t t", is_left),
        ("erfcx", "erfcx", "from", {}, OWN["erfcx"]),
        ("half", "scale", "erfcx", {"factor": 0.5}),
        ("square", "multiply", "t t"),
        ("log", "log", "half"),
        ("left", "subtract", "log square"),
        ("-square", "negative", "square"),
        ("power", "exp", "-square"),
        ("beyond", "multiply", "power half"),
        ("-beyond", "negative", "beyond"),
        ("right", "log1p", "-beyond"),
        ("y", "where", "left right", is_left),
    )
    return replace(call, own=with_forms(call.own, BY_DENSITY))


@reads("i0", "special_i0")
def i0(_: Seen, input: Tensor) -> Call:
    return Call("i0", (input,), own=OWN["i0"])


@reads("special_i1")
def i1(_: Seen, input: Tensor) -> Call:
    return Call("i1", (input,), own=OWN["i1"])


@reads("special_i0e")
def i0e(_: Seen, input: Tensor) -> Call:
    return Call("i0e", (input,), own=OWN["i0e"])


@reads("special_i1e")
def i1e(_: Seen, input: Tensor) -> Call:
    return Call("i1e", (input,), own=OWN["i1e"])


def of_gamma(op: str, x: Tensor) -> Call:
    """Return a function of the gamma function. Raises NotKnown at its poles: 0, -1, -2, ..."""
    if ((x <= 0) & (x == x.floor())).any():
        raise NotKnown("a pole of the gamma function")
    return Call(op, (x,))


@reads("lgamma", "special_gammaln")
def lgamma(_: Seen, input: Tensor) -> Call:
    return of_gamma("lgamma", input)


@reads("digamma", "special_digamma", "special_psi")
def digamma(_: Seen, input: Tensor) -> Call:
    return of_gamma("digamma", input)


@reads("polygamma", "special_polygamma")
def polygamma(seen: Seen, n: Any, input: Any) -> Call:
    """Read it as (-1)^(n + 1) n! zeta(n + 1, x); a method has x first."""
    order, x = (input, n) if isinstance(n, torch.Tensor) else (n, input)
    if order == 0:
        return digamma(seen, x)
    if (x <= 0).any():
        raise NotKnown("numbers that are not all positive")
    factor = {"factor": float((-1) ** (order + 1) * factorial(order))}
    sum_of_powers = ("zeta", (0,), {"s": order + 1}, OWN["zeta"])
    return made_of("polygamma", (x,), sum_of_powers, ("scale", (-1,), factor))


@reads("mvlgamma", "special_multigammaln")
def mvlgamma(_: Seen, input: Tensor, p: int) -> Call:
    """Read it as p (p - 1) / 4 log pi, and the sum of log Gamma(x - j / 2) for j below p."""
    halves = [number(-j / 2) for j in range(p)]
    if (input <= (p - 1) / 2).any():
        raise NotKnown("a logarithm of the gamma function of numbers that are not all positive")
    found: list[Any] = []
    for j in range(p):
        found += [("add", (0, 1 + j)), ("lgamma", (-1,))]
        found += [("add", (-3, -1))] if j else []
    constant = np.asarray(p * (p - 1) / 4 * log(pi))
    return made_of("mvlgamma", (input, *halves, constant), *found, ("add", (-1, 1 + p)))


@reads("erfinv", "special_erfinv")
def erfinv(_: Seen, input: Tensor) -> Call:
    if (input.abs() >= 1).any():
        raise NotKnown("numbers that are not all between -1 and 1")
    return Call("erf_inv", (input,))


@reads("special_ndtri")
def ndtri(_: Seen, input: Tensor) -> Call:
    """Read it as sqrt 2 times the inverse of erf at 2 x - 1."""
    if ((input <= 0) | (input >= 1)).any():
        raise NotKnown("numbers that are not all between 0 and 1")
    steps = ("scale", (0,), {"factor": 2.0}), ("subtract", (-1, 1)), ("erf_inv", (-1,))
    return made_of("ndtri", (input, number(1)), *steps, ("scale", (-1,), {"factor": sqrt(2)}))
