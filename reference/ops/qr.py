"""The factors Q (..., M, K) and R (..., K, N) of A = Q R (..., M, N), K = min(M, N).

Q^T Q = 1, and R is an upper triangle; the sign of each column of Q, and of that row of R, is free.
A pass chooses it, and whatever follows depends on this choice, so that what was seen is an option:
seen = (Q, R).
The derivatives are those of Walter and Lehmann, Algorithmic Differentiation of Linear Algebra
Functions with Application in Optimum Experimental Design (2018), sec. 3.2.
"""

from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops.eigen import signed
from backproof.reference.ops.functions import chosen, solve
from backproof.reference.ops.linear_algebra import turned
from backproof.reference.ops.op import Array, Op


def decomposed(A: Array, seen: Any) -> tuple[Array, Array]:
    """Return Q and R, with the signs that were seen."""
    of_Q = np.asarray(seen[0])
    Q, R = np.linalg.qr(A)
    return signed(Q, Q, of_Q), turned(signed(turned(R), Q, of_Q))


def orthogonal_forward(A: Array, *, seen: Any) -> Array:
    """Return Q."""
    return decomposed(A, seen)[0]


def triangle_forward(A: Array, *, seen: Any) -> Array:
    """Return R."""
    return decomposed(A, seen)[1]


def mirrored(X: Array) -> Array:
    """Return the symmetric matrix that has the upper triangle of X."""
    upper = np.triu(np.ones(X.shape[-2:], bool))
    return np.where(upper, X, turned(X))


def mirrored_by_difference(X: Array) -> Array:
    """Return the same as X less what the lower triangle has more than the upper one."""
    lower = np.tril(np.ones(X.shape[-2:], bool), -1)
    return X - np.where(lower, X - turned(X), 0)


def over(X: Array, R: Array) -> Array:
    """Return X R^-T of an upper triangle R."""
    return turned(solve(R, turned(X)))


def orthogonal_backward(
    dQ: Array, Q: Array, A: Array, *, seen: Any, mirror: Any = mirrored
) -> tuple[Array]:
    """Return dA = (dQ - Q S) R^-T, where S is symmetric with the upper triangle of Q^T dQ.

    1. A' R^-1 = Q' + Q R' R^-1, where Q^T Q' is skew and R' R^-1 an upper triangle: so the lower
       triangle of Q^T Q' is that of Q^T A' R^-1, which gives all of it.
    2. If there are fewer rows than columns, Q depends on the first M columns alone.
    """
    k = Q.shape[-1]
    _, R = decomposed(A, seen)
    R = chosen(R, seen[1])[..., :k]
    dA = over(dQ - Q @ mirror(turned(Q) @ dQ), R)
    return (beside(dA, np.zeros_like(A[..., k:])),)


def triangle_backward(
    dR: Array, R: Array, A: Array, *, seen: Any, mirror: Any = mirrored
) -> tuple[Array]:
    """Return dA = Q S R^-T, where S is symmetric with the upper triangle of dR R^T.

    1. R' R^-1 is Q^T A' R^-1 less the skew Q^T Q' (see above).
    2. If there are fewer rows than columns, R_2 = Q^T A_2 of the others: A_2 receives Q dR_2, and Q
       receives A_2 dR_2^T = Q R_2 dR_2^T.
    """
    Q = chosen(decomposed(A, seen)[0], seen[0])
    k = Q.shape[-1]
    dA = Q @ mirror(dR[..., :k] @ turned(R[..., :k]))
    if k < A.shape[-1]:
        X = R[..., k:] @ turned(dR[..., k:])
        dA = dA + Q @ (X - mirror(X))
    return (beside(over(dA, R[..., :k]), Q @ dR[..., k:]),)


def beside(A: Array, B: Array) -> Array:
    """Return [A, B]; A where B has no columns."""
    return np.concatenate([A, B], axis=-1) if B.shape[-1] else A


def of_mirror(forward: Any, backward: Any) -> Op:
    """Return an op, and its form in which the symmetric matrix is a difference."""
    other = Op(forward, partial(backward, mirror=mirrored_by_difference))
    return Op(forward, backward, {"qr' by a difference": other})


orthogonal = of_mirror(orthogonal_forward, orthogonal_backward)
triangle = of_mirror(triangle_forward, triangle_backward)
