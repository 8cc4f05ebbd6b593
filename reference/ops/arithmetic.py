"""Arithmetic: add, subtract, multiply, divide, negative, scale, matmul.

Operands broadcast as NumPy's do.
"""

import numpy as np

from backproof.reference.ops.op import Array, Op, sum_to_shape


def add_forward(a: Array, b: Array) -> Array:
    """Return a + b."""
    return a + b


def add_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da and db: dy itself, summed where an operand was broadcast."""
    return sum_to_shape(dy, a.shape), sum_to_shape(dy, b.shape)


def subtract_forward(a: Array, b: Array) -> Array:
    """Return a - b."""
    return a - b


def subtract_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da and db: dy and -dy, summed where an operand was broadcast."""
    return sum_to_shape(dy, a.shape), sum_to_shape(-dy, b.shape)


def multiply_forward(a: Array, b: Array) -> Array:
    """Return a b, entry by entry."""
    return a * b


def multiply_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da and db: d(ab) = b da + a db."""
    return sum_to_shape(dy * b, a.shape), sum_to_shape(dy * a, b.shape)


def divide_forward(a: Array, b: Array) -> Array:
    """Return a / b, entry by entry."""
    return a / b


def divide_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da and db: d(a / b) = da / b - a db / b^2."""
    return sum_to_shape(dy / b, a.shape), sum_to_shape(-(dy * (a / (b * b))), b.shape)


def divide_backward_from_output(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da and db = -dy y / b, from the rounded quotient."""
    return sum_to_shape(dy / b, a.shape), sum_to_shape(-(dy * (y / b)), b.shape)


def negative_forward(x: Array) -> Array:
    """Return -x."""
    return -x


def negative_backward(dy: Array, y: Array, x: Array) -> tuple[Array]:
    """Return dx = -dy."""
    return (-dy,)


def scale_forward(x: Array, *, factor: float) -> Array:
    """Return factor x."""
    return factor * x


def scale_backward(dy: Array, y: Array, x: Array, *, factor: float) -> tuple[Array]:
    """Return dx = factor dy."""
    return (factor * dy,)


def matmul_forward(a: Array, b: Array) -> Array:
    """Return the matrix products a b, (..., I, O), of a (..., I, K) and b (..., K, O).

    The axes before the last two broadcast. A vector a (K,) is a row, a vector b (K,) a column, and
    the result has no axis for it.
    """
    y = row(a) @ column(b)
    columns = b.shape[-1:] if b.ndim > 1 else ()
    return np.reshape(y, (*y.shape[:-2], *a.shape[-2:-1], *columns))


def matmul_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da = dy b^T and db = a^T dy (as `dense` derives them), in the shapes of a and b."""
    A, B = row(a), column(b)
    dy = np.reshape(
        dy, (*np.broadcast_shapes(A.shape[:-2], B.shape[:-2]), A.shape[-2], B.shape[-1])
    )
    da, db = dy @ np.swapaxes(B, -1, -2), np.swapaxes(A, -1, -2) @ dy
    da, db = sum_to_shape(da, A.shape), sum_to_shape(db, B.shape)
    return da if a.ndim > 1 else da[0], db if b.ndim > 1 else db[:, 0]


def row(a: Array) -> Array:
    """Return a vector as a matrix of one row; matrices as they are."""
    return a if a.ndim > 1 else a[None]


def column(b: Array) -> Array:
    """Return a vector as a matrix of one column; matrices as they are."""
    return b if b.ndim > 1 else b[:, None]


add = Op(add_forward, add_backward)
multiply = Op(multiply_forward, multiply_backward)
subtract = Op(subtract_forward, subtract_backward)
divide = Op(
    divide_forward,
    divide_backward,
    forms={"quotient's from the output": Op(divide_forward, divide_backward_from_output)},
)
negative = Op(negative_forward, negative_backward)
scale = Op(scale_forward, scale_backward)
matmul = Op(matmul_forward, matmul_backward)
