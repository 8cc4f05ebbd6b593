"""Singular values s (..., K), in descending order, and vectors U (..., M, K), V (..., N, K).

A = U diag(s) V^T (..., M, N), K = min(M, N), U^T U = V^T V = 1; the sign of each pair of vectors is
free. A pass chooses it, and whatever follows depends on this choice, so that what was seen is an
option: seen = (U, s, V^T), or None.
The derivatives are those of Townsend, Differentiating the Singular Value Decomposition (2016).
"""

from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops.eigen import has_equal, signed
from backproof.reference.ops.functions import chosen, gaps, over_gaps, square_gaps
from backproof.reference.ops.linear_algebra import turned
from backproof.reference.ops.op import Array, Op


def decomposed(A: Array, seen: Any) -> tuple[Array, Array, Array]:
    """Return U, s and V, as they were seen where they may be so."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    V = turned(Vt)
    if seen is None:
        return U, s, V
    of_U, of_s, of_Vt = map(np.asarray, seen)
    V, U = signed(V, U, of_U), signed(U, U, of_U)
    s = chosen(s[..., None], of_s[..., None])[..., 0]
    return chosen(U, of_U), s, chosen(V, np.swapaxes(of_Vt, -1, -2))


def is_degenerate(s: Any, shape: tuple[int, ...]) -> bool:
    """Return whether the vectors of the singular values of (..., M, N) have no derivative.

    So it is where squares of s are equal, or zero if the matrix is not square, as they are computed
    in the precision of s.
    """
    return has_equal(s * s) or (shape[-1] != shape[-2] and not np.all(s * s))


def values_forward(A: Array, *, seen: Any = None) -> Array:
    """Return s."""
    return np.linalg.svd(A, full_matrices=False)[1]


def values_backward(ds: Array, s: Array, A: Array, *, seen: Any = None) -> tuple[Array]:
    """Return dA = U diag(ds) V^T.

    1. s_i' = u_i^T A' v_i, since U^T U' and V^T V' are skew.
    2. Vectors whose value receives nothing have no part in it.
    """
    U, _, V = decomposed(A, seen)
    received = ds[..., None, :]
    U, V = (np.where(received == 0, 0, vectors) for vectors in (U, V))
    return ((U * received) @ turned(V),)


def left_forward(A: Array, *, seen: Any) -> Array:
    """Return U, with the signs that were seen."""
    U = np.linalg.svd(A, full_matrices=False)[0]
    return signed(U, U, np.asarray(seen[0]))


def left_backward(dU: Array, U: Array, A: Array, *, seen: Any, gap: Any = square_gaps) -> Any:
    """Return dA = U (K s) V^T, where K_ij = (X - X^T)_ij / (s_j^2 - s_i^2), X = U^T dU, K_ii = 0.

    If there are more rows than columns, the part of dU outside U gives (dU - U X) s^-1 V^T, too.
    """
    _, s, V = decomposed(A, seen)
    return (of_vectors(dU, U, s, V, gap),)


def right_forward(A: Array, *, seen: Any) -> Array:
    """Return V^T, with the signs of U that were seen."""
    U, _, Vt = np.linalg.svd(A, full_matrices=False)
    return turned(signed(turned(Vt), U, np.asarray(seen[0])))


def right_backward(dVt: Array, Vt: Array, A: Array, *, seen: Any, gap: Any = square_gaps) -> Any:
    """Return the transpose of what A^T = V diag(s) U^T receives as V is its left factor."""
    U, s, _ = decomposed(A, seen)
    return (turned(of_vectors(turned(dVt), turned(Vt), s, U, gap)),)


def of_vectors(dU: Array, U: Array, s: Array, V: Array, gap: Any) -> Array:
    """Return what U diag(s) V^T receives from its left factor alone."""
    X = turned(U) @ dU
    row = s[..., None, :]
    dA = U @ (over_gaps(X - turned(X), gap(s)) * row) @ turned(V)
    if U.shape[-2] > V.shape[-2]:
        dA = dA + ((dU - U @ X) / row) @ turned(V)
    return dA


def gaps_of_squares(s: Array) -> Array:
    """Return s_j^2 - s_i^2 as that is written, which cancels where both are near."""
    return gaps(s * s)


def of_square_gaps(forward: Any, backward: Any) -> Op:
    """Return the op of vectors, and its form in which the gaps are those of squares."""
    cancels = Op(forward, partial(backward, gap=gaps_of_squares))
    return Op(forward, backward, {"s_j^2 - s_i^2 by squares": cancels})


singular_values = Op(values_forward, values_backward)
left_vectors = of_square_gaps(left_forward, left_backward)
right_vectors = of_square_gaps(right_forward, right_backward)
