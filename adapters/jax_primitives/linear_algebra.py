"""Linear algebra: triangles, Cholesky's factor, and equations that a program solves by itself."""

from typing import Any

import jax
import numpy as np

from backproof.adapters.jax_primitives.calls import (
    FUNCTIONS,
    Call,
    NotKnown,
    Operand,
    Seen,
    made_of,
    reads,
)
from backproof.reference.ops.linear_algebra import cholesky_of_whole
from backproof.reference.own import OWN


def axes(x: Operand) -> tuple[int, ...]:
    """Return the axes with the last two exchanged."""
    n = len(x.shape)
    return (*range(n - 2), n - 1, n - 2)


@reads("triangular_solve")
def triangular_solve(seen: Seen, A: Operand, B: Operand) -> Call:
    """Read X T = B as T^T X^T = B^T."""
    p = seen.params
    on_left = p["left_side"]
    options = {
        "lower": p["lower"],
        "transpose": p["transpose_a"] == on_left,
        "unit_diagonal": p["unit_diagonal"],
    }
    if on_left:
        return Call("triangular_solve", (A, B), options)
    turn = {"axes": axes(B)}
    steps = ("transpose", (1,), turn), ("triangular_solve", (0, -1), options)
    return made_of(seen.name, (A, B), *steps, ("transpose", (-1,), turn))


@reads("cholesky")
def cholesky(_: Seen, A: Operand) -> Call:
    """Read it as that of a symmetric matrix, whose gradient is right along symmetric ones."""
    a = np.asarray(A.read())
    if not np.array_equal(a, np.swapaxes(a, -1, -2)):
        raise NotKnown("a matrix that is not symmetric")
    return Call("cholesky_of_whole", (A,), own=cholesky_of_whole)


@reads("custom_linear_solve")
def custom_linear_solve(seen: Seen, *operands: Operand) -> Call:
    """Read it as the equations of its own product, A x or A^T x, however it solves them.

    Each x lies along the last axis of b; where there are several, along the axis before.
    """
    counts = seen.params["const_lengths"]
    sides = operands[sum(counts) :]
    if (counts.matvec, len(sides)) != (1, 1):
        raise NotKnown("a product with several operands")
    A, b = operands[0], sides[0]
    alone = len(A.shape) > len(b.shape)
    matvec = seen.params["jaxprs"].matvec
    if alone:
        there = ("reshape", (1,), {"shape": (*b.shape, 1)})
        back = ("reshape", (-1,), {"shape": b.shape})
    else:
        there, back = (("transpose", (place,), {"axes": axes(b)}) for place in (1, -1))
    if is_product(matvec, A, b, "...ij,...j->...i" if alone else "...ij,...kj->...ki"):
        return made_of(seen.name, (A, b), there, ("solve", (0, -1)), back)
    if is_product(matvec, A, b, "...ji,...j->...i" if alone else "...ji,...kj->...ki"):
        turned = ("transpose", (0,), {"axes": axes(A)})
        return made_of(seen.name, (A, b), turned, there, ("solve", (-2, -1)), back)
    raise NotKnown("a product that is not that of a matrix, which it has")


def is_product(matvec: Any, A: Operand, b: Operand, equation: str) -> bool:
    """Return whether a function of A and x is this product, tried on matrices of integers."""
    batch = b.shape[:-1] if len(A.shape) > len(b.shape) else b.shape[:-2]
    if A.shape != (*batch, b.shape[-1], b.shape[-1]):
        return False
    rng = np.random.default_rng(0)
    matrix, x = (rng.integers(-9, 9, a.shape).astype(a.dtype) for a in (A, b))
    (found,) = jax.core.eval_jaxpr(matvec.jaxpr, matvec.consts, matrix, x)
    return np.array_equal(found, np.einsum(equation, matrix, x))


@reads("_det", table=FUNCTIONS)
def det(A: Operand) -> list[Call]:
    """Read a determinant as one op."""
    return [Call("det", (A,), own=OWN["det"])]


@reads("_slogdet_lu", "_slogdet_small", table=FUNCTIONS)
def slogdet(A: Operand) -> list[Call]:
    """Read the sign as a constant, and the logarithm as one op."""
    sign = np.linalg.slogdet(np.asarray(A.read()))[0]
    still = ("slice", (0,), {"index": (..., 0, 0)}), ("scale", (-1,), {"factor": 0.0})
    return [
        made_of("sign", (A, sign), *still, ("add", (-1, 1))),
        Call("log_det", (A,), own=OWN["log_det"]),
    ]
