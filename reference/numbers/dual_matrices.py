"""Rules of `Dual` for matrices: equations, determinants, decompositions and the exponential."""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.numbers.dual import Dual, dual_of, is_zero, linear, minus
from backproof.reference.ops.functions import (
    diagonal,
    gaps,
    matrix_exp,
    over_gaps,
    solve,
    solve_embedded,
    square_gaps,
)
from backproof.reference.ops.matrix_exp import along


def _solving(solve: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Dual]:
    """Return the rule of equations: A'X + A X' = B', so X' = A^-1 (B' - A'X)."""

    def rule(a: Any, b: Any) -> Dual:
        A, B = dual_of(a), dual_of(b)
        X = solve(A.value, B.value)
        moved = minus(B.tangent, linear(lambda t: t @ X, A.tangent))
        return Dual(X, linear(lambda t: solve(A.value, t), moved))

    return rule


def _log_det(A: Dual) -> tuple[Any, Dual]:
    """(log |det A|)' = tr(A^-1 A'): Jacobi's formula."""
    sign, value = np.linalg.slogdet(A.value)
    return sign, Dual(value, linear(lambda t: _trace(solve(A.value, t)), A.tangent))


def _det(A: Dual) -> Dual:
    """(det A)' = det A tr(A^-1 A')."""
    value = np.linalg.det(A.value)
    return Dual(value, linear(lambda t: value * _trace(solve(A.value, t)), A.tangent))


def _eigh(A: Dual) -> tuple[Dual, Dual]:
    """A' V + A V' = V' w + V w', with V^T V' skew: see `reference.ops.eigen`."""
    w, V = np.linalg.eigh(A.value)
    G = linear(lambda t: np.swapaxes(V, -1, -2) @ t @ V, A.tangent)
    moved = linear(lambda t: V @ over_gaps(t, gaps(w)), G)
    return Dual(w, linear(diagonal, G)), Dual(V, moved)


def _svd(A: Dual, *, full_matrices: bool = False) -> tuple[Dual, Dual, Dual]:
    """A' = U' s V^T + U s' V^T + U s V'^T, with U^T U' and V^T V' skew: see `ops.singular`."""
    U, s, Vt = np.linalg.svd(A.value, full_matrices=full_matrices)
    if is_zero(A.tangent):
        return Dual(U, 0.0), Dual(s, 0.0), Dual(Vt, 0.0)
    V, t, column, row = np.swapaxes(Vt, -1, -2), A.tangent, s[..., :, None], s[..., None, :]
    m, n = A.shape[-2:]
    P = np.swapaxes(U, -1, -2) @ t @ V
    Pt = np.swapaxes(P, -1, -2)
    dU = U @ over_gaps(P * row + column * Pt, square_gaps(s))
    dV = V @ over_gaps(column * P + Pt * row, square_gaps(s))
    if m > n:
        dU = dU + (t @ V - U @ P) / row
    if n > m:
        dV = dV + (np.swapaxes(t, -1, -2) @ U - V @ Pt) / row
    return Dual(U, dU), Dual(s, diagonal(P)), Dual(Vt, np.swapaxes(dV, -1, -2))


def _pinv(A: Dual) -> Dual:
    """Y' = -Y A' Y + Y Y^T A'^T (1 - A Y) + (1 - Y A) A'^T Y^T Y: see `reference.ops.pinv`."""
    Y = np.linalg.pinv(A.value)
    if is_zero(A.tangent):
        return Dual(Y, 0.0)
    Yt, t = np.swapaxes(Y, -1, -2), np.swapaxes(A.tangent, -1, -2)
    beside, below = t - (t @ A.value) @ Y, t - Y @ (A.value @ t)
    return Dual(Y, Y @ (Yt @ beside) + (below @ Yt) @ Y - Y @ (A.tangent @ Y))


def _qr(A: Dual) -> tuple[Dual, Dual]:
    """A' = Q' R + Q R', with Q^T Q' skew and R' R^-1 an upper triangle: see `reference.ops.qr`."""
    Q, R = np.linalg.qr(A.value)
    if is_zero(A.tangent):
        return Dual(Q, 0.0), Dual(R, 0.0)
    k, Qt = Q.shape[-1], np.swapaxes(Q, -1, -2)
    of_R = np.swapaxes(R[..., :k], -1, -2)
    X = np.swapaxes(solve(of_R, np.swapaxes(A.tangent[..., :k], -1, -2)), -1, -2)
    P = Qt @ X
    low = np.where(np.tril(np.ones((k, k), bool), -1), P, 0)
    skew = low - np.swapaxes(low, -1, -2)
    dQ = Q @ (skew - P) + X
    first = (P - skew) @ R[..., :k]
    if k == A.shape[-1]:
        return Dual(Q, dQ), Dual(R, first)
    other = np.swapaxes(dQ, -1, -2) @ A.value[..., k:] + Qt @ A.tangent[..., k:]
    return Dual(Q, dQ), Dual(R, np.concatenate([first, other], axis=-1))


def _matrix_exp(A: Dual) -> Dual:
    """(e^A)' = L(A, A'): see `reference.ops.matrix_exp`."""
    return Dual(matrix_exp(A.value), linear(lambda t: along(A.value, t), A.tangent))


def _trace(A: Any) -> Any:
    """Return the sums of the diagonals of matrices."""
    return np.sum(A * np.eye(A.shape[-1]), axis=(-2, -1))


Dual.rules |= {
    np.linalg.det: _det,
    np.linalg.slogdet: _log_det,
    np.linalg.eigh: _eigh,
    np.linalg.pinv: _pinv,
    matrix_exp: _matrix_exp,
    np.linalg.svd: _svd,
    np.linalg.qr: _qr,
    np.linalg.solve: _solving(solve),
    solve_embedded: _solving(solve_embedded),
}
