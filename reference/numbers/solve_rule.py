"""The rule of balls for systems of linear equations."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import lu

from backproof.reference.numbers.ball import Ball, nonzero_of, read, unit, up
from backproof.reference.numbers.precision import FLOAT64, gamma
from backproof.reference.ops import Array
from backproof.reference.ops.functions import solve_embedded


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
    n = A.shape[-1]
    return _enclosed(A, B, lambda mid: gamma(3 * n, unit(A.precision)) * _sizes(mid))


def _solve_embedded(A: Ball, B: Ball) -> Ball:
    """Enclose what elimination over complex numbers finds, of a + ib as A = [a, -b; b, a].

    Each of its operations is off by sqrt 2 gamma_7 at most, not by u: so many roundings has Smith's
    quotient, and no operation more (Higham, Lemma 3.5). No part of D is larger than D.
    """
    n = A.shape[-1] // 2

    def moved(mid: Array) -> Array:
        z = mid[..., :n, :n] + 1j * mid[..., n:, :n]
        off = gamma(3 * n, np.sqrt(2) * gamma(7, unit(A.precision))) * _sizes(z)
        return np.concatenate([np.concatenate([off, off], axis=-1)] * 2, axis=-2)

    return _enclosed(A, B, moved)


def _sizes(A: Array) -> Array:
    """Return |L| |U|, the larger one of A and of A^T."""
    return np.maximum(factors(A), np.swapaxes(factors(np.swapaxes(A, -1, -2)), -1, -2))


def _enclosed(A: Ball, B: Ball, off: Callable[[Array], Array]) -> Ball:
    """Enclose X, where what is found solves (A + D) X = B. off: midpoints of A -> bound of |D|."""
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
    moved = rad_A + off(A.mid)
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


Ball.rules[np.linalg.solve] = _solve
Ball.rules[solve_embedded] = _solve_embedded
