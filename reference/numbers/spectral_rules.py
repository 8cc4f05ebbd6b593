"""The rules of balls for eigenvalues and singular values, with their vectors."""

import numpy as np

from backproof.reference.numbers.ball import Ball, read, unit, up
from backproof.reference.numbers.precision import FLOAT64, gamma
from backproof.reference.ops import Array

EIGEN, SINGULAR = 60, 35
"""What a solver may leave, in n ulp: the thresholds of LAPACK's own tests (TESTING/sep.in, svd.in).

They hold |A V - V w| / |A|, |A - U s V^T| / |A| and |V^T V - 1| below that, where n is the larger
number of rows and columns. In the LAPACK Users' Guide it is p(n), which it bounds in the 2-norm and
does not name (sections 4.7 and 4.9)."""


def _eigh(A: Ball) -> tuple[Ball, Ball]:
    """Enclose the eigenvalues and vectors of symmetric A, each vector up to its sign.

    What is found are those of A + D, exactly, but for vectors that are off by as much as they are
    not orthogonal.
    """
    A = read(A)
    try:
        w, V = np.linalg.eigh(A.mid)
    except np.linalg.LinAlgError:
        return _unknown(A, A.shape[:-1]), _unknown(A, A.shape)
    lost, moved = _lost(A, EIGEN, w)
    return _values(A, w, moved), Ball(V, _turned(np.abs(V), w, moved) + lost, A.precision)


def _svd(A: Ball, *, full_matrices: bool = False) -> tuple[Ball, Ball, Ball]:
    """Enclose A = U s V^T, each pair of vectors up to its sign; only the thin factors.

    1. [u_i; v_i] / sqrt 2 are eigenvectors of [0, A; A^T, 0] for s_i, and [u_i; -v_i] / sqrt 2 for
       -s_i (Golub and Van Loan, Matrix Computations, 4th ed., sec. 8.6.1).
    2. If A is not square, the others are of the eigenvalue zero. Only the lengths of the rows of
       all of these together matter, and they are what the rows of U or V lack.
    """
    if full_matrices:
        return NotImplemented
    A = read(A)
    m, n = A.shape[-2:]
    k, batch = min(m, n), A.shape[:-2]
    try:
        U, s, Vt = np.linalg.svd(A.mid, full_matrices=False)
    except np.linalg.LinAlgError:
        of_U, of_s, of_Vt = (_unknown(A, (*batch, *own)) for own in ((m, k), (k,), (k, n)))
        return of_U, of_s, of_Vt
    lost, moved = _lost(A, SINGULAR, s)
    both = np.abs(np.concatenate([U, np.swapaxes(Vt, -1, -2)], axis=-2))
    sizes, every = [both, both], [s, -s]
    if m != n:
        squares = np.sum(both * both, axis=-1, keepdims=True)
        is_short = np.arange(m + n)[:, None] < m if m > n else np.arange(m + n)[:, None] >= m
        sizes.append(np.where(is_short, np.sqrt(2 * np.maximum(1 - squares, 0)), 0))
        every.append(np.zeros((*batch, 1)))
    whole = np.concatenate(sizes, axis=-1) / np.sqrt(2)
    rad = np.sqrt(2) * _turned(whole, np.concatenate(every, axis=-1), moved)[..., :k] + lost
    of_U, of_V = rad[..., :m, :], np.swapaxes(rad[..., m:, :], -1, -2)
    p = A.precision
    return Ball(U, of_U, p), _values(A, s, moved), Ball(Vt, of_V, p)


def _pinv(A: Ball) -> Ball:
    """Enclose the pseudoinverse Y of A, of full rank, as V s^-1 U^T.

    1. It is that of A + D, Z, exactly, which is off by at most sqrt 2 |Y| |Z| |D|, where |Z| is at
       most |Y| / (1 - |Y| |D|) (Wedin, Perturbation Theory for Pseudo-Inverses, BIT 13, 1973).
    2. U and V are not quite orthogonal, and each entry is a sum of K products: that is relative to
       |Z|, and to K |Z|.
    """
    A = read(A)
    p, k = A.precision, min(A.shape[-2:])
    try:
        s = np.linalg.svd(A.mid, compute_uv=False)
    except np.linalg.LinAlgError:
        return _unknown(A, (*A.shape[:-2], A.shape[-1], A.shape[-2]))
    lost, moved = _lost(A, SINGULAR, s)
    size = 1 / np.min(s, axis=-1, initial=np.inf)[..., None, None]
    share = size * moved
    turned = np.where(share < 1, np.sqrt(2) * size * share / (1 - share), np.inf)
    rounded = size * (2 * lost + k * gamma(k + 2, unit(p))) + k * p.underflow
    mid = np.linalg.pinv(A.mid)
    rad = np.array(np.broadcast_to(turned + rounded / np.where(share < 1, 1 - share, 1), mid.shape))
    return Ball(mid, up(rad, k), p)


def _lost(A: Ball, threshold: int, values: Array) -> tuple[float, Array]:
    """Return what vectors lose, and a bound of the 2-norm of D, (...), as columns of one entry."""
    p, n = A.precision, max(A.shape[-2:])
    share = threshold * n * (p.ulps(1) + FLOAT64.ulps(1))
    size = np.max(np.abs(values), axis=-1, initial=0)
    spread = np.sqrt(np.sum(np.square(np.broadcast_to(A.rad, A.shape)), axis=(-2, -1)))
    moved = share * (size + spread) + spread + n * (p.underflow + FLOAT64.underflow)
    return share, moved[..., None, None]


def _values(A: Ball, mid: Array, moved: Array) -> Ball:
    """Return the balls of eigenvalues: none moves by more than D's norm (Weyl; ibid., 8.1.6)."""
    rad = np.array(np.broadcast_to(moved[..., 0], mid.shape))
    return Ball(mid, up(rad, A.shape[-1]), A.precision)


def _turned(sizes: Array, w: Array, moved: Array) -> Array:
    """Return how far the entries of eigenvectors may be off, whose sign is known.

    sizes: their magnitudes, a column each. w: their eigenvalues. moved: the 2-norm of D.

    1. (A + D) x = y x, |x| = 1, of which c = V^T x are the coordinates: (y - w_j) c_j = v_j^T D x
       for each j. The right-hand sides together have a length of at most |D|, and y is as near to
       its own w_i, so that |y - w_j| is at least the gap |w_i - w_j| less |D|.
    2. So what x has of the others is, in each entry k, at most |D| times the root of the sum of
       V_kj^2 / gap_j^2 (Cauchy and Schwarz); of v_i it lacks 1 - c_i, at most the sum of c_j^2.
    3. V itself is off by as much, which is why the gap is less by |D| once more, and all is done
       twice. Where a gap is not positive, nothing is known.
    """
    gaps = np.abs(w[..., :, None] - w[..., None, :]) - 2 * moved
    gaps = np.where(np.eye(w.shape[-1], dtype=bool), np.inf, gaps)
    inverse = np.where(gaps > 0, 1 / gaps, np.inf)
    lacking = np.square(moved * np.max(inverse, axis=-2, keepdims=True, initial=0))
    off = np.zeros_like(sizes)
    for _ in range(2):
        whole = sizes + off
        off = up(moved * np.sqrt(np.square(whole) @ np.square(inverse)) + whole * lacking, w.size)
    return off


def _unknown(A: Ball, shape: tuple[int, ...]) -> Ball:
    """Return numbers of which nothing is known."""
    return Ball(np.zeros(shape), np.full(shape, np.inf), A.precision)


Ball.rules[np.linalg.eigh] = _eigh
Ball.rules[np.linalg.svd] = _svd
Ball.rules[np.linalg.pinv] = _pinv
