"""The rule of balls for the factors Q and R."""

import numpy as np

from backproof.reference.numbers.ball import Ball, read, up
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.ops import Array

THRESHOLD = 30
"""What a solver may leave, in units of M u: the threshold of LAPACK's own tests (TESTING/dtest.in),
which hold |R - Q^T A| / |A| and |Q^T Q - 1| below that."""


def _qr(A: Ball) -> tuple[Ball, Ball]:
    """Enclose the factors of A = Q R, Q (..., M, K), R (..., K, N), up to the signs.

    1. What is found are the factors of A + E, exactly, but for a Q that is off by as much as it is
       not orthogonal. Each column of E is small beside that of A (Higham, Theorem 19.4).
    2. Let G = E_1 R_1^-1 of the first K columns, and X the new R_1 times R_1^-1: X^T X = 1 + H, H =
       Q^T G + G^T Q + G^T G. So X = 1 + Y, and |Y| is at most |H| / sqrt 2 (1 - |H|), in the norm
       of Frobenius (Higham, Theorem 10.8, of the unit matrix).
    3. R_1 moves by Y R_1, and Q by (G - Q Y) X^-1: no entry by more than (|G| + |Y|) / (1 - |Y|).
       R_2 = Q^T A_2 of the other columns moves by what Q and A_2 do.
    4. R_1 is the midpoints', which move as well: the bound of H is taken twice as large.
    """
    A = read(A)
    p, (m, n) = A.precision, A.shape[-2:]
    k = min(m, n)
    Q, R = np.linalg.qr(A.mid)
    share = THRESHOLD * m * (p.u + FLOAT64.u)
    length = np.sqrt(np.sum(A.mid * A.mid, axis=-2, keepdims=True))
    rad = np.sqrt(np.sum(np.square(np.broadcast_to(A.rad, A.shape)), axis=-2, keepdims=True))
    moved = share * (length + rad) + rad + m * (p.underflow + FLOAT64.underflow)
    inverse = _inverse(R[..., :k])
    rows = np.sqrt(np.sum(inverse * inverse, axis=-1, keepdims=True))
    g = np.sum(np.swapaxes(moved[..., :k], -1, -2) * rows, axis=-2, keepdims=True)
    h = 2 * (2 * g + g * g)
    y = np.where(h < 1, h / (np.sqrt(2) * (1 - h)), np.inf)
    q = np.where(y < 1, (g + y) / (1 - y), np.inf)
    of_R = np.where(np.arange(n) < k, y * length, q * length + moved)
    of_R = np.where(np.triu(np.ones((k, n), bool)), of_R, 0)
    of_Q = np.broadcast_to(q + share, Q.shape)
    return Ball(Q, up(np.array(of_Q), m * n), p), Ball(R, up(of_R, m * n), p)


def _inverse(R: Array) -> Array:
    """Return the inverse of a triangle, infinite where there is none."""
    try:
        return np.linalg.inv(R)
    except np.linalg.LinAlgError:
        return np.full(R.shape, np.inf)


Ball.rules[np.linalg.qr] = _qr
