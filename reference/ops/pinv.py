"""The pseudoinverse Y (..., N, M) of A (..., M, N), of full rank.

Source: Golub and Pereyra, The Differentiation of Pseudo-Inverses and Nonlinear Least Squares
Problems Whose Variables Separate (1973), eq. 4.12.
"""

import numpy as np

from backproof.reference.ops.linear_algebra import turned
from backproof.reference.ops.op import Array, Op


def pinv_forward(A: Array) -> Array:
    """Return Y."""
    return np.linalg.pinv(A)


def pinv_backward(dY: Array, Y: Array, A: Array) -> tuple[Array]:
    """Return dA = -Y^T dY Y^T + (1 - A Y) dY^T Y Y^T + Y^T Y dY^T (1 - Y A).

    1. Y' = -Y A' Y + Y Y^T A'^T (1 - A Y) + (1 - Y A) A'^T Y^T Y.
    2. Of more rows than columns, Y A = 1; of more columns than rows, A Y = 1: what this makes zero
       is computed as well, since Y is rounded. The smaller products are made first.
    """
    Yt, dYt = turned(Y), turned(dY)
    if A.shape[-2] > A.shape[-1]:
        K = Y @ dYt
        B = Yt @ K
        return (-turned(K @ Y) + (dYt - A @ K) @ Y @ Yt + B - (B @ Y) @ A,)
    K = dYt @ Y
    B = K @ Yt
    return (-turned(Y @ K) + B - (A @ Y) @ B + (Yt @ Y) @ (dYt - K @ A),)


def pinv_backward_again(dY: Array, Y: Array, A: Array) -> tuple[Array]:
    """Return the same from Y as it is computed again from A."""
    return pinv_backward(dY, np.linalg.pinv(A), A)


pinv = Op(
    pinv_forward,
    pinv_backward,
    forms={"pinv' from the input": Op(pinv_forward, pinv_backward_again)},
)
