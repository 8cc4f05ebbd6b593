"""The rule of balls for the exponential of matrices."""

import numpy as np

from backproof.reference.numbers.ball import Ball, read, unit, up
from backproof.reference.numbers.precision import FLOAT64, Precision, gamma
from backproof.reference.ops import Array
from backproof.reference.ops.functions import matrix_exp

DEGREES = (1, 2, 4, 8, 12, 18)
THRESHOLDS = {
    24: (1.19e-7, 5.98e-4, 5.12e-2, 5.80e-1, 1.46, 3.01),
    53: (2.22e-16, 2.58e-8, 3.40e-4, 4.99e-2, 3.00e-1, 1.09),
}
"""The degrees of polynomials near e^X, and digits of a precision -> the largest 1-norm of X for
which each is the exponential of X (1 + d), |d| <= u (Bader, Blanes and Casas, Computing the Matrix
Exponential with an Optimized Taylor Polynomial Approximation, Mathematics 7(12), 2019, sec. 3)."""

GROWTH = 7
"""The terms of such a polynomial cancel in part: for each power of X, the sum of their sizes is at
most 7 times its coefficient 1/k!, of X^3 at degree 18 (from the coefficients there, eq. 15)."""

SUMS = 32
"""How often the linear combinations of powers round a term, at degree 18, coefficients included."""

TERMS = 60
"""How many terms of e^X are added up: for the norm 3.01, what is left is far below float64's u."""


def _matrix_exp(A: Ball) -> Ball:
    """Enclose e^A, as scaling and squaring finds it: e^A = (e^X)^(2^s), X = A / 2^s.

    1. s is the smallest number for which the 1-norm of X is not above the last threshold, and the
       degree m the smallest whose threshold is not below it. The norm may be off by its rounding.
    2. A polynomial of degree m leaves at most the sum of |X|^k / k! over k > m. X^k is a product of
       k matrices: so a term is rounded (k - 1) n times at most, and in the linear combinations.
    3. If X moves by D, e^X moves by at most e^(|X| + D) - e^|X|.
    4. Each squaring is a product of balls.
    """
    A = read(A)
    p = A.precision
    if not A.size:
        return A
    found = [_of_one(Ball(mid, rad, p)) for mid, rad in zip(*_matrices(A), strict=True)]
    mid, rad = (np.reshape([getattr(x, of) for x in found], A.shape) for of in ("mid", "rad"))
    return Ball(mid, rad, p)


def _matrices(A: Ball) -> tuple[Array, Array]:
    """Return the midpoints and the radii of a batch of matrices, (B, N, N) each."""
    n = A.shape[-1]
    rad = np.broadcast_to(A.rad, A.shape)
    return np.reshape(A.mid, (-1, n, n)), np.reshape(rad, (-1, n, n))


def _of_one(A: Ball) -> Ball:
    """Enclose the exponential of one matrix."""
    p, n = A.precision, A.shape[-1]
    norm = float(np.max(np.sum(np.abs(A.mid) + A.rad, axis=0)))
    if not np.isfinite(norm):
        mid = 0.0 if np.all(np.isfinite(A.mid)) else np.nan
        return Ball(np.full(A.shape, mid), np.full(A.shape, np.inf), p)
    thresholds, off = _thresholds(p), gamma(n, unit(p))
    halvings = max(0, int(np.ceil(np.log2(max(norm * (1 + off) / thresholds[-1], 0.5)))))
    X, D = A.mid / 2**halvings, A.rad / 2**halvings
    least = norm * (1 - off) / 2**halvings
    degree = next(
        m for m, t in zip(DEGREES, thresholds, strict=True) if least <= t or m == DEGREES[-1]
    )
    size, still = _series(np.abs(X) + D), _series(np.abs(X))
    left = _series(np.abs(X), degree + 1)
    rounding = gamma((DEGREES[-1] - 1) * n + SUMS, unit(p)) * GROWTH * size
    moved = size - still + 2 * gamma(TERMS * n, FLOAT64.u) * size
    lost = n * DEGREES[-1] * (p.underflow + FLOAT64.underflow) * (size > 0)
    found = Ball(_series(X), up(left + rounding + moved + lost, n * TERMS), p)
    for _ in range(halvings):
        found = found @ found
    return found


def _series(X: Array, first: int = 0) -> Array:
    """Return the sum of X^k / k! from a first k on."""
    power = np.eye(X.shape[-1])
    total = power if not first else np.zeros(X.shape)
    for k in range(1, TERMS):
        power = power @ X / k
        total = total + power if k >= first else total
    return total


def _thresholds(p: Precision) -> tuple[float, ...]:
    """Return the thresholds of a precision: the next lower one's that are known, or float32's."""
    return THRESHOLDS[max((digits for digits in THRESHOLDS if digits <= p.digits), default=24)]


Ball.rules[matrix_exp] = _matrix_exp
