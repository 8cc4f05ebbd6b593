"""Equations A X = B, or A^T X = B, of a matrix whose factors A[order] = L U are given in one array.

X and B are (..., N, M), the factors Y (..., N, N): see `lu`. What they receive is computed from X.
"""

import numpy as np

from backproof.reference.ops.functions import solve
from backproof.reference.ops.linear_algebra import triangular_solve_forward, turned
from backproof.reference.ops.lu import places, triangles
from backproof.reference.ops.op import Array, Op


def solve_forward(Y: Array, B: Array, *, order: Array, transpose: bool) -> Array:
    """Return X: L U X = B[order], or U^T L^T X[order] = B."""
    if transpose:
        X = over_lower(Y, over_upper(Y, B, transpose=True), transpose=True)
        return X[places(np.argsort(order, axis=-1))]
    return over_upper(Y, over_lower(Y, B[places(order)]))


def over_lower(Y: Array, B: Array, *, transpose: bool = False) -> Array:
    """Return L^-1 B or L^-T B."""
    return triangular_solve_forward(Y, B, lower=True, transpose=transpose, unit_diagonal=True)


def over_upper(Y: Array, B: Array, *, transpose: bool = False) -> Array:
    """Return U^-1 B or U^-T B."""
    return triangular_solve_forward(Y, B, lower=False, transpose=transpose)


def solve_backward(
    dX: Array, X: Array, Y: Array, B: Array, *, order: Array, transpose: bool
) -> tuple[Array, Array]:
    """Return dY, which has dU, and below the diagonal dL; and dB.

    1. U' X + U X' = Z', where L Z = B[order]: so dU = R = -U^-T dX X^T, and dZ = U^-T dX. Likewise
       dL = -L^-T dZ Z^T = L^-T R U^T.
    2. Of A^T, with the rows of X and dX in order: dL = R L^-T, R = -X dX^T, and dU = L^T dL U^-T.
    """
    L, U = triangles(Y)
    if transpose:
        X, dX = X[places(order)], dX[places(order)]
        dL = turned(solve(L, -(dX @ turned(X))))
        dU = turned(solve(U, turned(dL) @ L))
        dB = over_upper(Y, over_lower(Y, dX))
    else:
        dU = solve(turned(U), -(dX @ turned(X)))
        dL = solve(turned(L), dU @ turned(U))
        dB = over_lower(Y, over_upper(Y, dX, transpose=True), transpose=True)
        dB = dB[places(np.argsort(order, axis=-1))]
    return np.where(np.tril(np.ones(Y.shape[-2:], bool), -1), dL, dU), dB


def solve_backward_again(
    dX: Array, X: Array, Y: Array, B: Array, *, order: Array, transpose: bool
) -> tuple[Array, Array]:
    """Return the same from X as it is computed again from the factors and B."""
    X = solve_forward(Y, B, order=order, transpose=transpose)
    return solve_backward(dX, X, Y, B, order=order, transpose=transpose)


lu_solve = Op(
    solve_forward,
    solve_backward,
    forms={"lu_solve' from the input": Op(solve_forward, solve_backward_again)},
)
