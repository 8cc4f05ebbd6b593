"""The rules of balls for determinants."""

import numpy as np
from scipy.linalg import lu

from backproof.reference.numbers.ball import Ball, read, unit, up
from backproof.reference.numbers.precision import FLOAT64, gamma
from backproof.reference.ops import Array


def _moved(A: Ball) -> tuple[Array, Array]:
    """Return a bound of how far log |det A| may be from that of the midpoints, and their pivots.

    1. The pivots that elimination finds are those of A + D, exactly, where |D| is at most the
       radius and gamma_n |L| |U|, in the order of A's rows (Higham, Theorem 9.3).
    2. Let R be near A^-1, M = |R| |D|, m the largest sum of its rows, E a bound of |1 - R A|, and s
       that of its rows, below 1. As A^-1 = (1 - (1 - R A))^-1 R, no row of G = |A^-1 D| has a sum
       above q = m / (1 - s), and tr G is at most tr M + n s q.
    3. |log det(1 + A^-1 D)| is at most the sum of tr(G^k) / k, and tr(G^k) at most n q^k. So it is
       at most tr M + n s q + n q^2 / (1 - q), if q < 1. Without such s and q nothing is known.
    """
    p, n = A.precision, A.shape[-1]
    order, L, U = lu(A.mid)
    sign = np.round(np.linalg.det(order))[..., None]
    pivots = np.diagonal(U, axis1=-2, axis2=-1) * np.where(np.arange(n) == 0, sign, 1)
    try:
        R = np.linalg.inv(A.mid)
    except np.linalg.LinAlgError:
        return np.full(A.shape[:-2], np.inf), pivots
    own = gamma(n + 2, FLOAT64.u)  # of the products below
    D = A.rad + gamma(n, unit(p)) * (order @ np.abs(L) @ np.abs(U))
    M = (1 + own) * (np.abs(R) @ D)
    E = np.abs(np.eye(n) - R @ A.mid) + own * (np.abs(R) @ np.abs(A.mid) + np.eye(n))
    s, m = (np.max(np.sum(x, axis=-1), axis=-1) * (1 + own) for x in (E, M))
    q = m / (1 - s)
    bound = np.trace(M, axis1=-2, axis2=-1) + n * q * (s + q / (1 - q))
    return np.where((s < 1) & (q < 1), bound, np.inf), pivots


def _log_det(A: Ball) -> tuple[Array, Ball]:
    """Enclose log |det A|, the sum of the logarithms of all pivots; and return its sign."""
    p, n = A.precision, A.shape[-1]
    A = read(A)
    sign, mid = np.linalg.slogdet(A.mid)
    moved, pivots = _moved(A)
    rounding = gamma(n, unit(p)) + p.ulps(p.log_ulp) + FLOAT64.ulps(FLOAT64.log_ulp)
    with np.errstate(divide="ignore"):
        size = np.sum(np.abs(np.log(np.abs(pivots))), axis=-1) + n
    return sign, _known(mid, moved + rounding * size, A)


def _det(A: Ball) -> Ball:
    """Enclose det A, the product of all pivots."""
    p, n = A.precision, A.shape[-1]
    A = read(A)
    moved, pivots = _moved(A)
    mid = np.prod(pivots, axis=-1)
    lost = n * (p.underflow + FLOAT64.underflow) * np.prod(np.maximum(np.abs(pivots), 1), axis=-1)
    relative = (1 + gamma(n, unit(p))) * np.exp(moved) - 1
    return _known(mid, np.abs(mid) * relative + lost, A)


def _known(mid: Array, rad: Array, A: Ball) -> Ball:
    """Return the balls; nothing is known where a midpoint or a radius is not finite."""
    known = np.where(np.isfinite(mid) & np.isfinite(rad), rad, np.inf)
    return Ball(mid, up(known, A.shape[-1] ** 2), A.precision)


Ball.rules[np.linalg.det] = _det
Ball.rules[np.linalg.slogdet] = _log_det
