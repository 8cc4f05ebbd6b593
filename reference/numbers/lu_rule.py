"""The rule of balls for triangular factors."""

import numpy as np

from backproof.reference.numbers.ball import Ball, read, unit, up
from backproof.reference.numbers.precision import FLOAT64, gamma
from backproof.reference.ops.lu import eliminated, triangles


def _lu(A: Ball) -> Ball:
    """Enclose both factors of A = L U in one array.

    1. What is found are the factors of A + E, exactly, |E| <= gamma_K |L| |U| (Higham, Theorem
       9.3).
    2. With F = |L^-1 E U^-1| and G = F (1 - F)^-1, L moves by at most |L| times G below the
       diagonal, and U by G from it on times |U| (Sun, 1992; Higham, Theorem 9.15). F is at most
       |L^-1| |E| |U^-1|, and F^2 + F^3 + ... at most the sum of a row times the largest entry of a
       column, over 1 - s, where s < 1 is the largest such sum. Without such an s nothing is known.
    3. L and U are the midpoints', and may be off by as much: all is done twice.
    """
    A = read(A)
    p, (m, n) = A.precision, A.shape[-2:]
    k = min(m, n)
    mid = eliminated(A.mid)
    L, U = triangles(mid)
    try:
        inverse_L, inverse_U = np.abs(np.linalg.inv(L)), np.abs(np.linalg.inv(U))
    except np.linalg.LinAlgError:
        return Ball(np.zeros(mid.shape), np.full(mid.shape, np.inf), p)
    below = np.tril(np.ones((m, n), bool), -1)
    rad = np.zeros(mid.shape)
    for _ in range(2):
        sizes = np.abs(mid) + rad
        of_L, of_U = triangles(sizes)
        product = of_L[..., :k] @ of_U[..., :k, :]
        E = A.rad + gamma(k, unit(p)) * product + k * (p.underflow + FLOAT64.underflow)
        F = inverse_L @ E @ inverse_U
        row = np.sum(F[..., :k], axis=-1, keepdims=True)
        share = np.max(row, axis=-2, keepdims=True, initial=0)
        column = np.max(F[..., :k, :], axis=-2, keepdims=True, initial=0)
        G = F + row * column / np.where(share < 1, 1 - share, 1)
        moved = np.where(below, of_L @ np.where(below, G, 0), np.where(below, 0, G) @ of_U)
        rad = np.where(share < 1, up(moved, 4 * (m + n)), np.inf)
    return Ball(mid, rad, p)


Ball.rules[eliminated] = _lu
