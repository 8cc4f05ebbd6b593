"""Sigmoid activation, element by element: s(z) = 1 / (1 + e^-z)."""

import numpy as np

from backproof.reference.ops.op import Array, Op


def sigmoid_forward(z: Array) -> Array:
    """Return out = 1 / (1 + e^-z), in the shape and dtype of z (article, part 1; formula row 2).

    Where z <= 0 it is computed as e^z / (1 + e^z), which is the same and cannot overflow.
    """
    e = np.exp(-np.abs(z))
    return np.where(z > 0, 1, e) / (1 + e)


def sigmoid_derivative(out: Array) -> Array:
    """Return s'(z) = out (1 - out), from out = s(z) (article, step 3.1, term 2).

    1. s = (1 + e^-z)^-1, so s' = e^-z (1 + e^-z)^-2.
    2. e^-z (1 + e^-z)^-1 = 1 - s, so s' = s (1 - s).
    """
    return out * (1 - out)


def sigmoid_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout s'(z), in the shape of z (article, steps 3.1 and 4.1)."""
    return (dout * sigmoid_derivative(out),)


def sigmoid_backward_from_input(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout e^-|z| / (1 + e^-|z|)^2, in the shape of z.

    1. s' = e^-z / (1 + e^-z)^2, step 1 of `sigmoid_derivative`. It is even in z.
    2. Nothing cancels in it, whereas out (1 - out) has no digit left where out is rounded to 1.
    """
    e = np.exp(-np.abs(z))
    return (dout * (e / ((1 + e) * (1 + e))),)


sigmoid = Op(
    sigmoid_forward,
    sigmoid_backward,
    forms={"sigmoid' from the input": Op(sigmoid_forward, sigmoid_backward_from_input)},
)
