"""The factors L and U of A (..., M, N) in an order of its rows: A[order] = L U, in one array.

L (..., M, K) is a lower triangle with ones on its diagonal, U (..., K, N) an upper triangle, K =
min(M, N). The array (..., M, N) has U, and below its diagonal L. A pass chooses the order, by the
largest pivots: it is an option, (..., M), of each matrix of a batch.
The derivative is that of De Hoog, Anderssen and Lukas, Differentiation of Matrix Functionals Using
Triangular Factorization (2011), sec. 2.
"""

import numpy as np

from backproof.reference.ops.functions import constant, stop, with_tangent
from backproof.reference.ops.linear_algebra import triangular_solve_forward, turned
from backproof.reference.ops.op import Array, Op


def places(order: Array) -> tuple[Array, ...]:
    """Return the index that takes the rows of each matrix of a batch in an order."""
    order = np.asarray(order)
    return (*np.indices(order.shape, sparse=True)[:-1], order)


def lu_forward(A: Array, *, order: Array) -> Array:
    """Return both factors in one array."""
    A = A[places(order)]
    Y = eliminated(A)
    return with_tangent(Y, along(stop(Y), A))


def eliminated(A: Array) -> Array:
    """Return both factors of A = L U in one array.

    Step by step: U[i, j] = A[i, j] - sum of L[i, k] U[k, j] over k < i, for j >= i; and L[j, i] is
    the same numerator, of row j > i and column i, over U[i, i]. Each is one sum, in any order.
    """
    if hasattr(A, "by_rule"):
        return A.by_rule(eliminated)
    m, n = A.shape[-2:]
    L, U = A[..., :, :0], A[..., :0, :]
    for i in range(min(m, n)):
        own, one = A[..., i : i + 1], np.ones_like(A[..., :1, :1])
        row = np.concatenate([one, -L[..., i : i + 1, :]], axis=-1)
        row = row @ np.concatenate([A[..., i : i + 1, :], U], axis=-2)
        column = np.concatenate([own, -L], axis=-1)
        column = column @ np.concatenate([one, U[..., i : i + 1]], axis=-2)
        L = np.concatenate([L, below(column / row[..., i : i + 1], i)], axis=-1)
        U = np.concatenate([U, np.where(np.arange(n) < i, 0, row)], axis=-2)
    return packed(L, U, A.shape)


def along(Y: Array, A: Array) -> Array:
    """Return what moves as both factors do where A moves, if Y does not.

    That is L (P below the diagonal) + (P from it on) U, P = L^-1 A U^-1: see `lu_backward`.
    """
    L, U = triangles(Y)
    P = triangular_solve_forward(L, A, lower=True, unit_diagonal=True)
    P = turned(triangular_solve_forward(U, turned(P), lower=False, transpose=True))
    lower = np.tril(np.ones(Y.shape[-2:], bool), -1)
    return np.where(lower, L @ np.where(lower, P, 0), np.where(lower, 0, P) @ U)


def below(column: Array, i: int) -> Array:
    """Return what of a column is below row i, and 1 in it."""
    rows = np.arange(column.shape[-2])[:, None]
    return np.where(rows == i, 1, np.where(rows < i, 0, column))


def packed(L: Array, U: Array, shape: tuple[int, ...]) -> Array:
    """Return U, and L below its diagonal, in an array of a shape."""
    m, n = shape[-2:]
    k = min(m, n)
    beside = np.zeros_like(L, shape=(*shape[:-2], m, n - k))
    under = np.zeros_like(U, shape=(*shape[:-2], m - k, n))
    L, U = np.concatenate([L, beside], axis=-1), np.concatenate([U, under], axis=-2)
    return np.where(np.tril(np.ones((m, n), bool), -1), L, U)


def lu_backward(dY: Array, Y: Array, A: Array, *, order: Array) -> tuple[Array]:
    """Return dA[order] = L^-T S U^-T, S = (L^T dL below the diagonal) + (dU U^T from it on).

    1. L' U + L U' = A', so that L^-1 L' + U' U^-1 = L^-1 A' U^-1, of which the first is below the
       diagonal, and the second is from it on.
    2. Where L has fewer columns than rows, or U fewer rows than columns, those of the unit matrix
       stand for what they lack.
    """
    lower = np.tril(np.ones(Y.shape[-2:], bool), -1)
    L, U = triangles(Y)
    dL, dU = np.where(lower, dY, 0), np.where(lower, 0, dY)
    S = np.where(lower, turned(L) @ dL, dU @ turned(U))
    dA = triangular_solve_forward(L, S, lower=True, transpose=True, unit_diagonal=True)
    dA = turned(triangular_solve_forward(U, turned(dA), lower=False))
    return (dA[places(np.argsort(order, axis=-1))],)


def triangles(Y: Array) -> tuple[Array, Array]:
    """Return L (..., M, M) and U (..., N, N), completed by the unit matrix."""
    lower = np.tril(np.ones(Y.shape[-2:], bool), -1)
    unit = constant(np.broadcast_to(np.eye(*Y.shape[-2:]), Y.shape), Y)
    return whole(np.where(lower, Y, unit), -1), whole(np.where(lower, 0, Y), -2)


def whole(T: Array, axis: int) -> Array:
    """Return a triangle cut, or completed by the unit matrix, to a square one along an axis."""
    m, n = T.shape[-2:]
    size = m if axis == -1 else n
    k = min(m, n)
    kept = T[..., :k] if axis == -1 else T[..., :k, :]
    if k == size:
        return kept
    unit = np.eye(size)[:, k:] if axis == -1 else np.eye(size)[k:]
    unit = np.broadcast_to(unit, (*T.shape[:-2], *unit.shape))
    return np.concatenate([kept, constant(unit, T)], axis=axis)


def lower_forward(Y: Array) -> Array:
    """Return L of both factors in one array."""
    m, n = Y.shape[-2:]
    shape = m, min(m, n)
    lower = np.tril(np.ones(shape, bool), -1)
    unit = constant(np.broadcast_to(np.eye(*shape), (*Y.shape[:-2], *shape)), Y)
    return np.where(lower, Y[..., : shape[1]], unit)


def lower_backward(dL: Array, L: Array, Y: Array) -> tuple[Array]:
    """Return dY, which has dL below the diagonal."""
    m, n = Y.shape[-2:]
    lower = np.tril(np.ones((m, n), bool), -1)
    wide = np.zeros_like(dL, shape=(*Y.shape[:-2], m, n - dL.shape[-1]))
    return (np.where(lower, np.concatenate([dL, wide], axis=-1), 0),)


def upper_forward(Y: Array) -> Array:
    """Return U of both factors in one array."""
    m, n = Y.shape[-2:]
    upper = np.triu(np.ones((min(m, n), n), bool))
    return np.where(upper, Y[..., : min(m, n), :], 0)


def upper_backward(dU: Array, U: Array, Y: Array) -> tuple[Array]:
    """Return dY, which has dU from the diagonal on."""
    m, n = Y.shape[-2:]
    upper = np.triu(np.ones((m, n), bool))
    high = np.zeros_like(dU, shape=(*Y.shape[:-2], m - dU.shape[-2], n))
    return (np.where(upper, np.concatenate([dU, high], axis=-2), 0),)


lu = Op(lu_forward, lu_backward)
lower_factor = Op(lower_forward, lower_backward)
upper_factor = Op(upper_forward, upper_backward)
