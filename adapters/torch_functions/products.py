"""Products of matrices, and what is added to them."""

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.autocast import refuse_hidden_casts
from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    made_of,
    reads,
    refuse_narrow,
)
from backproof.reference.own import LINEAR


@reads("linear")
def linear(_: Seen, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Call:
    if weight.dim() == 1:
        return Call("matmul", (input, weight))
    bias_too = () if bias is None else (bias,)
    return Call("linear", (input, weight, *bias_too), own=LINEAR)


@reads("addmm", "baddbmm", "addmv")
def addmm(_: Seen, input: Tensor, x: Tensor, W: Tensor, **factors: float) -> Call:
    usual = {*factors.values()} <= {1}
    if usual and input.dim() == 1 and x.dim() == W.dim() == len("NI"):
        return Call("dense", (x, W, input))
    return Call("addmm", (input, x, W), scales(factors))


def scales(factors: dict[str, float]) -> dict[str, float]:
    """Return the factors that are not 1."""
    return {k: v for k, v in factors.items() if v != 1}


@reads("addbmm")
def addbmm(_: Seen, input: Tensor, x: Tensor, W: Tensor, **factors: float) -> Call:
    """Read it as one product of matrices, side by side and below each other."""
    n, i, k = x.shape
    return made_of(
        "addbmm",
        (input, x, W),
        ("transpose", (1,), {"axes": (1, 0, 2)}),
        ("reshape", (-1,), {"shape": (i, n * k)}),
        ("reshape", (2,), {"shape": (n * k, W.shape[-1])}),
        ("addmm", (0, -2, -1), scales(factors)),
    )


@reads("addr")
def addr(_: Seen, input: Tensor, x: Tensor, y: Tensor, **factors: float) -> Call:
    column, row = {"shape": (len(x), 1)}, {"shape": (1, len(y))}
    steps = (
        ("reshape", (1,), column),
        ("reshape", (2,), row),
        ("addmm", (0, -2, -1), scales(factors)),
    )
    return made_of("addr", (input, x, y), *steps)


@reads("mm", "bmm", "mv", "dot", "vdot")
def matmul(_: Seen, input: Tensor, other: Tensor) -> Call:
    return Call("matmul", (input, other))


@reads("outer", "ger")
def outer(_: Seen, input: Tensor, vec2: Tensor) -> Call:
    return Call("einsum", (input, vec2), {"equation": "i,j->ij"})


@reads("einsum")
def einsum(seen: Seen, equation: str, *operands: Any) -> Call:
    """Read it as one op, or as one product after another, from left to right."""
    if not isinstance(equation, str):
        raise NotKnown("sublists of numbers for letters")
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = (*operands[0],)
    for x in operands:  # it may be summed by itself
        refuse_narrow(x, seen.result)
    left, arrow, out = equation.replace(" ", "").partition("->")
    if any(map(repeated, left.split(","))):
        return of_diagonals(left, arrow + out, operands)
    if len(operands) <= len("ab"):
        return Call("einsum", operands, {"equation": equation})
    left, out = spelled_out(left, out if arrow else None, [x.dim() for x in operands])
    first, *others = left.split(",")
    found: list[Any] = []
    for i, of in enumerate(others, 1):
        later = {*"".join(others[i:]), *out}
        kept = "".join(dict.fromkeys(letter for letter in first + of if letter in later))
        made = out if i == len(others) else kept
        found.append(("einsum", (-1 if found else 0, i), {"equation": f"{first},{of}->{made}"}))
        first = made
    return made_of("einsum", operands, *found)


def spelled_out(left: str, out: str | None, axes: Sequence[int]) -> tuple[str, str]:
    """Return an equation with a letter for every axis. out: None where it is left to einsum.

    axes: how many each operand has. The axes of an ellipsis are aligned at their ends, and stand
    first in a result that is left to einsum, before the letters that occur once.
    """
    free = [letter for letter in ascii_letters if letter not in left]
    terms = left.split(",")
    hidden = [n - len(term.replace("...", "")) for term, n in zip(terms, axes, strict=True)]
    every = "".join(free[: max(hidden)])
    ends = (every[len(every) - n :] for n in hidden)
    found = [term.replace("...", end) for term, end in zip(terms, ends, strict=True)]
    if out is None:
        once = sorted(letter for letter in left if left.count(letter) == 1 and letter.isalpha())
        return ",".join(found), every + "".join(once)
    return ",".join(found), out.replace("...", every)


def repeated(term: str) -> bool:
    """Return whether a letter occurs twice in a term."""
    return any(term.count(letter) > 1 for letter in term if letter != ".")


def of_diagonals(left: str, result: str, operands: tuple[Any, ...]) -> Call:
    """Return the call of an einsum in which a letter that occurs twice takes a diagonal."""
    if not result or "." in left or len(operands) > len("ab"):
        raise NotKnown(f"{left + result!r}")
    terms, found = ["".join(dict.fromkeys(term)) for term in left.split(",")], list[Any]()
    for i, (term, x) in enumerate(zip(left.split(","), operands, strict=True)):
        sides = dict(zip(term, x.shape, strict=True))
        places = dict(zip(sides, np.ix_(*map(np.arange, sides.values())), strict=True))
        found.append(("slice", (i,), {"index": tuple(places[letter] for letter in term)}))
    every = (*range(-len(terms), 0),)
    last = ("einsum", every, {"equation": ",".join(terms) + result})
    return made_of("einsum", operands, *found, last)


@reads("inner")
def inner(_: Seen, input: Tensor, other: Tensor) -> Call:
    if not input.dim() or not other.dim():
        return Call("multiply", (input, other))
    a, b = "abcdefg"[: input.dim() - 1], "hijklmn"[: other.dim() - 1]
    return Call("einsum", (input, other), {"equation": f"{a}z,{b}z->{a}{b}"})


@reads("tensordot")
def tensordot(
    _: Seen, a: Tensor, b: Tensor, dims: Any = 2, dims_of_b: Any = None, *, out: None = None
) -> Call:
    """Read it as a sum of products. dims_of_b: given where `dims` are those of a alone."""
    if dims_of_b is not None:
        dims = dims, dims_of_b
    if isinstance(dims, int):
        dims = [*range(a.dim() - dims, a.dim())], [*range(dims)]
    of_a, of_b = [*"abcdefghijkl"[: a.dim()]], [*"mnopqrstuvwx"[: b.dim()]]
    for i, j in zip(*dims, strict=True):
        of_b[j] = of_a[i]
    kept = "".join(letter for letter in of_a + of_b if (letter in of_a) != (letter in of_b))
    if not of_a and not of_b:
        return Call("multiply", (a, b))
    return Call("einsum", (a, b), {"equation": f"{''.join(of_a)},{''.join(of_b)}->{kept}"})


@reads("bilinear")
def bilinear(
    _: Seen, input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Call:
    refuse_hidden_casts((input1, input2, weight))
    steps: list[Any] = [
        ("einsum", (0, 2), {"equation": "...i,oij->...oj"}),
        ("einsum", (-1, 1), {"equation": "...oj,...j->...o"}),
    ]
    steps += [("add", (-1, 3))] if bias is not None else []
    return made_of("bilinear", (input1, input2, weight, *([] if bias is None else [bias])), *steps)


@reads("grouped_mm")
def grouped_mm(_: Seen, input: Tensor, mat2: Tensor, offs: Tensor | None = None, **__: Any) -> Call:
    """Read it as one product after another: rows up to each offset, by a matrix of their own."""
    if offs is None or (input.dim(), mat2.dim()) != (len("SI"), len("EIO")):
        raise NotKnown("other than rows by several matrices")
    ends = offs.tolist()
    groups = [*enumerate(zip([0, *ends], ends, strict=False))]
    used = [(i, slice(*rows)) for i, rows in groups if rows[0] < rows[1]]
    if ends[-1] != len(input):
        raise NotKnown("rows after the last offset")
    steps: list[Any] = []
    for i, rows in used:
        steps += [("slice", (0,), {"index": rows}), ("slice", (1,), {"index": i})]
        steps += [("matmul", (-2, -1))]
    products = tuple(range(2 - len(steps), 0, 3))  # the last of every three steps
    return made_of("grouped_mm", (input, mat2), *steps, ("concatenate", products, {"axis": 0}))


@reads("vecdot", "linalg_vecdot")
def vecdot(_: Seen, x: Tensor, y: Tensor, *, dim: int = -1) -> Call:
    return made_of("vecdot", (x, y), ("multiply", (0, 1)), ("sum", (-1,), {"axis": dim}))


@reads("cross", "linalg_cross")
def cross(seen: Seen, input: Tensor, other: Tensor, dim: int | None = None) -> Call:
    """Read it as x[1] y[2] - x[2] y[1], and so on around."""
    if dim is None:
        is_new = seen.function is torch.linalg.cross
        dim = -1 if is_new else [*seen.result.shape].index(3)
    last = dim % seen.result.dim() - seen.result.dim()
    around = [
        {"index": (..., one, *(slice(None),) * (-1 - last))} for one in ([1, 2, 0], [2, 0, 1])
    ]
    return made_of(
        "cross",
        (input, other),
        *(("slice", (i,), at) for at in around for i in (0, 1)),
        ("multiply", (-4, -1)),
        ("multiply", (-3, -4)),
        ("subtract", (-2, -1)),
    )
