"""Equations of a matrix of which Cholesky's factor is given, and its inverse.

A = L L^T of a lower triangle L, or L^T L of an upper one, both (..., N, N), with zeros elsewhere.
What is handed on to the factor is that of a whole matrix: the zeros receive something, too.
The derivatives are those of A^-1 B and of A^-1 (see `linear_algebra`), and of dA = dL L^T + L dL^T.
"""

import numpy as np

from backproof.reference.ops.functions import constant
from backproof.reference.ops.linear_algebra import triangular_solve_forward, turned
from backproof.reference.ops.op import Array, Op


def solve_forward(B: Array, L: Array, *, lower: bool) -> Array:
    """Return X of A X = B, (..., N, M), by both triangles."""
    Z = triangular_solve_forward(L, B, lower=lower, transpose=not lower)
    return triangular_solve_forward(L, Z, lower=lower, transpose=lower)


def solve_backward(dX: Array, X: Array, B: Array, L: Array, *, lower: bool) -> tuple[Array, Array]:
    """Return dB = A^-1 dX, and dL of dA = -dB X^T; X is computed again from B and L."""
    dB = solve_forward(dX, L, lower=lower)
    return dB, of_factor(-(dB @ turned(solve_forward(B, L, lower=lower))), L, lower=lower)


def of_factor(dA: Array, L: Array, *, lower: bool) -> Array:
    """Return dL = (dA + dA^T) L of a lower triangle, and L (dA + dA^T) of an upper one."""
    both = dA + turned(dA)
    return both @ L if lower else L @ both


def inverse_forward(L: Array, *, lower: bool) -> Array:
    """Return A^-1 = L^-T L^-1, or L^-1 L^-T of an upper triangle."""
    one = constant(np.broadcast_to(np.eye(L.shape[-1]), L.shape), L)
    Z = triangular_solve_forward(L, one, lower=lower)
    return turned(Z) @ Z if lower else Z @ turned(Z)


def inverse_backward(dX: Array, X: Array, L: Array, *, lower: bool) -> tuple[Array]:
    """Return dL of dA = -X dX X; X is computed again from L."""
    X = inverse_forward(L, lower=lower)
    return (of_factor(-(X @ dX @ X), L, lower=lower),)


cholesky_solve = Op(solve_forward, solve_backward)
cholesky_inverse = Op(inverse_forward, inverse_backward)
