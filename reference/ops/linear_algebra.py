"""Linear algebra: equations A X = B, of a triangle and of any matrix, and Cholesky's factor.

Axes before the last two are of a batch; those of A and B broadcast. The derivatives are those of
Giles, Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic Differentiation
(2008), sec. 2.2, and Murray, Differentiation of the Cholesky Decomposition (2016), sec. 3.
"""

import numpy as np

from backproof.reference.ops.functions import solve, with_tangent
from backproof.reference.ops.op import Array, Op, sum_to_shape


def triangular_solve_forward(
    A: Array, B: Array, *, lower: bool = True, transpose: bool = False, unit_diagonal: bool = False
) -> Array:
    """Return X of T X = B, (..., N, M), where T is the lower or upper triangle of A (..., N, N).

    transpose: T^T X = B. unit_diagonal: T has ones on its diagonal, whatever A has. The rest of A
    is not read.

    1. An upper triangle, with its rows and columns in reverse, is a lower one.
    2. X[i] = (B[i] - sum of T[i, j] X[j] over j < i) / T[i, i]; that is one sum, in any order.
    """
    if transpose:
        A, lower = turned(A), not lower
    if not lower:
        A, B = A[..., ::-1, ::-1], B[..., ::-1, :]
    found = B[..., :0, :]
    for i in range(A.shape[-1]):
        row = A[..., i : i + 1, :]
        factors = np.concatenate([np.ones_like(row[..., :1]), -row[..., :i]], axis=-1)
        x = factors @ np.concatenate([B[..., i : i + 1, :], found], axis=-2)
        x = x if unit_diagonal else x / row[..., i : i + 1]
        found = np.concatenate([found, x], axis=-2)
    return found if lower else found[..., ::-1, :]


def triangular_solve_backward(
    dX: Array,
    X: Array,
    A: Array,
    B: Array,
    *,
    lower: bool = True,
    transpose: bool = False,
    unit_diagonal: bool = False,
) -> tuple[Array, Array]:
    """Return dA and dB: dB solves the transposed equations, dA = -dB X^T, in the triangle alone.

    1. dT X + T dX = dB, so dX = T^-1 (dB - dT X): what is handed on is T^-T dX to B, and -(T^-T dX)
       X^T to T. X is computed again from A and B.
    2. What is handed on to T^T is the transpose of that.
    """
    own = {"lower": lower, "unit_diagonal": unit_diagonal}
    X = triangular_solve_forward(A, B, transpose=transpose, **own)
    dB = triangular_solve_forward(A, dX, transpose=not transpose, **own)
    dT = -(dB @ turned(X))
    dA = turned(dT) if transpose else dT
    dA = np.where(triangle(A, lower=lower, diagonal=not unit_diagonal), dA, 0)
    return sum_to_shape(dA, A.shape), sum_to_shape(dB, B.shape)


def triangle(A: Array, *, lower: bool, diagonal: bool) -> Array:
    """Return where the triangle of a matrix is: an array of booleans, (N, N)."""
    below = np.tril(np.ones(A.shape[-2:], bool), 0 if diagonal else -1)
    return below if lower else below.T


def turned(A: Array) -> Array:
    """Return the transposes of matrices."""
    return np.swapaxes(A, -1, -2)


def solve_forward(A: Array, B: Array) -> Array:
    """Return X of A X = B, (..., N, M), of A (..., N, N)."""
    return solve(A, B)


def solve_backward(dX: Array, X: Array, A: Array, B: Array) -> tuple[Array, Array]:
    """Return dA = -dB X^T and dB = A^-T dX; X is computed again from A and B."""
    dB = solve(turned(A), dX)
    dA = -(dB @ turned(solve(A, B)))
    return sum_to_shape(dA, A.shape), sum_to_shape(dB, B.shape)


def cholesky_forward(A: Array) -> Array:
    """Return the lower triangle L of L L^T = (A + A^T) / 2, (..., N, N), positive definite.

    Column by column: L[i, j] = (A[i, j] - sum of L[i, k] L[j, k] over k < j) / L[j, j], i > j, and
    L[j, j] is the root of that numerator at i = j. Each is one sum, in any order.
    """
    A = (A + turned(A)) / 2
    n = A.shape[-1]
    L = A[..., :0]
    for j in range(n):
        one, row = np.ones_like(A[..., j : j + 1, :1]), L[..., j : j + 1, :]
        factors = np.concatenate([one, row], axis=-1)
        left = np.concatenate([A[..., j:, j : j + 1], -L[..., j:, :]], axis=-1)
        column = left @ turned(factors)
        pivot = np.sqrt(column[..., :1, :])
        above = np.zeros_like(A[..., :j, :1], shape=(*A.shape[:-2], j, 1))
        column = np.concatenate([above, pivot, column[..., 1:, :] / pivot], axis=-2)
        L = np.concatenate([L, column], axis=-1)
    return L


def cholesky_backward(dL: Array, L: Array, A: Array) -> tuple[Array]:
    """Return dA = (S + S^T) / 2, S = L^-T P L^-1; L is computed again from A.

    1. dA = dL L^T + L dL^T, so L^-1 dA L^-T = F + F^T, where F = L^-1 dL is a lower triangle: F is
       that one's lower half, with its diagonal halved.
    2. So what is handed on is S, where P is the lower half of L^T dL, its diagonal halved; and by
       both halves of A, its symmetric part.
    """
    (S,) = cholesky_backward_of_whole(dL, L, A)
    return ((S + turned(S)) / 2,)


def cholesky_backward_of_whole(dL: Array, L: Array, A: Array) -> tuple[Array]:
    """Return S itself: along symmetric directions it is the same."""
    L = cholesky_forward(A)
    P = turned(L) @ dL
    P = np.where(np.eye(P.shape[-1], dtype=bool), P / 2, P)
    P = np.where(triangle(A, lower=True, diagonal=True), P, 0)
    Z = triangular_solve_forward(L, P, transpose=True)
    return (turned(triangular_solve_forward(L, turned(Z), transpose=True)),)


def cholesky_forward_of_triangle(A: Array, *, lower: bool) -> Array:
    """Return the same of a matrix of which one triangle alone is read."""
    return cholesky_forward(mirrored(A, lower=lower))


def cholesky_backward_of_triangle(dL: Array, L: Array, A: Array, *, lower: bool) -> tuple[Array]:
    """Return what the whole symmetric matrix receives: the other triangle stands for this one."""
    return cholesky_backward(dL, L, mirrored(A, lower=lower))


def mirrored(A: Array, *, lower: bool) -> Array:
    """Return symmetric matrices that have a triangle of A, and move as its symmetric part."""
    whole = np.where(triangle(A, lower=lower, diagonal=True), A, turned(A))
    return with_tangent(whole, (A + turned(A)) / 2)


triangular_solve = Op(triangular_solve_forward, triangular_solve_backward)
solve_ = Op(solve_forward, solve_backward)
cholesky = Op(cholesky_forward, cholesky_backward)
cholesky_of_whole = Op(cholesky_forward, cholesky_backward_of_whole)
cholesky_of_triangle = Op(cholesky_forward_of_triangle, cholesky_backward_of_triangle)
