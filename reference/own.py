"""Ops that the table does not have: they occur in recorded programs alone."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backproof.reference.composed import Composed
from backproof.reference.holomorphic import POWER, TANH, conjugate, holomorphic, widened, with_three
from backproof.reference.ops import OPS, Op
from backproof.reference.ops.bessel import i0, i0e_, i1, i1e_
from backproof.reference.ops.between import between
from backproof.reference.ops.cast import cast
from backproof.reference.ops.cholesky_solve import cholesky_inverse, cholesky_solve
from backproof.reference.ops.ctc import ctc, ctc_of_log_softmax
from backproof.reference.ops.dense import dense
from backproof.reference.ops.determinant import det, log_det
from backproof.reference.ops.distances import distances
from backproof.reference.ops.eigen import eigenvalues, eigenvectors, eigenvectors_of_whole
from backproof.reference.ops.factors import cumprod, product
from backproof.reference.ops.functions import stop, with_tangent
from backproof.reference.ops.linear_algebra import cholesky_of_triangle, cholesky_of_whole
from backproof.reference.ops.log_sums import logcumsumexp
from backproof.reference.ops.lu import lower_factor, lu, upper_factor
from backproof.reference.ops.lu_solve import lu_solve
from backproof.reference.ops.matrix_exp import matrix_exp_
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.ops.pinv import pinv
from backproof.reference.ops.qr import orthogonal, triangle
from backproof.reference.ops.sinc import sinc
from backproof.reference.ops.singular import left_vectors, right_vectors, singular_values
from backproof.reference.ops.special import asinh, erfc_, erfcx_, zeta_


def turned(op: Op) -> Op:
    """Return an op with its second input, a matrix, transposed: weights of shape (O, I)."""

    def forward(x: Any, W: Any, *rest: Any) -> Any:
        return op.forward(x, np.swapaxes(W, 0, 1), *rest)

    def backward(dy: Any, y: Any, x: Any, W: Any, *rest: Any) -> tuple[Any, ...]:
        dx, dW, *others = op.backward(dy, y, x, np.swapaxes(W, 0, 1), *rest)
        return (dx, np.swapaxes(dW, 0, 1), *others)

    return Op(forward, backward, {name: turned(form) for name, form in op.forms.items()})


LINEAR = turned(dense)

OF_REAL: Mapping[str, Op] = {
    "between": between,
    "cast": cast,
    "cholesky_inverse": cholesky_inverse,
    "cholesky_of_triangle": cholesky_of_triangle,
    "cholesky_of_whole": cholesky_of_whole,
    "cholesky_solve": cholesky_solve,
    "ctc": ctc,
    "ctc_of_log_softmax": ctc_of_log_softmax,
    "cumprod": cumprod,
    "det": det,
    "distances": distances,
    "erfc": erfc_,
    "erfcx": erfcx_,
    "i0": i0,
    "i0e": i0e_,
    "i1": i1,
    "i1e": i1e_,
    "eigenvalues": eigenvalues,
    "eigenvectors": eigenvectors,
    "eigenvectors_of_whole": eigenvectors_of_whole,
    "left_vectors": left_vectors,
    "linear": LINEAR,
    "log_det": log_det,
    "lower_factor": lower_factor,
    "lu": lu,
    "lu_solve": lu_solve,
    "logcumsumexp": logcumsumexp,
    "matrix_exp": matrix_exp_,
    "orthogonal": orthogonal,
    "pinv": pinv,
    "product": product,
    "right_vectors": right_vectors,
    "sinc": sinc,
    "singular_values": singular_values,
    "triangle": triangle,
    "upper_factor": upper_factor,
    "asinh": asinh,
    "zeta": zeta_,
}
"""Name -> op."""

HOLOMORPHIC = (
    *("add", "subtract", "multiply", "divide", "negative", "scale", "reciprocal", "between"),
    *("sum", "mean", "cumsum", "product", "cumprod", "matmul", "einsum", "addmm", "dense"),
    *("linear", "reshape", "transpose", "slice", "pad", "stack"),
    *("concatenate", "expand", "add_at", "put", "masked_fill", "where", "cast", "solve"),
    *("exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos"),
)
"""The ops that are functions of complex numbers as well."""

OWN: Mapping[str, Op] = {
    **OF_REAL,
    "complex": widened,
    "conjugate": conjugate,
    "complex power": holomorphic(POWER),
    "complex tanh": holomorphic(TANH),
    **{f"complex {name}": holomorphic({**OPS, **OF_REAL}[name]) for name in HOLOMORPHIC},
    **{f"complex {name}": with_three(OPS[name]) for name in ("conv", "conv_transpose")},
}
"""Name -> op. Complex numbers have their parts along a last axis."""

DERIVED: Mapping[str, tuple[str, Callable[[Op], Op]]] = {"linear": ("dense", turned)}
"""Op of its own -> the op of the table that it is made of, and how: what is known of that one, such
as its classical mistakes, is known of it as well."""

FROM_OUTPUT = "logaddexp' from the output"
BY_DIFFERENCE = "logaddexp' from the difference"
BY_DENSITY = "(log Phi)' from the output"
BY_SQUARE = "f' from x^2"
BY_HALVES = "e^(x - log 2) for e^x / 2"


def by_slopes(op: Op, slopes: Callable[..., tuple[Any, ...]]) -> Op:
    """Return an op of each entry whose tangent is made of its slopes as well as what it hands on.

    slopes: (y, *operands) -> dy/d(each operand).
    """

    def forward(*x: Any) -> Any:
        y = op.forward(*x)
        of_each = slopes(stop(y), *map(stop, x))
        return with_tangent(y, sum(s * a for s, a in zip(of_each, x, strict=True)))

    def backward(dy: Any, y: Any, *x: Any) -> tuple[Any, ...]:
        return tuple(dy * s for s in slopes(y, *x))

    return Op(forward, backward)


def from_output(op: Composed) -> Op:
    """Return y = log(e^a + e^b), or that of powers of 2: da = dy e^(a - y), db = dy e^(b - y)."""
    base = np.log(2) if op.network.name == "logaddexp2" else 1.0
    return by_slopes(op, lambda y, *x: tuple(np.exp(base * (a - y)) for a in x))


def by_difference(op: Composed) -> Op:
    """Return y = log(e^a + e^b), or that of powers of 2: da = dy / (1 + e^(b - a))."""
    factors = [np.log(2)] if op.network.name == "logaddexp2" else []

    def backward(dy: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        d = b - a
        for factor in factors:
            d = factor * d
        da, db = dy / (1 + np.exp(d)), dy / (1 + np.exp(-d))
        return sum_to_shape(da, a.shape), sum_to_shape(db, b.shape)

    return Op(op.forward, backward)


def by_density(op: Composed) -> Op:
    """Return y = log Phi(x), of the normal distribution: dx = dy e^(log phi(x) - y).

    log phi(x) = -x^2 / 2 - log(2 pi) / 2 is the logarithm of its density. Source: Phi' = phi.
    The other operands of the composed op, which come first, are constants.
    """

    def slopes(y: Any, *operands: Any) -> tuple[Any, ...]:
        *constants, x = operands
        slope = np.exp(-0.5 * (x * x) - np.log(2 * np.pi) / 2 - y)
        return (*map(np.zeros_like, constants), slope)

    return by_slopes(op, slopes)


SQUARED: Mapping[str, Callable[[Any], Any]] = {
    "asin": lambda x: 1 / np.sqrt(1 - x * x),
    "acos": lambda x: -1 / np.sqrt(1 - x * x),
    "atanh": lambda x: 1 / (1 - x * x),
    "acosh": lambda x: 1 / np.sqrt(x * x - 1),
}
"""Function -> its derivative, computed from x^2 (DLMF 4.24.7, 4.24.8, 4.40.3 and 4.40.5)."""


def by_square(op: Composed) -> Op:
    """Return an inverse function whose derivative is computed from x^2, which cancels near 1.

    The operands of the composed op after the first are constants.
    """
    slope = SQUARED[op.network.name]

    def backward(dy: Any, y: Any, x: Any, *constants: Any) -> tuple[Any, ...]:
        return (dy * slope(x), *map(np.zeros_like, constants))

    return Op(op.forward, backward)


def by_halves(op: Composed) -> Op:
    """Return sinh x or cosh x from e^(x - log 2) and e^(-x - log 2), which do not overflow alone.

    Rounding x - log 2 costs as many u, relative to the result, as x is large.
    """
    sign = -1.0 if op.network.name == "sinh" else 1.0

    def forward(x: Any) -> Any:
        return np.exp(x - np.log(2)) + sign * np.exp(-x - np.log(2))

    def backward(dy: Any, _: Any, x: Any) -> tuple[Any]:
        return (dy * (np.exp(x - np.log(2)) - sign * np.exp(-x - np.log(2))),)

    return Op(forward, backward)


FORMS: Mapping[str, Callable[[Composed], Op]] = {
    FROM_OUTPUT: from_output,
    BY_DIFFERENCE: by_difference,
    BY_DENSITY: by_density,
    BY_SQUARE: by_square,
    BY_HALVES: by_halves,
}
"""The name of a form -> from a composed op to this form of it: on paper it is the same."""


def with_forms(op: Any, *names: str) -> Composed:
    """Return a composed op with these forms alone."""
    found: Composed = replace(op, forms={name: FORMS[name](op) for name in names})
    return found
