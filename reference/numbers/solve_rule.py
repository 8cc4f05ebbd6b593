"""The rule of balls for systems of linear equations."""

import numpy as np
from scipy.linalg import lu

from backproof.reference.numbers.ball import FUNCTIONS, Ball, nonzero_of, read, unit, up
from backproof.reference.numbers.precision import FLOAT64, gamma
from backproof.reference.ops import Array


def _solve(A: Ball, B: Ball) -> Ball:
    """Enclose the X of A X = B, as elimination with pivots finds it.

    1. What is found solves (A + D) X = B, where |D| <= gamma_3n |L| |U|, in the order of A's rows
       (Higham, Theorem 9.4). A backward pass has the factors of A^T, so that they are those, or L
       U = A^T.
    2. Let Y be near X, R near A^-1 and r = B - (A + D) Y. For every A in its ball, X - Y is
       R r + (1 - R (A + D)) (X - Y) (Rump, Verification Methods, Acta Numerica 2010, sec. 10.1).
    3. Let E be a bound of |1 - R (A + D)|, s < 1 the largest sum of its rows, and c = |R| |r|. Then
       |X - Y| <= c + E max c / (1 - s), in each column. Without such an s nothing is known.
    4. The solution for a column of zeros is zero.
    """
    p, n = A.precision, A.shape[-1]
    if not B.size:
        return Ball.exact(np.zeros(B.shape), p)
    A, B = read(A), read(B)
    rad_A, rad_B = (np.broadcast_to(x.rad + np.zeros(()), x.shape) for x in (A, B))
    try:
        R, Y = np.linalg.inv(A.mid), np.linalg.solve(A.mid, B.mid)
    except np.linalg.LinAlgError:
        return Ball(np.zeros(B.shape), np.full(B.shape, np.inf), p)
    own = gamma(n + 2, FLOAT64.u)  # of the products below
    of_A, of_turned = factors(A.mid), np.swapaxes(factors(np.swapaxes(A.mid, -1, -2)), -1, -2)
    moved = rad_A + gamma(3 * n, unit(p)) * np.maximum(of_A, of_turned)
    E = np.abs(np.eye(n) - R @ A.mid) + np.abs(R) @ (moved + own * np.abs(A.mid)) + own * np.eye(n)
    size = np.abs(B.mid) + np.abs(A.mid) @ np.abs(Y)
    lost = 2 * n * (p.underflow + FLOAT64.underflow)
    r = np.abs(B.mid - A.mid @ Y) + own * size + rad_B + moved @ np.abs(Y) + lost
    c = np.abs(R) @ r
    share = np.max(np.sum(E, axis=-1, keepdims=True), axis=-2, keepdims=True) * (1 + 4 * own)
    spread = np.sum(E, axis=-1, keepdims=True) * np.max(c, axis=-2, keepdims=True) / (1 - share)
    rad = np.where(np.any(nonzero_of(B), axis=-2, keepdims=True), up(c + spread, n * n), 0)
    return Ball(Y, np.where(share < 1, rad, np.inf), p)


def factors(A: Array) -> Array:
    """Return |L| |U| of elimination with pivots, in the order of A's rows."""
    order, L, U = lu(A)
    return np.asarray(order @ np.abs(L) @ np.abs(U))


FUNCTIONS[np.linalg.solve] = _solve
