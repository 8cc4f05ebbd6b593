"""Decompositions of matrices: eigenvalues, singular values, and their vectors.

Values and vectors are an op each: what the matrix receives of all of them is a sum.
"""

from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    array,
    made_of,
    reads,
    steps,
)
from backproof.adapters.torch_functions.linear_algebra import turned
from backproof.reference.ops.eigen import has_equal
from backproof.reference.ops.singular import is_degenerate
from backproof.reference.own import OWN

SINGULAR = "singular_values"


@reads("linalg_eigh")
def eigh(seen: Seen, A: Tensor, UPLO: str = "L") -> list[Call]:
    values, vectors = map(array, seen.result)
    if has_equal(values):
        raise NotKnown("equal eigenvalues")
    options = {"lower": UPLO.upper() == "L", "values": values, "vectors": vectors}
    names = "eigenvalues", "eigenvectors"
    return [Call(name, (A,), options, OWN[name]) for name in names]


@reads("linalg_eigvalsh")
def eigvalsh(_: Seen, A: Tensor, UPLO: str = "L") -> Call:
    return Call("eigenvalues", (A,), {"lower": UPLO.upper() == "L"}, OWN["eigenvalues"])


@reads("linalg_svd")
def svd(
    seen: Seen, A: Tensor, full_matrices: bool = True, *, driver: str | None = None
) -> list[Call | None]:
    """Read the thin factors. Those that are not determined by A are not known."""
    k = min(A.shape[-2:])
    U, s, Vh = map(array, seen.result)
    if is_degenerate(s, A.shape):
        raise NotKnown("singular values that are equal or zero")
    options = {"seen": (U[..., :k], s, Vh[..., :k, :])}
    shapes = {"left_vectors": U.shape[-1], SINGULAR: k, "right_vectors": Vh.shape[-2]}
    return [Call(op, (A,), options, OWN[op]) if n == k else None for op, n in shapes.items()]


@reads("svd")
def svd_of_old(
    seen: Seen, A: Tensor, some: bool = True, compute_uv: bool = True
) -> list[Call | None]:
    """Read V as the transpose of the other one's."""
    if not compute_uv:
        return [None, svdvals(seen, A), None]
    U, s, V = seen.result
    left, values, right = svd(Seen(seen.function, (U, s, V.mT)), A)
    if right:
        turn = ("transpose", (-1,), turned(A.dim()))
        right = made_of("svd", (A,), (right.op, (0,), right.options, right.own), turn)
    return [left, values, right]


@reads("linalg_svdvals")
def svdvals(_: Seen, A: Tensor, **__: Any) -> Call:
    return Call(SINGULAR, (A,), own=OWN[SINGULAR])


@reads("linalg_qr", "qr")
def qr(seen: Seen, A: Tensor, mode: Any = "reduced") -> list[Call]:
    """Read the factors as an op each. Those that are not reduced have no derivative."""
    Q, R = map(array, seen.result)
    if not np.diagonal(R, axis1=-2, axis2=-1).all():
        raise NotKnown("columns that depend on others")
    names = "orthogonal", "triangle"
    return [Call(name, (A,), {"seen": (Q, R)}, OWN[name]) for name in names]


@reads("linalg_pinv", "pinverse")
def pinv(
    _: Seen,
    A: Tensor,
    rcond: Any = None,
    *,
    atol: Any = None,
    rtol: Any = None,
    hermitian: bool = False,
) -> Call:
    if not (rcond is atol is rtol is None):
        raise NotKnown("atol or rtol")
    if hermitian:
        raise NotKnown("hermitian")
    return Call("pinv", (A,), own=OWN["pinv"])


@reads("linalg_lstsq")
def lstsq(_: Seen, A: Tensor, B: Tensor, **__: Any) -> list[Call | None]:
    """Read the solution as A's pseudoinverse times B, as which it is differentiated."""
    if A.shape[-2] < A.shape[-1] or A.shape[:-2] != B.shape[:-2]:
        raise NotKnown("fewer rows than columns, or matrices that broadcast")
    own: Step = ("pinv", (0,), {}, OWN["pinv"])
    return [made_of("lstsq", (A, B), own, ("matmul", (-1, 1))), None, None, None]


def spectral(A: Tensor, rows: int, columns: int, found: Step, shape: tuple[int, ...]) -> Call:
    """Return the call of what a step makes of the singular values "s" along two axes."""
    others = [i for i in range(A.dim()) if i not in (rows, columns)]
    return steps(
        "matrix_norm",
        {"A": A},
        ("last", "transpose", "A", {"axes": (*others, rows, columns)}),
        ("s", SINGULAR, "last", {}, OWN[SINGULAR]),
        found,
        ("y", "reshape", found[0], {"shape": shape}),
    )


@reads("linalg_cond")
def cond(seen: Seen, A: Tensor, p: Any = None) -> Call:
    """Read it as the largest singular value over the smallest one, or as the inverse of that."""
    if p not in (None, 2, -2):
        raise NotKnown(f"p={p!r}")
    if not seen.result.isfinite().all():
        raise NotKnown("a singular matrix")
    ends = ("first", (..., 0)), ("last", (..., -1))
    taken = [(name, "slice", "s", {"index": index}) for name, index in ends]
    order = "last first" if p and p < 0 else "first last"
    own: Step = ("s", SINGULAR, "A", {}, OWN[SINGULAR])
    return steps("cond", {"A": A}, own, *taken, ("y", "divide", order))


NUCLEAR: Step = ("kept", "sum", "s", {"axis": -1})
"""The sum of the singular values."""
