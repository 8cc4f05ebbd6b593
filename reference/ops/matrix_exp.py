"""The exponential of matrices, e^A = 1 + A + A^2/2 + A^3/6 + ..., of A (..., N, N).

Source of the derivative: Higham, Functions of Matrices (2008), sec. 3.2 and eq. 3.16.
"""

import numpy as np

from backproof.reference.ops.functions import matrix_exp
from backproof.reference.ops.op import Array, Op


def matrix_exp_forward(A: Array) -> Array:
    """Return e^A."""
    return matrix_exp(A)


def matrix_exp_backward(dY: Array, Y: Array, A: Array) -> tuple[Array]:
    """Return dA = L(A^T, dY), where L(A, E) is the derivative of e^A along E.

    1. e^A moves along E by the sum of A^i E A^j / (i + j + 1)!, over all i and j. Under the inner
       product <X, Y> = tr X^T Y, each term A^i E A^j becomes (A^T)^i dY (A^T)^j.
    2. L(A, E) is the upper right block of the exponential of [A, E; 0, A].
    """
    return (along(np.swapaxes(A, -1, -2), dY),)


def along(A: Array, E: Array) -> Array:
    """Return L(A, E), how e^A moves where A moves along E."""
    n = A.shape[-1]
    above = np.concatenate([A, E], axis=-1)
    below = np.concatenate([np.zeros_like(A), A], axis=-1)
    return matrix_exp(np.concatenate([above, below], axis=-2))[..., :n, n:]


matrix_exp_ = Op(matrix_exp_forward, matrix_exp_backward)
