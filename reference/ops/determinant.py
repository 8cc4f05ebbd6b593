"""Determinants: det A and log |det A|, of A (..., N, N).

Source: Jacobi's formula, d det A = det A tr(A^-1 dA).
"""

import numpy as np

from backproof.reference.ops.functions import constant, solve
from backproof.reference.ops.op import Array, Op


def det_forward(A: Array) -> Array:
    """Return det A, (...)."""
    return np.linalg.det(A)


def det_backward(dy: Array, y: Array, A: Array) -> tuple[Array]:
    """Return dA = dy det A A^-T."""
    return log_det_backward(dy * np.linalg.det(A), y, A)


def det_backward_from_output(dy: Array, y: Array, A: Array) -> tuple[Array]:
    """Return dA = dy y A^-T."""
    return log_det_backward(dy * y, y, A)


def log_det_forward(A: Array) -> Array:
    """Return log |det A|, (...)."""
    return np.linalg.slogdet(A)[1]


def log_det_backward(dy: Array, y: Array, A: Array) -> tuple[Array]:
    """Return dA = dy A^-T."""
    one = constant(np.broadcast_to(np.eye(A.shape[-1]), A.shape), A)
    return (dy[..., None, None] * solve(np.swapaxes(A, -1, -2), one),)


det = Op(
    det_forward,
    det_backward,
    forms={"det' from the output": Op(det_forward, det_backward_from_output)},
)
log_det = Op(log_det_forward, log_det_backward)
