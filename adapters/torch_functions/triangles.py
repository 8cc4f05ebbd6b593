"""Triangular factors with an order of rows: LU, and equations that are solved by it."""

from typing import Any

import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    array,
    made_of,
    reads,
)
from backproof.adapters.torch_functions.linear_algebra import turned
from backproof.reference.own import OWN

FACTORS = "lower_factor", "upper_factor"


def regular(U: Tensor) -> Tensor:
    """Return a triangle. Raises NotKnown where an entry of its diagonal is zero."""
    if not U.detach().diagonal(dim1=-2, dim2=-1).all():
        raise NotKnown("a singular matrix")
    return U


def order_of(LU: Tensor, pivots: Tensor) -> Any:
    """Return the order of rows that was chosen."""
    return array(torch.lu_unpack(LU.detach(), pivots, unpack_data=False)[0]).argmax(-2)


@reads("linalg_lu_factor", "linalg_lu_factor_ex")
def lu_factor(seen: Seen, A: Tensor, **__: Any) -> list[Call | None]:
    LU, pivots, *_ = seen.result
    order = order_of(regular(LU), pivots)
    return [Call("lu", (A,), {"order": order}, OWN["lu"]), None, None]


@reads("linalg_lu")
def lu(seen: Seen, A: Tensor, **__: Any) -> list[Call | None]:
    """Read each factor as a part of both in one array."""
    P, _, U = seen.result
    regular(U)
    both = ("lu", (0,), {"order": array(P).argmax(-2)}, OWN["lu"])
    return [None, *(made_of("lu", (A,), both, (name, (-1,), {}, OWN[name])) for name in FACTORS)]


@reads("lu_unpack")
def lu_unpack(_: Seen, LU: Tensor, *__: Any, **___: Any) -> list[Call | None]:
    return [None, *(Call(name, (LU,), own=OWN[name]) for name in FACTORS)]


@reads("linalg_lu_solve")
def lu_solve(
    _: Seen, LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Call:
    """Read X A = B as A^T X^T = B^T."""
    if LU.shape[:-2] != B.shape[:-2]:
        raise NotKnown("matrices that broadcast")
    options = {"order": order_of(regular(LU), pivots), "transpose": adjoint == left}
    if left:
        return Call("lu_solve", (LU, B), options, OWN["lu_solve"])
    turn = turned(B.dim())
    own = ("lu_solve", (0, -1), options, OWN["lu_solve"])
    there, back = (("transpose", (place,), turn) for place in (1, -1))
    return made_of("lu_solve", (LU, B), there, own, back)


@reads("lu_solve")
def lu_solve_of_old(seen: Seen, B: Tensor, LU: Tensor, pivots: Tensor) -> Call:
    return lu_solve(seen, LU, pivots, B)
