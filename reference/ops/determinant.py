"""Determinants by elimination: det A and log |det A|, of A (..., N, N).

Source: Jacobi's formula, d det A = det A tr(A^-1 dA). The order in which rows are taken, and its
sign as a permutation, are options: which row is the next is not differentiated.
"""

from typing import Any

import numpy as np

from backproof.reference.ops.functions import constant, solve
from backproof.reference.ops.op import Array, Op


def pivots(A: Array, order: Any) -> Array:
    """Return the diagonal of U, (..., N), where L U is A with its rows in an order (..., N).

    Row by row, U[k, j] = A[k, j] - sum of L[k, i] U[i, j] over i < k, and L[j, k] is the same of
    A[j, k], divided by U[k, k]. Each is one sum, in any order.
    """
    A = A[(*np.indices(np.shape(order), sparse=True)[:-1], order)]
    L, U, found = A[..., :0], A[..., :0, :], []
    while A.shape[-1]:
        one = np.ones_like(A[..., :1, :1])
        left, right = (
            np.concatenate([one, -L[..., :1, :]], -1),
            np.concatenate([A[..., :1, :], U], -2),
        )
        row = left @ right
        below = np.concatenate([A[..., 1:, :1], -L[..., 1:, :]], -1)
        column = below @ np.concatenate([one, U[..., :1]], -2) / row[..., :1]
        found.append(row[..., 0, :1])
        L = np.concatenate([L[..., 1:, :], column], -1)
        U = np.concatenate([U[..., 1:], row[..., 1:]], -2)
        A = A[..., 1:, 1:]
    return np.concatenate(found, -1)


def det_forward(A: Array, *, order: Any, sign: Any) -> Array:
    """Return the product of all pivots, with the sign of the order, (...)."""
    found = pivots(A, order)
    y = found[..., 0]
    for k in range(1, found.shape[-1]):
        y = y * found[..., k]
    return y * sign


def det_backward(dy: Array, y: Array, A: Array, *, order: Any, sign: Any) -> tuple[Array]:
    """Return dA = dy y A^-T; y is computed again from A."""
    return det_backward_from_output(dy, det_forward(A, order=order, sign=sign), A)


def det_backward_from_output(dy: Array, y: Array, A: Array, **_: Any) -> tuple[Array]:
    """Return dA from the rounded y."""
    return log_det_backward(dy * y, y, A, order=None)


def log_det_forward(A: Array, *, order: Any) -> Array:
    """Return the sum of log |u| over all pivots u, (...)."""
    found = pivots(A, order)
    return np.sum(np.log(np.where(found > 0, found, -found)), axis=-1)


def log_det_backward(dy: Array, y: Array, A: Array, *, order: Any) -> tuple[Array]:
    """Return dA = dy A^-T."""
    one = constant(np.broadcast_to(np.eye(A.shape[-1]), A.shape), A)
    return (dy[..., None, None] * solve(np.swapaxes(A, -1, -2), one),)


det = Op(
    det_forward,
    det_backward,
    forms={"det' from the output": Op(det_forward, det_backward_from_output)},
)
log_det = Op(log_det_forward, log_det_backward)
