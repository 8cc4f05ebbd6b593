"""Complex numbers: arrays of real ones, with the real and the imaginary part along a last axis.

A derivative by a complex number has those by its two parts in PyTorch, too: dE/da + i dE/db.
"""

from collections.abc import Iterable
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    COMPLEX,
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    made_of,
    reads,
    steps,
)
from backproof.reference.ops.cast import cast

RE, IM = {"index": (..., 0)}, {"index": (..., 1)}
BOTH = {"axis": -1}
"""The options of the ops that take the parts, and that put them beside each other."""

MOVES = (
    *("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "ravel", "view_as"),
    *("transpose", "permute", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "T", "mT"),
    *("expand", "expand_as", "broadcast_to", "repeat", "tile", "contiguous", "clone"),
    *("roll", "flip", "fft_fftshift", "fft_ifftshift", "resolve_conj", "resolve_neg"),
    *("getitem", "select", "narrow", "index_select", "diagonal", "unbind", "split", "chunk"),
)
"""The functions that move entries, and compute nothing."""


def is_complex(x: Any) -> bool:
    """Return whether a tensor, or a number, is complex."""
    return x.is_complex() if isinstance(x, torch.Tensor) else isinstance(x, complex)


def as_tensor(x: Any, seen: Seen) -> Any:
    """Return a complex number as a tensor of the dtype of the result; else what is given."""
    return torch.tensor(x, dtype=seen.result.dtype) if isinstance(x, complex) else x


def parts(z: str, re: str, im: str) -> tuple[Step, Step]:
    """Return the steps that take the parts of a complex operand."""
    return (re, "slice", z, RE), (im, "slice", z, IM)


def places(z: Tensor, of: Any) -> tuple[Any, ...]:
    """Return the index of the entries that a function takes from a tensor. of: the function."""
    numbers = of(torch.arange(z.numel()).reshape(z.shape))
    return np.unravel_index(numbers.numpy(), tuple(z.shape)) if z.dim() else ()


@reads(*MOVES, into=COMPLEX)
def moved(seen: Seen, z: Tensor, *others: Any, **named: Any) -> Any:
    """Read it by what it does to the numbers of the entries."""

    def call(i: int | None) -> Call:
        def taken(numbers: Tensor) -> Tensor:
            made = seen.function(numbers, *others, **named)
            return made if i is None else made[i]

        result = seen.result if i is None else seen.result[i]
        if not z.dim():
            return Call("expand", (z,), {"shape": (*result.shape, 2)})
        return Call("slice", (z,), {"index": places(z, taken)})

    several = isinstance(seen.result, list | tuple)
    return [call(i) for i in range(len(seen.result))] if several else call(None)


@reads("setitem", into=COMPLEX)
def setitem(seen: Seen, z: Tensor, index: Any, values: Any) -> Call:
    if not is_complex(values):
        raise NotKnown("real numbers among complex ones")
    at = places(z, lambda numbers: numbers[index])
    shape = np.broadcast_shapes(*map(np.shape, at))
    wide = ("expand", (1,), {"shape": (*shape, 2)})
    return made_of("setitem", (z, as_tensor(values, seen)), wide, ("put", (0, -1), {"index": at}))


@reads("copy", into=COMPLEX)
def copy(_: Seen, z: Tensor, src: Tensor, non_blocking: bool = False) -> Call:
    return Call("expand", all_complex([src]), {"shape": (*z.shape, 2)})


@reads("cat", "concat", "concatenate", into=COMPLEX)
def cat(seen: Seen, tensors: Iterable[Tensor], dim: int = 0) -> Call:
    return Call("concatenate", all_complex(tensors), {"axis": dim % seen.result.dim()})


@reads("stack", into=COMPLEX)
def stack(seen: Seen, tensors: Iterable[Tensor], dim: int = 0) -> Call:
    return Call("stack", all_complex(tensors), {"axis": dim % seen.result.dim()})


def all_complex(tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Return tensors that are complex. Raises NotKnown where one is not."""
    found = (*tensors,)
    if not all(map(is_complex, found)):
        raise NotKnown("real numbers among complex ones")
    return found


@reads("view_as_real", into=COMPLEX)
def view_as_real(seen: Seen, z: Tensor) -> Call:
    return Call("reshape", (z,), {"shape": (*seen.result.shape,)})


@reads("view_as_complex", into=COMPLEX)
def view_as_complex(_: Seen, input: Tensor) -> Call:
    return Call("reshape", (input,), {"shape": (*input.shape,)})


@reads("complex", into=COMPLEX)
def of_parts(_: Seen, real: Tensor, imag: Tensor) -> Call:
    return Call("stack", (real, imag), BOTH)


@reads("polar", into=COMPLEX)
def polar(_: Seen, abs: Tensor, angle: Tensor) -> Call:
    return steps("polar", {"r": abs, "t": angle}, *turned("r", "t"))


def turned(r: str, t: str) -> tuple[Step, ...]:
    """Return the steps of r e^(it) = r cos t + i r sin t."""
    of = (
        ("c", "cos", t),
        ("s", "sin", t),
        ("a", "multiply", f"{r} c"),
        ("b", "multiply", f"{r} s"),
    )
    return (*of, ("y", "stack", "a b", BOTH))


@reads("exp", into=COMPLEX)
def exp(_: Seen, z: Tensor) -> Call:
    """Read it as e^a e^(ib)."""
    return steps("exp", {"z": z}, *parts("z", "re", "im"), ("r", "exp", "re"), *turned("r", "im"))


@reads("real", into=COMPLEX)
def real(_: Seen, z: Tensor) -> Call:
    return Call("slice", (z,), RE)


@reads("imag", into=COMPLEX)
def imag(_: Seen, z: Tensor) -> Call:
    return Call("slice", (z,), IM)


@reads("abs", "absolute", into=COMPLEX)
def size(_: Seen, z: Tensor) -> Call:
    return Call("norm", (z,), BOTH)


@reads("angle", into=COMPLEX)
def angle(_: Seen, z: Tensor) -> Call:
    return steps("angle", {"z": z}, *parts("z", "re", "im"), ("y", "atan2", "im re"))


@reads("conj", "conj_physical", into=COMPLEX)
def conj(_: Seen, z: Tensor) -> Call:
    minus: Step = ("minus", "negative", "im")
    return steps("conj", {"z": z}, *parts("z", "re", "im"), minus, ("y", "stack", "re minus", BOTH))


@reads("mH", "H", "adjoint", into=COMPLEX)
def adjoint(_: Seen, z: Tensor) -> Call:
    i = z.dim()
    order = {"axes": (*range(i - 2), i - 1, i - 2)}
    return steps(
        "adjoint",
        {"z": z},
        *parts("z", "re", "im"),
        ("minus", "negative", "im"),
        ("rows", "transpose", "re", order),
        ("minus-rows", "transpose", "minus", order),
        ("y", "stack", "rows minus-rows", BOTH),
    )


@reads("to", "type", into=COMPLEX)
def to(seen: Seen, z: Tensor, *_: Any, **__: Any) -> Call:
    if not is_complex(z) or not is_complex(seen.result):
        raise NotKnown("a cast from or to complex numbers")
    return Call("cast", (z,), own=cast)


@reads("neg", "negative", into=COMPLEX)
def negative(_: Seen, z: Tensor) -> Call:
    return Call("negative", (z,))


@reads("add", into=COMPLEX)
def add(seen: Seen, input: Any, other: Any) -> Call:
    return total_of("add", seen, input, other)


@reads("sub", "subtract", into=COMPLEX)
def subtract(seen: Seen, input: Any, other: Any) -> Call:
    return total_of("subtract", seen, input, other)


@reads("rsub", into=COMPLEX)
def rsub(seen: Seen, input: Any, other: Any) -> Call:
    return total_of("subtract", seen, other, input)


def total_of(op: str, seen: Seen, x: Any, y: Any) -> Call:
    """Return a sum or difference; the imaginary part of a real number is zero."""
    x, y = as_tensor(x, seen), as_tensor(y, seen)
    if is_complex(x) and is_complex(y):
        return Call(op, (x, y))
    z, real_parts = ("x", "re y") if is_complex(x) else ("y", "x re")
    sign: list[Step] = [("signed", "negative", "im")] if (op, z) == ("subtract", "y") else []
    return steps(
        op,
        {"x": x, "y": y},
        *parts(z, "re", "im"),
        *sign,
        ("sum", op, real_parts),
        ("wide", "expand", "signed" if sign else "im", {"shape": (*seen.result.shape,)}),
        ("y of parts", "stack", "sum wide", BOTH),
    )


@reads("square", into=COMPLEX)
def square(seen: Seen, z: Tensor) -> Call:
    return multiply(seen, z, z)


@reads("pow", into=COMPLEX)
def power(seen: Seen, z: Tensor, exponent: Any) -> Call:
    if exponent != len("zz"):
        raise NotKnown(f"exponent={exponent!r} of complex numbers")
    return multiply(seen, z, z)


@reads("mul", "multiply", into=COMPLEX)
def multiply(seen: Seen, input: Any, other: Any) -> Call:
    """Read it as (a + ib)(c + id) = ac - bd + i(ad + bc); a real factor multiplies both parts."""
    z, w = as_tensor(input, seen), as_tensor(other, seen)
    if not is_complex(z) or not is_complex(w):
        return by_real("multiply", *((z, w) if is_complex(z) else (w, z)))
    return steps(
        "multiply",
        {"z": z, "w": w},
        *parts("z", "a", "b"),
        *parts("w", "c", "d"),
        *(("ac", "multiply", "a c"), ("bd", "multiply", "b d"), ("re", "subtract", "ac bd")),
        *(("ad", "multiply", "a d"), ("bc", "multiply", "b c"), ("im", "add", "ad bc")),
        ("y", "stack", "re im", BOTH),
    )


@reads("div", "divide", "true_divide", "truediv", into=COMPLEX)
def divide(_: Seen, input: Any, other: Any) -> Call:
    if is_complex(other):
        raise NotKnown("a complex divisor")
    return by_real("divide", input, other)


def by_real(op: str, z: Tensor, r: Any) -> Call:
    """Return a product or quotient of complex numbers and real ones, of each part."""
    if not isinstance(r, torch.Tensor):
        return steps(op, {"z": z, "r": r}, ("y", op, "z r"))
    column: Step = ("column", "reshape", "r", {"shape": (*r.shape, 1)})
    return steps(op, {"z": z, "r": r}, column, ("y", op, "z column"))


@reads("sum", "mean", into=COMPLEX)
def total(seen: Seen, z: Tensor, dim: Any = None, keepdim: bool = False) -> Call:
    dims = range(z.dim()) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = tuple(i % z.dim() for i in dims)
    return Call(seen.function.__name__, (z,), {"axis": axes, "keepdims": keepdim})


@reads("einsum", into=COMPLEX)
def einsum(_: Seen, equation: str, *operands: Any) -> Call:
    """Read it as one over real numbers: z times w is z times the matrix ((c, d), (-d, c))."""
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = (*operands[0],)
    left, arrow, out = equation.replace(" ", "").partition("->")
    if not arrow or "." in left or len(operands) != len("zw"):
        raise NotKnown(f"{equation!r} of complex numbers")
    (z, w), (a, b) = operands, left.split(",")
    return product(z, w, a, b, out)


@reads("matmul", "mm", "bmm", "mv", into=COMPLEX)
def matmul(_: Seen, input: Tensor, other: Tensor) -> Call:
    if input.shape[:-2] != other.shape[:-2] and other.dim() > len("KM"):
        raise NotKnown("batches that broadcast, of complex numbers")
    batch = "abcdefg"[: max(input.dim(), 2) - 2]
    a = batch + "nk"[-min(input.dim(), 2) :]
    b = (batch if other.dim() > len("KM") else "") + "km"[: min(other.dim(), 2)]
    return product(input, other, a, b, batch + a[len(batch) : -1] + b.partition("k")[2])


def product(z: Tensor, w: Tensor, a: str, b: str, out: str) -> Call:
    """Return a sum of products over the letters of einsum."""
    y, x, *_ = (letter for letter in ascii_uppercase if letter not in a + b)
    return steps(
        "einsum",
        {"z": z, "w": w},
        *parts("w", "c", "d"),
        ("minus", "negative", "d"),
        ("first", "stack", "c d", BOTH),
        ("second", "stack", "minus c", BOTH),
        ("both", "stack", "first second", {"axis": -2}),
        ("y", "einsum", "z both", {"equation": f"{a}{y},{b}{y}{x}->{out}{x}"}),
    )
