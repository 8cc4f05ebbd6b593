"""Activations, element by element: tanh and ReLU. The sigmoid has its own file."""

import numpy as np

from reference.ops.op import Array, Op


def tanh_forward(z: Array) -> Array:
    """Return tanh z, in the shape and dtype of z."""
    return np.tanh(z)


def tanh_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = dout tanh'(z), in the shape of z.

    1. tanh = sinh / cosh, so tanh' = (cosh^2 - sinh^2) / cosh^2 = 1 - tanh^2.
    """
    return (dout * (1 - out * out),)


def tanh_backward_factored(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz = (dout + dout tanh)(1 - tanh): JAX's form, sharper at +1, less sharp at -1."""
    return ((dout + dout * out) * (1 - out),)


def relu_forward(z: Array) -> Array:
    """Return max(z, 0), in the shape and dtype of z (Glorot, Bordes and Bengio 2011, sec. 3)."""
    return np.maximum(z, 0)


def relu_backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
    """Return dz, in the shape of z: dout where z > 0, else 0.

    At z = 0, where ReLU has no derivative, 0 is the convention of PyTorch and JAX alike.
    """
    return (np.where(z > 0, dout, 0),)


tanh = Op(
    tanh_forward,
    tanh_backward,
    forms={"tanh' as (1 + y)(1 - y)": Op(tanh_forward, tanh_backward_factored)},
)
relu = Op(relu_forward, relu_backward)
