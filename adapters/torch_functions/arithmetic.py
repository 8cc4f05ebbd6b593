"""Arithmetic and elementary functions, entry by entry; activations; dropout; casts."""

from math import log, pi, sqrt
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    array,
    made_of,
    name_of,
    number,
    reads,
    refuse_narrow,
    steps,
)
from backproof.reference.ops.cast import cast
from backproof.reference.own import OWN


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
    return sub(seen, other, input, alpha=alpha)


@reads("mul", "multiply")
def mul(_: Seen, input: Any, other: Any) -> Call:
    for x, factor in ((input, other), (other, input)):
        if isinstance(factor, int | float):
            return Call("scale", (x,), {"factor": float(factor)})
    return Call("multiply", (input, other))


def entries_of(x: Any) -> Any:
    """Return a tensor as an array, and a number as it is."""
    return array(x) if isinstance(x, torch.Tensor) else x


@reads("div", "divide", "true_divide", "truediv")
def div(seen: Seen, input: Any, other: Any, *, rounding_mode: str | None = None) -> Call:
    if rounding_mode is not None:
        a, b = map(entries_of, (input, other))
        if rounding_mode == "floor":
            return constant_of(np.floor_divide(a, b), input, other)
        dtype = str(seen.result.dtype).removeprefix("torch.")  # the quotient is rounded before
        return constant_of(np.trunc((a / b).astype(dtype)).astype(float), input, other)
    return Call("divide", (number(input), number(other)))


def plus(name: str, op: str) -> None:
    """Read a function as input + value op(tensor1, tensor2)."""

    @reads(name)
    def read(
        seen: Seen, input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1
    ) -> Call:
        for t in (tensor1, tensor2):  # a derivative scales one, or divides it by the other
            refuse_narrow(t, seen.result)
        scaled = ("scale", (-1,), {"factor": float(value)})
        return made_of(name, (input, tensor1, tensor2), (op, (1, 2)), scaled, ("add", (0, -1)))


plus("addcmul", "multiply")
plus("addcdiv", "divide")


@reads("lerp")
def lerp(_: Seen, input: Tensor, end: Tensor, weight: Any) -> Call:
    return Call("between", (input, end, number(weight)), own=OWN["between"])


@reads("remainder", "mod", "fmod")
def remainder(seen: Seen, input: Any, other: Any) -> Call:
    """Read it as x - n y, where n is an integer, which PyTorch computes again for dE/dy."""
    is_fmod = name_of(seen.function) == "fmod"
    a, b = (np.asarray(entries_of(x), float) for x in (input, other))
    n = np.rint((a - (np.fmod if is_fmod else np.mod)(a, b)) / b)
    own = (torch.as_tensor(x).detach().to(seen.result) for x in (input, other))
    again = torch.div(*own, rounding_mode="trunc" if is_fmod else "floor")
    if not np.array_equal(array(again), n):
        raise NotKnown("a quotient that is rounded to another integer")
    operands = number(input), number(other), n
    return made_of("remainder", operands, ("multiply", (1, 2)), ("subtract", (0, -1)))


@reads("frac")
def frac(_: Seen, input: Tensor) -> Call:
    return Call("subtract", (input, np.trunc(array(input))))


@reads("copysign")
def copysign(_: Seen, input: Any, other: Any) -> Call:
    """Read it as a product with 1, -1, or at zero 0, and what other hands on as zero."""
    signs = np.sign(array(input)) * np.copysign(1, entries_of(other))
    still = ("scale", (1,), {"factor": 0.0})
    steps = ("multiply", (0, 2)), still, ("add", (-2, -1))
    return made_of("copysign", (input, number(other), signs), *steps)


@reads("ldexp")
def ldexp(seen: Seen, input: Tensor, other: Tensor) -> Call:
    """Read it as x 2^y."""
    refuse_narrow(other, seen.result)
    power = ("scale", (1,), {"factor": log(2)}), ("exp", (-1,)), ("multiply", (0, -1))
    if other.is_floating_point():  # 2^y is rounded
        return made_of("ldexp", (input, other), *power)
    return Call("multiply", (input, np.exp2(array(other), dtype=array(input).dtype)))


@reads("frexp")
def frexp(_: Seen, input: Tensor) -> list[Any]:
    """Read the mantissa as x 2^-n."""
    x = array(input)
    return [Call("multiply", (input, np.exp2(-np.frexp(x)[1], dtype=x.dtype)))]


@reads("deg2rad")
def deg2rad(_: Seen, input: Tensor) -> Call:
    return Call("scale", (input,), {"factor": pi / 180})


@reads("rad2deg")
def rad2deg(_: Seen, input: Tensor) -> Call:
    return Call("scale", (input,), {"factor": 180 / pi})


# Powers.


MOST_EXPONENTS = 16
"""So many whole exponents of one tensor are read as a power each."""


@reads("pow", "float_power")
def pow_(seen: Seen, input: Any, exponent: Any) -> Call:
    """Read it as e^(y log x) of positive x, or as one power for each exponent, if they are few."""
    if isinstance(exponent, bool | int | float):
        return Call("power", (input,), {"exponent": exponent})
    if isinstance(input, bool | int | float):
        return rpow(seen, exponent, input)
    for t in (input, exponent):  # its derivative has y - 1 and log x
        refuse_narrow(t, seen.result)
    exponents = [] if exponent.requires_grad else np.unique(array(exponent)).tolist()
    if 0 < len(exponents) <= MOST_EXPONENTS and all(float(k).is_integer() for k in exponents):
        return powers(input, exponent, exponents)
    if (torch.as_tensor(input) <= 0).any():
        raise NotKnown("a power of numbers that are not all positive")
    steps = ("log", (0,)), ("multiply", (1, -1)), ("exp", (-1,))
    return made_of("pow", (input, exponent), *steps)


def powers(x: Tensor, exponent: Tensor, exponents: list[float]) -> Call:
    """Return the call of powers whose exponents, whole numbers, are of few values."""
    shape = np.broadcast_shapes(tuple(x.shape), tuple(exponent.shape))
    found: list[Step] = [("each", "expand", "x", {"shape": shape})]
    y = ""
    for k in exponents:
        found.append((f"x^{k}", "power", "each", {"exponent": k}))
        if y:
            there = np.broadcast_to(array(exponent) == k, shape)
            found.append((f"x^..{k}", "where", f"x^{k} {y}", {"condition": there}))
        y = found[-1][0]
    return steps("pow", {"x": x}, *found)


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


@reads("prelu")
def prelu(_: Seen, input: Tensor, weight: Tensor) -> Call:
    """Read numbers without channels as those of one channel."""
    if input.dim() > 1 and weight.dim() == 1:
        return Call("prelu", (input, weight))
    shape = input.shape if input.dim() > 1 else (1, 1, -1)
    channels = ("reshape", (0,), {"shape": shape}), ("reshape", (1,), {"shape": (-1,)})
    back = ("reshape", (-1,), {"shape": tuple(input.shape)})
    return made_of("prelu", (input, weight), *channels, ("prelu", (-2, -1)), back)


SELU = {"alpha": 1.6732632423543772, "scale": 1.0507009873554805}
"""Klambauer et al., Self-Normalizing Neural Networks (2017), appendix: the fixed point's."""


@reads("selu")
def selu(_: Seen, input: Tensor, inplace: bool = False) -> Call:
    scaled = ("scale", (-1,), {"factor": SELU["scale"]})
    return made_of("selu", (input,), ("elu", (0,), {"alpha": SELU["alpha"]}), scaled)


@reads("celu")
def celu(_: Seen, input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Call:
    if alpha <= 0:  # x / alpha has another sign than x
        raise NotKnown(f"alpha={alpha}")
    steps = ("scale", (0,), {"factor": 1 / alpha}), ("elu", (-1,))
    return made_of("celu", (input,), *steps, ("scale", (-1,), {"factor": alpha}))


@reads("dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout")
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


def scaled(kept: Tensor, p: float, like: Tensor) -> Tensor:
    """Return the mask of a dropout of probability p: zeros, and 1 / (1 - p) for what is kept."""
    one = torch.ones((), dtype=like.dtype, device=like.device)
    return kept * (one / (1 - p) if p < 1 else one)


ALPHA = 1.0507009873554805 * 1.6732632423543772
"""How far below zero SELU goes: its scale times its alpha."""


@reads("alpha_dropout", "feature_alpha_dropout")
def alpha_dropout(
    _: Seen,
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    train: bool = True,
    mask: Tensor,
) -> Call:
    """Read it as a x + a ALPHA p of the ones of `mask`, and a ALPHA (p - 1) elsewhere.

    1 / a^2 = (1 - p) (1 + p ALPHA^2). Source: Klambauer et al., Self-Normalizing Neural Networks
    (NeurIPS 2017), sec. 3.
    """
    if not (training and train and p):
        return Call("cast", (input,), own=cast)
    if p == 1:
        return Call("multiply", (input, mask))
    a = 1 / sqrt((1 - p) * (1 + p * ALPHA**2))
    return steps(
        "alpha_dropout",
        {"x": input, "mask": mask, "one": 1.0, "most": a * ALPHA * p},
        ("noise", "scale", "mask", {"factor": a}),
        ("scaled", "multiply", "x noise"),
        ("lost", "subtract", "mask one"),
        ("below", "scale", "lost", {"factor": a * ALPHA}),
        ("shift", "add", "below most"),
        ("y", "add", "scaled shift"),
    )


@reads("rrelu")
def rrelu(
    _: Seen,
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    mask: Tensor,
) -> Call:
    """Read it as a product with `mask`: 1, and slopes; at rest, with the mean of all slopes."""
    if training and input.dtype not in (torch.float32, torch.float64):
        raise NotKnown("slopes that are rounded once they are used")
    if training:
        return Call("multiply", (input, mask))
    return Call("leaky_relu", (input,), {"negative_slope": (lower + upper) / 2})


@reads("normal")
def normal(*_: Any, **__: Any) -> Call:
    raise NotKnown("a sample, which PyTorch takes for a constant")


# Steps, whose derivative is zero.


def constant_of(found: Any, *operands: Any) -> Call:
    """Return the call of a function that is `found`, and hands on zeros to its operands."""
    tensors = [number(x) for x in operands]
    steps: list[Any] = []
    for i in range(len(tensors)):
        still = ("scale", (i,), {"factor": 0.0})
        steps += [still, ("add", (-1, -2 if i else len(tensors)))]
    return made_of("step", (*tensors, found), *steps)


def step(f: Any) -> Any:
    """Return the reader of a function that is constant but for jumps."""

    def read(_: Seen, input: Tensor) -> Call:
        return constant_of(f(input.detach().cpu().double().numpy()), input)

    return read


STEPS = {"sgn": "sign", "fix": "trunc"}
"""Other names of PyTorch's for steps."""

for name in ("sign", "sgn", "floor", "ceil", "trunc", "fix"):
    reads(name)(step(getattr(np, STEPS.get(name, name))))


@reads("round")
def round_(_: Seen, input: Tensor, *, decimals: int = 0) -> Call:
    """Read it in the precision of the input: with decimals, x 10^d is rounded, too."""
    x = array(input)
    scale = x.dtype.type(10.0 ** abs(decimals))
    found = np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale
    return constant_of(found, input)


@reads("angle")
def angle(_: Seen, input: Tensor) -> Call:
    return constant_of(np.where(array(input.detach() < 0), pi, 0.0), input)


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
