"""Classical mistakes of linear algebra.

Shapes: matrices A (..., N, N) and B (..., N, M), the solution X and its cotangent dX like B;
Cholesky's factor L and its cotangent dL like A.
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.linear_algebra import cholesky_forward, turned
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    changing,
    cotangents,
    forward,
    reading,
)

of_matrix, of_right = Cotangent(0), Cotangent(1)

EQUATIONS: Table = {
    ("matrix's gradient lost", "zero for dA"): of_matrix.lost,
    ("matrix's sign lost", "dB X^T for dA = -dB X^T"): of_matrix.times(-1.0),
    ("matrix's gradient transposed", "-X dB^T"): of_matrix.then(lambda d, *_, **__: turned(d)),
    ("right side's gradient not solved for", "dX for dB"): of_right.passed_on,
}

SOLVE: Table = {
    ("transposed", "what A^T X = B gives"): reading(
        lambda A, B: (turned(A), B), lambda dA, dB: (turned(dA), dB)
    ),
    ("not transposed on the way back", "A^-1 dX for dB = A^-T dX"): of_right(
        lambda dX, X, A, B: OPS["solve"].forward(A, dX)
    ).known("a symmetric matrix in the test"),
    **EQUATIONS,
}

TRIANGULAR_SOLVE: Table = {
    ("the other triangle", "what the triangle on the other side gives"): changing(
        lambda given: {**given, "lower": not given.get("lower", True)}
    ).known("conventions of libraries"),
    ("transposed", "what T^T X = B gives"): changing(
        lambda given: {**given, "transpose": not given.get("transpose", False)}
    ),
    ("diagonal forgotten", "what ones on the diagonal give"): changing(
        lambda given: {**given, "unit_diagonal": not given.get("unit_diagonal", False)}
    ),
    ("not transposed on the way back", "T^-1 dX for dB = T^-T dX"): of_right(
        lambda dX, X, A, B, **options: OPS["triangular_solve"].forward(A, dX, **options)
    ),
    **EQUATIONS,
}


def of_symmetric(half: Any) -> Any:
    """Return the cotangent of a matrix of which other shares of L^T dL are handed on."""

    def backward(dL: Any, L: Any, A: Any) -> tuple[Any]:
        L = cholesky_forward(A)
        solved = OPS["triangular_solve"].forward
        P = np.where(half(A.shape[-1]), turned(L) @ dL, 0)
        S = turned(solved(L, turned(solved(L, P, transpose=True)), transpose=True))
        return ((S + turned(S)) / 2,)

    return cotangents(backward)


CHOLESKY: Table = {
    ("upper triangle", "L^T"): forward(lambda A: turned(cholesky_forward(A))).known(
        "conventions of libraries"
    ),
    ("diagonal not halved", "what the whole diagonal of L^T dL gives"): of_symmetric(
        lambda n: np.tril(np.ones((n, n), bool))
    ),
    ("both triangles", "what L^T dL gives"): of_symmetric(lambda n: np.ones((n, n), bool)),
    ("lower triangle alone", "the lower triangle of dA"): of_matrix.then(
        lambda d, A: np.where(np.tril(np.ones(A.shape[-2:], bool)), d, 0)
    ),
    ("no derivative", "dL"): of_matrix.passed_on.known("a stray identity"),
}
