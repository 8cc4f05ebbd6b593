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
    if not isinstance(equation, str):
        raise NotKnown("sublists of numbers for letters")
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = (*operands[0],)
    if len(operands) > len("ab"):
        raise NotKnown(f"{len(operands)} operands")
    return Call("einsum", operands, {"equation": equation})


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
