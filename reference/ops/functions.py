"""Functions that several ops share, and that NumPy does not have by one name for every number.

`np.exp` on an object array calls each ball's own `exp`. NumPy has no erf and no gamma function, and
Arb's arctan is called `atan`.
"""

from collections.abc import Callable
from math import frexp
from typing import Any

import numpy as np
from scipy import special
from scipy.linalg import expm

from backproof.reference.ops.op import Array


def is_object(x: Any) -> bool:
    """Return whether x is an object array, of Arb balls."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "O"


def by_entry(
    x: Array, of_ball: Callable[[Any], Any], of_numbers: Callable[[Array], Array]
) -> Array:
    """Return a function of each entry: of_ball of Arb's, of_numbers of all others."""
    return np.frompyfunc(of_ball, 1, 1)(x) if is_object(x) else of_numbers(x)


def erf(x: Array) -> Array:
    """Return erf x = 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x, in the shape of x."""
    return by_entry(x, lambda ball: ball.erf(), special.erf)


def stop(x: Array) -> Array:
    """Return x as a constant: a dual number without its tangent."""
    return x.stopped() if hasattr(x, "stopped") else x


def near(x: Array) -> Array:
    """Return constants near x, which a formula takes out and puts back: over `Ball`, the midpoints.

    On paper the result is the same whatever they are, so that no error of x enters it by them.
    """
    return x.middle() if hasattr(x, "middle") else x


def with_tangent(y: Array, moved: Array) -> Array:
    """Return y with the tangent of `moved`; an array that is no dual number, as it is."""
    return y.moving_as(moved) if hasattr(y, "moving_as") else y


def at_largest(rows: Array) -> Array:
    """Return where the entries of rows (..., K) are the largest, which `np.argmax` does of one."""
    if hasattr(rows, "at_largest"):
        return np.asarray(rows.at_largest())
    return np.asarray(np.logical_not(rows < np.max(rows, axis=-1, keepdims=True)), dtype=bool)


def chosen(y: Array, seen: Any) -> Array:
    """Return the vectors that a pass has seen, columns of (..., N, K), where they may be y.

    It is for a choice that a pass makes in a step of its own. Over `Ball` they are exact where they
    lie inside, and the balls decide; everywhere else, y is as it is.
    """
    return y if seen is None or not hasattr(y, "chosen") else y.chosen(seen)


def rounding(x: Array) -> Any:
    """Return zero; over `Ball`, with the error of rounding x once as its radius."""
    return x.rounding() if hasattr(x, "rounding") else 0.0


def stored(x: Array, precision: str = "") -> Array:
    """Return x as it is stored between two kernels; over `Ball`, with the error of rounding it.

    precision: the name of the precision in which it is stored; by default, the result's.
    """
    return x.stored(precision) if hasattr(x, "stored") else x


def times(factor: float, x: Array) -> Array:
    """Return factor x; x itself, unrounded, where the factor is 1."""
    return x if factor == 1 else factor * x


def root(x: Array) -> Array:
    """Return sqrt(max(x, 0)), of numbers that are below zero by rounding alone."""
    if isinstance(x, np.ndarray | np.generic):
        return np.sqrt(np.maximum(x, constant(np.zeros(np.shape(x)), x)))
    return x.__array_function__(root, (type(x),), (x,), {})


def arctan(x: Array) -> Array:
    """Return arctan x, in the shape of x."""
    return by_entry(x, lambda ball: ball.atan(), np.arctan)


def arctan2(a: Array, b: Array) -> Array:
    """Return the angle of the point (b, a), from -pi to pi; both broadcast."""
    if is_object(a) or is_object(b):
        return np.frompyfunc(lambda one, other: type(one).atan2(one, other), 2, 1)(a, b)
    return np.arctan2(a, b)


def logaddexp(a: Array, b: Array) -> Array:
    """Return log(e^a + e^b) = m + log(e^(a - m) + e^(b - m)), which holds for every m."""
    if is_object(a) or is_object(b):
        m = np.maximum(a, b)
        return m + np.log(np.exp(a - m) + np.exp(b - m))
    return np.logaddexp(a, b)


def erf_inv(x: Array) -> Array:
    """Return the number whose erf is x, in the shape of x."""
    return by_entry(x, lambda ball: ball.erfinv(), special.erfinv)


def lgamma(x: Array) -> Array:
    """Return log Gamma(x), x > 0, in the shape of x."""
    return by_entry(x, lambda ball: ball.lgamma(), special.gammaln)


def digamma(x: Array) -> Array:
    """Return psi(x) = (log Gamma)'(x), x > 0, in the shape of x."""
    return by_entry(x, lambda ball: ball.digamma(), special.psi)


def erfc(x: Array) -> Array:
    """Return 1 - erf x, which does not cancel, in the shape of x."""
    return by_entry(x, lambda ball: ball.erfc(), special.erfc)


def erfcx(x: Array) -> Array:
    """Return e^(x^2) (1 - erf x), in the shape of x."""
    return by_entry(x, lambda ball: ball.erfc() * (ball * ball).exp(), special.erfcx)


def i0e(x: Array) -> Array:
    """Return e^-|x| I0(x), I0 a modified Bessel function of the first kind, in the shape of x."""
    return by_entry(x, lambda ball: ball.bessel_i(0) * (-abs(ball)).exp(), special.i0e)


def i1e(x: Array) -> Array:
    """Return e^-|x| I1(x), where I1 = I0', in the shape of x."""
    return by_entry(x, lambda ball: ball.bessel_i(1) * (-abs(ball)).exp(), special.i1e)


def zeta(s: int, x: Array) -> Array:
    """Return Hurwitz's zeta function, the sum of (x + k)^-s over k >= 0, in the shape of x.

    s: 2 or more. psi' is that of s = 2 (DLMF 5.15.1); the derivative of one is -s times that of
    s + 1 (25.11.17).
    """
    if is_object(x):
        return np.frompyfunc(lambda ball: type(ball)(s).zeta(ball), 1, 1)(x)
    if isinstance(x, np.ndarray | np.generic):
        return special.zeta(s, x)
    return x.__array_function__(zeta, (type(x),), (s, x), {})  # SciPy's is no ufunc


def solve(A: Array, B: Array) -> Array:
    """Return X of A X = B, (..., N, M), of A (..., N, N)."""
    if not (is_object(A) or is_object(B)):
        return np.linalg.solve(A, B)
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A = np.broadcast_to(A, (*batch, *A.shape[-2:]))
    X = np.array(np.broadcast_to(B, (*batch, *B.shape[-2:])))
    for index in np.ndindex(batch):
        X[index] = eliminated(A[index].copy(), X[index].copy())
    return X


def solve_embedded(A: Array, B: Array) -> Array:
    """Return X of A X = B, where A = [a, -b; b, a], (..., 2N, 2N), stands for a + ib.

    Over `Ball` it holds what elimination over complex numbers finds.
    """
    if isinstance(A, np.ndarray) and isinstance(B, np.ndarray):
        return solve(A, B)
    other = A if not isinstance(A, np.ndarray) else B
    return other.__array_function__(solve_embedded, (type(other),), (A, B), {})


def eliminated(A: Array, X: Array) -> Array:
    """Return X of A X = B, given B, by Gauss and Jordan's elimination; both are overwritten."""
    for k in range(len(A)):
        pivot = k + int(np.argmax(np.abs(A[k:, k]).astype(float)))
        A[[k, pivot]], X[[k, pivot]] = A[[pivot, k]], X[[pivot, k]]
        X[k], A[k] = X[k] / A[k, k], A[k] / A[k, k]
        for i in range(len(A)):
            if i != k:
                X[i], A[i] = X[i] - A[i, k] * X[k], A[i] - A[i, k] * A[k]
    return X


SMALL, TERMS = 4, 60
"""Of a matrix whose norm is below 2^-4, this many terms of e^A leave less than 2^-500."""


def matrix_exp(A: Array) -> Array:
    """Return e^A, (..., N, N), of Arb balls by a series, and by squaring what that makes."""
    if isinstance(A, np.ndarray) and not is_object(A):
        return np.asarray(expm(A), A.dtype)
    if not is_object(A):
        return A.__array_function__(matrix_exp, (type(A),), (A,), {})
    norm = float(np.max(np.sum(np.abs(A), axis=-2), initial=0))
    halvings = max(0, frexp(norm)[1] + SMALL)
    X = A / 2**halvings
    term = total = np.zeros_like(A) + np.eye(A.shape[-1], dtype=int)
    for k in range(1, TERMS):
        term = (term @ X) / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


def diagonal(A: Array) -> Array:
    """Return the diagonals (..., N) of square matrices."""
    return np.sum(np.where(np.eye(A.shape[-1], dtype=bool), A, 0), axis=-1)


def gaps(w: Array) -> Array:
    """Return w_j - w_i, (..., N, N)."""
    return w[..., None, :] - w[..., :, None]


def square_gaps(s: Array) -> Array:
    """Return s_j^2 - s_i^2, (..., N, N), by the product of a sum and a difference."""
    return gaps(s) * (s[..., None, :] + s[..., :, None])


def over_gaps(G: Array, gap: Array) -> Array:
    """Return what is beside the diagonals of G over the gaps, and zeros on the diagonals."""
    own = np.eye(G.shape[-1], dtype=bool)
    return np.where(own, 0, G / np.where(own, 1, gap))


def constant(values: Any, x: Array) -> Any:
    """Return constant numbers as an array of the kind of x; a single number as it is."""
    if np.ndim(values) == 0:
        return values
    held = np.zeros_like(x, shape=np.shape(values))
    held[...] = exactly(values, x)
    return held


def exactly(values: Any, x: Array) -> Array:
    """Return numbers as Arb's where x is of such: Python's have no square root."""
    while hasattr(x, "value"):  # a dual number
        x = x.value
    made = np.frompyfunc(type(x.flat[0]), 1, 1) if is_object(x) and x.size else np.asarray
    return np.asarray(made(values))


def either_side(z: Array, above: Array, below: Array, share: float, kink: Any = 0) -> Array:
    """Return `above` where z > kink, `below` where z < kink, and a share of the way between at it.

    Every slope between those on both sides of a kink is a subgradient, and backpropagation with any
    of them is right (Bolte and Pauwels, A Mathematical Model for Automatic Differentiation in
    Machine Learning, NeurIPS 2020).
    share: 0 for what is below, 1 for what is above, 1/2 for the mean.
    """
    if share == 0:
        return np.where(z > kink, above, below)
    if share == 1:
        return np.where(z < kink, below, above)
    between = below + share * (above - below)
    return np.where(z > kink, above, np.where(z < kink, below, between))
