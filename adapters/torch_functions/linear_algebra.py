"""Linear algebra: equations, inverses, and Cholesky's factor."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    READERS,
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
from backproof.reference.own import OWN

NONE: Mapping[str, Any] = {}


def turned(n: int) -> dict[str, Any]:
    """Return the option of `transpose` that transposes matrices, in an array of n axes."""
    return {"axes": (*range(n - 2), n - 1, n - 2)}


def solution(
    A: Tensor, B: Tensor, op: str = "solve", options: Mapping[str, Any] = NONE, *, left: bool = True
) -> Call:
    """Return the call that solves A X = B, or X A = B as A^T X^T = B^T. Batches broadcast.

    A vector is a matrix of one column. options: of the op; "transpose" says whether it reads A^T.
    """
    is_vector = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])
    of_B = (*B.shape, 1) if is_vector else (*B.shape,)
    batch = np.broadcast_shapes(A.shape[:-2], of_B[:-2])
    shapes = (*batch, *A.shape[-2:]), (*batch, *of_B[-2:])
    axes = turned(len(shapes[0]))
    found: list[Step] = [
        ("column", "reshape", "B", {"shape": of_B}),
        ("A-wide", "expand", "A", {"shape": shapes[0]}),
        ("B-wide", "expand", "column" if is_vector else "B", {"shape": shapes[1]}),
    ]
    a = "A" if A.shape == shapes[0] else "A-wide"
    b = ("column" if is_vector else "B") if of_B == shapes[1] else "B-wide"
    if left and b == "B" and a == "A":
        return Call(op, (A, B), options)
    if left:
        found.append(("X", op, f"{a} {b}", options))
    else:
        found += [("At", "transpose", a, axes), ("Bt", "transpose", b, axes)]
        found.append(("Xt", op, f"{'At' if op == 'solve' else a} Bt", options))
        found.append(("X", "transpose", "Xt", axes))
    if is_vector:
        found.append(("vector", "reshape", "X", {"shape": shapes[1][:-1]}))
    return steps(op, {"A": A, "B": B}, *found)


@reads("linalg_solve", "linalg_solve_ex")
def solve(_: Seen, A: Tensor, B: Tensor, *, left: bool = True, **__: Any) -> Call:
    return solution(A, B, left=left)


@reads("linalg_inv", "linalg_inv_ex", "inverse")
def inv(_: Seen, A: Tensor, **__: Any) -> Call:
    """Read it as the solution for the unit matrix."""
    return Call("solve", (A, torch.eye(A.shape[-1], dtype=A.dtype).expand_as(A)))


@reads("linalg_tensorinv")
def tensorinv(seen: Seen, A: Tensor, ind: int = 2) -> Call:
    """Read it as the inverse of a matrix, whose rows are the first axes."""
    n = int(np.prod(A.shape[:ind]))
    whole = ("reshape", (0,), {"shape": (n, n)}), ("solve", (-1, 1))
    back = ("reshape", (-1,), {"shape": (*seen.result.shape,)})
    return made_of("tensorinv", (A, np.eye(n, dtype=np.float32)), *whole, back)


@reads("linalg_tensorsolve")
def tensorsolve(seen: Seen, A: Tensor, B: Tensor, dims: Any = None) -> Call:
    """Read it as equations of a matrix, whose columns are the last axes."""
    last = [i % A.dim() for i in dims or ()]
    order = (*(i for i in range(A.dim()) if i not in last), *last)
    n = B.numel()
    return made_of(
        "tensorsolve",
        (A, B),
        ("transpose", (0,), {"axes": order}),
        ("reshape", (-1,), {"shape": (n, n)}),
        ("reshape", (1,), {"shape": (n, 1)}),
        ("solve", (-2, -1)),
        ("reshape", (-1,), {"shape": (*seen.result.shape,)}),
    )


@reads("linalg_solve_triangular")
def solve_triangular(
    _: Seen, A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Call:
    options = {"lower": not upper, "transpose": not left, "unit_diagonal": unitriangular}
    return solution(A, B, "triangular_solve", options, left=left)


@reads("triangular_solve")
def triangular_solve(
    _: Seen,
    B: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> list[Call]:
    """Read the second result, too: a copy of A."""
    options = {"lower": not upper, "transpose": transpose, "unit_diagonal": unitriangular}
    return [solution(A, B, "triangular_solve", options), Call("cast", (A,), own=cast)]


@reads("linalg_cholesky", "linalg_cholesky_ex", "cholesky")
def cholesky(_: Seen, A: Tensor, upper: bool = False, **__: Any) -> Call:
    """Read the upper one as the transpose. One triangle is read, and both receive a half."""
    options: dict[str, Any] = {}
    op, own = "cholesky", None
    if not torch.equal(A, A.mT):
        op, own, options = "cholesky_of_triangle", OWN["cholesky_of_triangle"], {"lower": not upper}
    if not upper:
        return Call(op, (A,), options, own)
    return made_of(
        "cholesky", (A,), (op, (0,), options, own), ("transpose", (-1,), turned(A.dim()))
    )


@reads("cholesky_solve")
def cholesky_solve(_: Seen, B: Tensor, L: Tensor, upper: bool = False) -> Call:
    if L.shape[:-2] != B.shape[:-2]:
        raise NotKnown("matrices that broadcast")
    options = {"lower": not upper}
    return Call("cholesky_solve", (B, factor(L, upper)), options, OWN["cholesky_solve"])


@reads("cholesky_inverse")
def cholesky_inverse(_: Seen, L: Tensor, upper: bool = False) -> Call:
    options = {"lower": not upper}
    return Call("cholesky_inverse", (factor(L, upper),), options, OWN["cholesky_inverse"])


def factor(L: Tensor, upper: bool) -> Tensor:
    """Return Cholesky's factor.

    Raises NotKnown where it is no triangle: PyTorch differentiates it as if all of it were read.
    """
    if not torch.equal(L, L.triu() if upper else L.tril()):
        raise NotKnown("a factor that is no triangle")
    return L


@reads("matrix_exp", "linalg_matrix_exp")
def matrix_exp(_: Seen, A: Tensor) -> Call:
    return Call("matrix_exp", (A,), own=OWN["matrix_exp"])


@reads("linalg_diagonal")
def diagonal(seen: Seen, A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Call:
    found: Call = READERS["diagonal"](seen, A, offset, dim1, dim2)
    return found
