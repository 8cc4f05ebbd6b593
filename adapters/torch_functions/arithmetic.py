"""Arithmetic and elementary functions, entry by entry; activations; dropout; casts."""

from math import log
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    made_of,
    number,
    reads,
)
from backproof.reference.ops.cast import cast


def times(factor: Any) -> tuple[Any, ...]:
    """Return the step that multiplies the second tensor."""
    return ("scale", (1,), {"factor": float(factor)})


@reads("add")
def add(_: Seen, input: Any, other: Any, *, alpha: float = 1) -> Call:
    both = number(input), number(other)
    return Call("add", both) if alpha == 1 else made_of("add", both, times(alpha), ("add", (0, -1)))


@reads("sub", "subtract")
def sub(_: Seen, input: Any, other: Any, *, alpha: float = 1) -> Call:
    both = number(input), number(other)
    if alpha == 1:
        return Call("subtract", both)
    return made_of("sub", both, times(alpha), ("subtract", (0, -1)))


@reads("rsub")
def rsub(seen: Seen, input: Any, other: Any, *, alpha: float = 1) -> Call:
    if alpha != 1:
        raise NotKnown(f"alpha={alpha}")
    return sub(seen, other, input)


@reads("mul", "multiply")
def mul(_: Seen, input: Any, other: Any) -> Call:
    for x, factor in ((input, other), (other, input)):
        if isinstance(factor, int | float):
            return Call("scale", (x,), {"factor": float(factor)})
    return Call("multiply", (input, other))


@reads("div", "divide", "true_divide", "truediv")
def div(_: Seen, input: Any, other: Any, *, rounding_mode: str | None = None) -> Call:
    if rounding_mode is not None:
        raise NotKnown(f"rounding_mode={rounding_mode!r}")
    return Call("divide", (number(input), number(other)))


@reads("addcmul")
def addcmul(
    _: Seen,
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: float = 1,
) -> Call:
    scaled = ("scale", (-1,), {"factor": float(value)})
    steps = ("multiply", (1, 2)), scaled, ("add", (0, -1))
    return made_of("addcmul", (input, tensor1, tensor2), *steps)


@reads("addcdiv")
def addcdiv(
    _: Seen,
    input: Tensor,
    tensor1: Tensor,
    tensor2: Tensor,
    *,
    value: float = 1,
) -> Call:
    scaled = ("scale", (-1,), {"factor": float(value)})
    steps = ("divide", (1, 2)), scaled, ("add", (0, -1))
    return made_of("addcdiv", (input, tensor1, tensor2), *steps)


@reads("lerp")
def lerp(_: Seen, input: Tensor, end: Tensor, weight: Any) -> Call:
    steps = ("subtract", (1, 0)), ("multiply", (2, -1)), ("add", (0, -1))
    return made_of("lerp", (input, end, number(weight)), *steps)


# Powers.


@reads("pow")
def pow_(_: Seen, input: Any, exponent: Any) -> Call:
    if isinstance(exponent, bool | int | float):
        return Call("power", (input,), {"exponent": exponent})
    if isinstance(input, bool | int | float):
        return rpow(_, exponent, input)
    if (torch.as_tensor(input) <= 0).any():
        raise NotKnown("a power of numbers that are not all positive")
    steps = ("log", (0,)), ("multiply", (1, -1)), ("exp", (-1,))
    return made_of("pow", (input, exponent), *steps)


@reads("rpow")
def rpow(_: Seen, input: Any, other: Any) -> Call:
    if not isinstance(other, bool | int | float) or other <= 0:
        raise NotKnown("a base that is no positive number")
    return made_of("pow", (input,), ("scale", (0,), {"factor": log(other)}), ("exp", (-1,)))


@reads("log2")
def log2(_: Seen, input: Tensor) -> Call:
    return made_of("log2", (input,), ("log", (0,)), ("scale", (-1,), {"factor": 1 / log(2)}))


@reads("log10")
def log10(_: Seen, input: Tensor) -> Call:
    return made_of("log10", (input,), ("log", (0,)), ("scale", (-1,), {"factor": 1 / log(10)}))


@reads("exp2")
def exp2(seen: Seen, input: Tensor) -> Call:
    return rpow(seen, input, 2)


@reads("tan")
def tan(_: Seen, input: Tensor) -> Call:
    return made_of("tan", (input,), ("sin", (0,)), ("cos", (0,)), ("divide", (-2, -1)))


@reads("arctan2")
def arctan2(_: Seen, input: Tensor, other: Tensor) -> Call:
    return Call("atan2", (input, other))


@reads("atan", "arctan")
def atan(_: Seen, input: Tensor) -> Call:
    return made_of("atan", (input, number(1)), ("atan2", (0, 1)))


ROOT = ("subtract", (1, 0)), ("add", (1, 0)), ("multiply", (-2, -1)), ("sqrt", (-1,))
"""The steps to sqrt((1 - x)(1 + x)): beside x, the other side of a triangle in a circle."""


@reads("asin", "arcsin")
def asin(_: Seen, input: Tensor) -> Call:
    return made_of("asin", (input, number(1)), *ROOT, ("atan2", (0, -1)))


@reads("acos", "arccos")
def acos(_: Seen, input: Tensor) -> Call:
    return made_of("acos", (input, number(1)), *ROOT, ("atan2", (-1, 0)))


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
    return halved("atanh", input, ("log1p", (0,)), ("log1p", (-2,)), ("subtract", (-2, -1)))


@reads("acosh", "arccosh")
def acosh(_: Seen, input: Tensor) -> Call:
    """Read it as log(x + sqrt((x - 1)(x + 1)))."""
    if (input <= 1).any():
        raise NotKnown("numbers that are not all above 1")
    root = ("subtract", (0, 1)), ("add", (0, 1)), ("multiply", (-2, -1)), ("sqrt", (-1,))
    return made_of("acosh", (input, number(1)), *root, ("add", (0, -1)), ("log", (-1,)))


@reads("logit", "special_logit")
def logit(_: Seen, input: Tensor, eps: float | None = None) -> Call:
    """Read it as log(x) - log(1 - x), of numbers that are not clamped."""
    low = eps or 0.0
    if ((input <= low) | (input >= 1 - low)).any():
        raise NotKnown("numbers that are clamped, or not all between 0 and 1")
    steps = ("log", (0,)), ("negative", (0,)), ("log1p", (-1,)), ("subtract", (-3, -1))
    return made_of("logit", (input,), *steps)


@reads("logaddexp")
def logaddexp(_: Seen, input: Tensor, other: Tensor) -> Call:
    """Read it as b + log(1 + e^(a - b))."""
    steps = ("subtract", (0, 1)), ("softplus", (-1,)), ("add", (-1, 1))
    return made_of("logaddexp", (input, other), *steps)


@reads("hypot")
def hypot(_: Seen, input: Tensor, other: Tensor) -> Call:
    if ((input == 0) & (other == 0)).any():
        raise NotKnown("the length of zero, which has no derivative")
    steps = ("multiply", (0, 0)), ("multiply", (1, 1)), ("add", (-2, -1)), ("sqrt", (-1,))
    return made_of("hypot", (input, other), *steps)


@reads("erfc", "special_erfc")
def erfc(_: Seen, input: Tensor) -> Call:
    return made_of("erfc", (input, number(1)), ("erf", (0,)), ("subtract", (1, -1)))


def of_positive(op: str, input: Tensor) -> Call:
    """Return a function of the gamma function. Raises NotKnown where it has poles, and below."""
    if (input <= 0).any():
        raise NotKnown("numbers that are not all positive")
    return Call(op, (input,))


@reads("lgamma", "special_gammaln")
def lgamma(_: Seen, input: Tensor) -> Call:
    return of_positive("lgamma", input)


@reads("digamma", "special_digamma", "special_psi")
def digamma(_: Seen, input: Tensor) -> Call:
    return of_positive("digamma", input)


@reads("erfinv", "special_erfinv")
def erfinv(_: Seen, input: Tensor) -> Call:
    if (input.abs() >= 1).any():
        raise NotKnown("numbers that are not all between -1 and 1")
    return Call("erf_inv", (input,))


@reads("square")
def square(_: Seen, input: Tensor) -> Call:
    return Call("power", (input,), {"exponent": 2})


@reads("negative")
def negative(_: Seen, input: Tensor) -> Call:
    return Call("negative", (input,))


@reads("absolute")
def absolute(_: Seen, input: Tensor) -> Call:
    return Call("abs", (input,))


# Activations whose options have other names.


@reads("softplus")
def softplus(_: Seen, input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Call:
    return Call("softplus", (input,), {"beta": beta, "threshold": threshold})


@reads("glu")
def glu(_: Seen, input: Tensor, dim: int = -1) -> Call:
    return Call("glu", (input,), {"axis": dim})


SELU = {"alpha": 1.6732632423543772, "scale": 1.0507009873554805}
"""Klambauer et al., Self-Normalizing Neural Networks (2017), appendix: the fixed point's."""


@reads("selu")
def selu(_: Seen, input: Tensor, inplace: bool = False) -> Call:
    scaled = ("scale", (-1,), {"factor": SELU["scale"]})
    return made_of("selu", (input,), ("elu", (0,), {"alpha": SELU["alpha"]}), scaled)


@reads("celu")
def celu(_: Seen, input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Call:
    steps = ("scale", (0,), {"factor": 1 / alpha}), ("elu", (-1,))
    return made_of("celu", (input,), *steps, ("scale", (-1,), {"factor": alpha}))


@reads("dropout", "dropout1d", "dropout2d", "dropout3d")
def dropout(
    _: Seen,
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    train: bool = True,
    mask: Tensor = None,
) -> Call:
    """Read it as a product with `mask`: zeros, and 1 / (1 - p) for what is kept."""
    if training and train and p:
        return Call("multiply", (input, mask))
    return Call("cast", (input,), own=cast)


# Steps, whose derivative is zero.


def step(f: Any) -> Any:
    """Return the reader of a function that is constant but for jumps."""

    def read(_: Seen, input: Tensor) -> Call:
        found = f(input.detach().cpu().double().numpy())
        still = ("scale", (0,), {"factor": 0.0})
        return made_of("step", (input, found), still, ("add", (-1, 1)))

    return read


STEPS = {"sgn": "sign", "fix": "trunc"}
"""Other names of PyTorch's for steps."""

for name in ("sign", "sgn", "floor", "ceil", "trunc", "fix", "round"):
    reads(name)(step(getattr(np, STEPS.get(name, name))))


# Casts and copies.


@reads("to", "type", "type_as", "float", "half", "double", "bfloat16", "clone", "contiguous")
@reads("alias", "cpu", "cuda", "positive", "pos", "requires_grad")
def to(_: Seen, x: Tensor, *__: Any, **___: Any) -> Call:
    return Call("cast", (x,), own=cast)


@reads("nan_to_num")
def nan_to_num(_: Seen, input: Tensor, *__: Any, **___: Any) -> Call:
    if not input.detach().isfinite().all():
        raise NotKnown("numbers that are not finite")
    return Call("cast", (input,), own=cast)
