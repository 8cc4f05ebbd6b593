"""Products of matrices, and what is added to them."""

from typing import Any

from backproof.adapters.torch_functions.calls import Call, NotKnown, Seen, Tensor, made_of, reads
from backproof.reference.own import LINEAR


@reads("linear")
def linear(_: Seen, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Call:
    bias_too = () if bias is None else (bias,)
    return Call("linear", (input, weight, *bias_too), own=LINEAR)


@reads("addmm", "baddbmm")
def addmm(_: Seen, input: Tensor, x: Tensor, W: Tensor, **factors: float) -> Call:
    usual = {*factors.values()} <= {1}
    if usual and input.dim() == 1 and x.dim() == len("NI"):
        return Call("dense", (x, W, input))
    return Call("addmm", (input, x, W), {k: v for k, v in factors.items() if v != 1})


@reads("addmv")
def addmv(_: Seen, input: Tensor, mat: Tensor, vec: Tensor, **factors: float) -> Call:
    if {*factors.values()} - {1}:
        raise NotKnown("beta or alpha")
    return made_of("addmv", (input, mat, vec), ("matmul", (1, 2)), ("add", (0, -1)))


@reads("mm", "bmm", "mv", "dot", "vdot")
def matmul(_: Seen, input: Tensor, other: Tensor) -> Call:
    return Call("matmul", (input, other))


@reads("rmatmul")
def rmatmul(_: Seen, input: Tensor, other: Tensor) -> Call:
    return Call("matmul", (other, input))


@reads("outer", "ger")
def outer(_: Seen, input: Tensor, vec2: Tensor) -> Call:
    return Call("einsum", (input, vec2), {"equation": "i,j->ij"})


@reads("einsum")
def einsum(_: Seen, equation: str, *operands: Any) -> Call:
    """Read it as one op, or as one product after another, from left to right."""
    if not isinstance(equation, str):
        raise NotKnown("sublists of numbers for letters")
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = (*operands[0],)
    if len(operands) <= len("ab"):
        return Call("einsum", operands, {"equation": equation})
    left, arrow, out = equation.replace(" ", "").partition("->")
    if not arrow or "." in left:
        raise NotKnown(f"{equation!r} of {len(operands)} operands")
    first, *others = left.split(",")
    found: list[Any] = []
    for i, of in enumerate(others, 1):
        later = {*"".join(others[i:]), *out}
        kept = "".join(dict.fromkeys(letter for letter in first + of if letter in later))
        made = out if i == len(others) else kept
        found.append(("einsum", (-1 if found else 0, i), {"equation": f"{first},{of}->{made}"}))
        first = made
    return made_of("einsum", operands, *found)


@reads("inner")
def inner(_: Seen, input: Tensor, other: Tensor) -> Call:
    if not input.dim() or not other.dim():
        raise NotKnown("numbers")
    a, b = "abcdefg"[: input.dim() - 1], "hijklmn"[: other.dim() - 1]
    return Call("einsum", (input, other), {"equation": f"{a}z,{b}z->{a}{b}"})


@reads("tensordot")
def tensordot(_: Seen, a: Tensor, b: Tensor, dims: Any = 2, out: None = None) -> Call:
    if isinstance(dims, int):
        dims = [*range(a.dim() - dims, a.dim())], [*range(dims)]
    of_a, of_b = [*"abcdefghijkl"[: a.dim()]], [*"mnopqrstuvwx"[: b.dim()]]
    for i, j in zip(*dims, strict=True):
        of_b[j] = of_a[i]
    kept = "".join(letter for letter in of_a + of_b if (letter in of_a) != (letter in of_b))
    return Call("einsum", (a, b), {"equation": f"{''.join(of_a)},{''.join(of_b)}->{kept}"})


@reads("bilinear")
def bilinear(
    _: Seen, input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Call:
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
