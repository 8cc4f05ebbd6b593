"""Linear algebra: equations, inverses, triangles, and Cholesky's factor."""

from typing import Any

import torch

from backproof.adapters.torch_functions.calls import Call, NotKnown, Seen, Tensor, made_of, reads


def turned(place: int, of: Tensor) -> tuple[Any, ...]:
    """Return the step that transposes matrices."""
    n = of.dim()
    return ("transpose", (place,), {"axes": (*range(n - 2), n - 1, n - 2)})


@reads("linalg_solve")
def solve(_: Seen, A: Tensor, B: Tensor, *, left: bool = True) -> Call:
    """Read X A = B as A^T X^T = B^T, and a vector as a matrix of one column."""
    if B.dim() == A.dim() - 1 and B.shape == A.shape[:-1]:
        column = ("reshape", (1,), {"shape": (*B.shape, 1)}), ("solve", (0, -1))
        return made_of("solve", (A, B), *column, ("reshape", (-1,), {"shape": (*B.shape,)}))
    if B.shape[:-2] != A.shape[:-2]:
        raise NotKnown("matrices that broadcast")
    if left:
        return Call("solve", (A, B))
    steps = turned(0, A), turned(1, B), ("solve", (-2, -1))
    return made_of("solve", (A, B), *steps, turned(-1, B))


@reads("linalg_inv", "inverse")
def inv(_: Seen, A: Tensor) -> Call:
    """Read it as the solution for the unit matrix."""
    one = torch.eye(A.shape[-1], dtype=A.dtype).expand_as(A)
    return Call("solve", (A, one))


@reads("linalg_solve_triangular")
def solve_triangular(
    _: Seen,
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Call:
    """Read X A = B as A^T X^T = B^T."""
    if B.shape[:-2] != A.shape[:-2]:
        raise NotKnown("matrices that broadcast")
    options = {"lower": not upper, "transpose": not left, "unit_diagonal": unitriangular}
    if left:
        return Call("triangular_solve", (A, B), options)
    steps = turned(1, B), ("triangular_solve", (0, -1), options), turned(-1, B)
    return made_of("solve_triangular", (A, B), *steps)


@reads("linalg_cholesky", "cholesky")
def cholesky(_: Seen, A: Tensor, upper: bool = False) -> Call:
    """Read it as that of a symmetric matrix; the upper one is the transpose."""
    if not torch.equal(A, A.mT):
        raise NotKnown("a matrix that is not symmetric")
    if not upper:
        return Call("cholesky", (A,))
    return made_of("cholesky", (A,), ("cholesky", (0,)), turned(-1, A))
