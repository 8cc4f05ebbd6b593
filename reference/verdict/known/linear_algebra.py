"""What solves equations, and is known to compute something else. Shapes as in `reference.ops`."""

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import solve, stop
from backproof.reference.ops.linear_algebra import turned


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
