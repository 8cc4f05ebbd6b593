"""Eigenvalues w (..., N), in ascending order, and vectors V (..., N, N) of symmetric A.

A V = V diag(w), V^T V = 1; the sign of each vector is free. A pass chooses it, and whatever follows
depends on this choice, so that the vectors that were seen are options.
The derivatives are those of Giles, An Extended Collection of Matrix Derivative Results for Forward
and Reverse Mode Algorithmic Differentiation (2008), sec. 3.1.
"""

from typing import Any

import numpy as np

from backproof.reference.ops.functions import chosen, gaps, over_gaps
from backproof.reference.ops.linear_algebra import mirrored, turned
from backproof.reference.ops.op import Array, Op


def decomposed(A: Array, values: Any, vectors: Any, *, lower: bool) -> tuple[Array, Array]:
    """Return w and V of the symmetric matrix that has a triangle of A.

    values, vectors: those that were seen, (..., N) and (..., N, N), or None.
    """
    w, V = np.linalg.eigh(mirrored(A, lower=lower))
    if vectors is None:
        return w, V
    V = chosen(signed(V, V, vectors), vectors)
    return chosen(w[..., None], np.asarray(values)[..., None])[..., 0], V


def signed(V: Array, of: Array, seen: Any) -> Array:
    """Return V with the sign of each column turned if that of `of` is not as it was seen.

    Which of both signs it is, is the place of the larger product.
    """
    product = np.sum(of * np.asarray(seen), axis=-2, keepdims=True)
    place = np.argmax(np.concatenate([product, -product], axis=-2), axis=-2)
    return np.where(place[..., None, :] == 1, -V, V)


def has_equal(w: Any) -> bool:
    """Return whether numbers in order have equal ones, whose vectors are not determined."""
    return bool(np.any(w[..., 1:] == w[..., :-1]))


def values_forward(A: Array, *, lower: bool, values: Any = None, vectors: Any = None) -> Array:
    """Return w."""
    return np.linalg.eigh(mirrored(A, lower=lower))[0]


def values_backward(
    dw: Array, w: Array, A: Array, *, lower: bool, values: Any = None, vectors: Any = None
) -> tuple[Array]:
    """Return dA = V diag(dw) V^T.

    1. w_i' = v_i^T A' v_i, since V^T V' is skew.
    2. A vector whose value receives nothing has no part in it.
    """
    _, V = decomposed(A, values, vectors, lower=lower)
    received = dw[..., None, :]
    V = np.where(received == 0, 0, V)
    return ((V * received) @ turned(V),)


def vectors_forward(A: Array, *, lower: bool, values: Any, vectors: Any) -> Array:
    """Return V, with the signs that were seen."""
    _, V = np.linalg.eigh(mirrored(A, lower=lower))
    return signed(V, V, vectors)


def vectors_backward(
    dV: Array, V: Array, A: Array, *, lower: bool, values: Any, vectors: Any
) -> tuple[Array]:
    """Return dA = V K V^T, where K_ij = (X - X^T)_ij / (2 (w_j - w_i)), X = V^T dV, K_ii = 0.

    1. V^T V' = F * (V^T A' V), entry by entry, F_ij = 1 / (w_j - w_i), F_ii = 0: so what A receives
       is V (F * X) V^T.
    2. F is skew, so that the symmetric part of F * X is F times the skew part of X.
    """
    X = turned(V) @ dV
    return (of_vectors((X - turned(X)) / 2, V, A, lower=lower, values=values, vectors=vectors),)


def vectors_backward_of_whole(
    dV: Array, V: Array, A: Array, *, lower: bool, values: Any, vectors: Any
) -> tuple[Array]:
    """Return V (F * X) V^T itself: along symmetric directions it is the same."""
    X = turned(V) @ dV
    return (of_vectors(X, V, A, lower=lower, values=values, vectors=vectors),)


def of_vectors(X: Array, V: Array, A: Array, *, lower: bool, values: Any, vectors: Any) -> Array:
    """Return V (F * X) V^T."""
    w, _ = decomposed(A, values, vectors, lower=lower)
    return V @ over_gaps(X, gaps(w)) @ turned(V)


eigenvalues = Op(values_forward, values_backward)
eigenvectors = Op(vectors_forward, vectors_backward)
eigenvectors_of_whole = Op(vectors_forward, vectors_backward_of_whole)
