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

    The axes before the last two broadcast.
    """
    return a @ b


def matmul_backward(dy: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return da = dy b^T and db = a^T dy (as `dense` derives them), in the shapes of a and b."""
    da, db = dy @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ dy
    return sum_to_shape(da, a.shape), sum_to_shape(db, b.shape)


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
