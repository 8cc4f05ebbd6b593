"""What solves equations, and is known to compute something else. Shapes as in `reference.ops`."""

from dataclasses import replace

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import solve, stop
from backproof.reference.ops.linear_algebra import triangle, triangular_solve_forward, turned


def unit_diagonal_forgotten() -> dict[str, Op]:
    """Return the solution of a triangular system whose gradient reads the diagonal as it is.

    It is also that of the diagonal, which is taken for ones in the solution itself.
    """

    def backward(
        dX: Array, X: Array, A: Array, B: Array, *, lower: bool = True, **options: bool
    ) -> tuple[Array, ...]:
        transposed = not options.get("transpose", False)
        dB = triangular_solve_forward(A, dX, lower=lower, transpose=transposed)
        dT = -(dB @ turned(X))
        dA = dT if transposed else turned(dT)
        return np.where(triangle(A, lower=lower, diagonal=True), dA, 0), dB

    return {"triangular_solve": replace(OPS["triangular_solve"], backward=backward)}


def factors_constant_in_forward_mode() -> dict[str, Op]:
    """Return the solution of A X = B whose forward mode takes A's factors L U for constants.

    The tangent X' = (L U)^-1 (B' - A' X) is right as it stands. Of its gradient, what A^-1 itself
    contributes is missing: in dA = -dB X^T, the tangent of X.
    """
    right = OPS["solve"]

    def backward(dX: Array, X: Array, A: Array, B: Array) -> tuple[Array, Array]:
        dB = solve(turned(A), dX)
        return -(dB @ turned(stop(solve(A, B)))), dB

    return {"solve": Op(right.forward, backward)}
