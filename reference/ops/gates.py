"""Activations in pieces, and gates: hard sigmoid, hard swish, PReLU, GLU."""

from dataclasses import replace

import numpy as np

from backproof.reference.ops.functions import either_side, stop, with_tangent
from backproof.reference.ops.op import Array, Op, sum_to_shape
from backproof.reference.ops.sigmoid import sigmoid_derivative, sigmoid_forward

TURNS = 3
"""Where a hard sigmoid is 1; it is 0 at the negative."""


def in_pieces(z: Array, above: Array, between: Array, below: Array, share: float) -> Array:
    """Return what belongs above 3, between -3 and 3, and below; at -3 and 3, what is between.

    share: 1 for what is between, 0 for what is beyond.
    """
    lower = either_side(z, between, below, share, -TURNS)
    return either_side(z, above, lower, 1 - share, TURNS)


def hard_sigmoid(share: float = 0.0) -> Op:
    """Return the op z / 6 + 1/2, between 0 and 1 (Howard et al. 2019, sec. 5.2: ReLU6(z + 3) / 6).

    share: of the slope between -3 and 3 that it has at them.
    """

    def forward(z: Array) -> Array:
        """Return z / 6 + 1/2, between 0 and 1."""
        return np.minimum(np.maximum(z + TURNS, 0), 2 * TURNS) / (2 * TURNS)

    def backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
        zero = np.zeros_like(z)
        return (in_pieces(z, zero, dout / (2 * TURNS), zero, share),)

    return Op(forward, backward)


def hard_swish(share: float = 0.0, *, expanded: bool = False) -> Op:
    """Return the op z h(z), h the hard sigmoid (Howard et al. 2019, sec. 5.2).

    share: of the slope between -3 and 3 that it has at them. expanded: whether that slope is
    multiplied out, as the product rule gives it.
    """

    def forward(z: Array) -> Array:
        """Return z h(z), h the hard sigmoid."""
        return z * np.minimum(np.maximum(z + TURNS, 0), 2 * TURNS) / (2 * TURNS)

    def backward(dout: Array, out: Array, z: Array) -> tuple[Array]:
        # z (z + 3) / 6 between -3 and 3 has the slope (2 z + 3) / 6; z above has 1, zero has 0.
        if expanded:
            between = dout * ((z + TURNS) / (2 * TURNS)) + dout * (z / (2 * TURNS))
            above = dout / (2 * TURNS) * (2 * TURNS)
        else:
            between, above = dout * (z / TURNS + 0.5), dout
        return (in_pieces(z, above, between, np.zeros_like(z), share),)

    return Op(forward, backward)


def along_channels(a: Array, z: Array) -> Array:
    """Return a slope for each channel, (C,), in the shape in which it broadcasts along axis 1."""
    return np.reshape(a, (-1, *(1 for _ in range(2, np.ndim(z)))))


def prelu_forward(z: Array, a: Array) -> Array:
    """Return z where z > 0, else a z (He et al. 2015, eq. 1).

    z: (N, C, ...). a: (C,), or (1,) for all channels.
    """
    return np.where(z > 0, z, along_channels(a, z) * z)


def prelu_backward(dout: Array, out: Array, z: Array, a: Array) -> tuple[Array, Array]:
    """Return dz (N, C, ...), and da (C,), the sum of z dout below zero.

    At z = 0, dz is a dout.
    """
    slope = along_channels(a, z)
    dz = np.where(z > 0, dout, slope * dout)
    da = sum_to_shape(np.where(z > 0, 0, z * dout), np.shape(slope))
    return dz, np.reshape(da, np.shape(a))


def prelu_forward_above(z: Array, a: Array) -> Array:
    """Return the same, with the slope 1 at z = 0."""
    return np.where(z < 0, along_channels(a, z) * z, z)


def prelu_backward_above(dout: Array, out: Array, z: Array, a: Array) -> tuple[Array, Array]:
    """Return the same, but dout at z = 0."""
    dz, da = prelu_backward(dout, out, z, a)
    return np.where(z < 0, dz, dout), da


def glu_forward(x: Array, *, axis: int = -1) -> Array:
    """Return a s(b), s the sigmoid, of the halves a, b of x (Dauphin et al. 2017).

    axis: along which they follow one another.
    """
    a, b = halves(x, axis)
    return a * sigmoid_forward(b)


def glu_forward_from_output(x: Array, *, axis: int = -1) -> Array:
    """Return the same, with the tangent s(b) da + (y - y s(b)) db of the rounded s(b) and y.

    Only the tangent differs: it cancels where s(b) is near 1.
    """
    a, b = halves(x, axis)
    s = stop(sigmoid_forward(b))
    y = stop(a) * s
    return with_tangent(glu_forward(x, axis=axis), s * a + (y - y * s) * b)


def glu_forward_by_output(x: Array, *, axis: int = -1) -> Array:
    """Return the same, with s'(b) = s (1 - s) of the rounded s as the slope of its tangent."""
    a, b = halves(x, axis)
    s = sigmoid_forward(b)
    return a * with_tangent(s, sigmoid_derivative(stop(s)) * b)


def glu_backward(dy: Array, y: Array, x: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dx, in the shape of x: da = dy s(b) and db = dy a s'(b), one after the other."""
    a, b = halves(x, axis)
    s = sigmoid_forward(b)
    return (np.concatenate([dy * s, dy * (a * sigmoid_derivative(s))], axis=axis),)


def glu_backward_from_input(dy: Array, y: Array, x: Array, *, axis: int = -1) -> tuple[Array]:
    """Return dx with s'(b) = s(b) s(-b), in which nothing cancels."""
    a, b = halves(x, axis)
    s, rest = sigmoid_forward(b), sigmoid_forward(-b)
    return (np.concatenate([dy * s, dy * (a * (s * rest))], axis=axis),)


def halves(x: Array, axis: int) -> tuple[Array, Array]:
    """Return the first and the second half of x along an axis."""
    before = (slice(None),) * (axis % np.ndim(x))
    n = np.shape(x)[axis] // 2
    return x[(*before, slice(0, n))], x[(*before, slice(n, 2 * n))]


hardsigmoid = replace(
    hard_sigmoid(),
    forms={"slope between at -3 and 3": hard_sigmoid(1), "slope halved there": hard_sigmoid(0.5)},
)
hardswish = replace(
    hard_swish(),
    forms={
        "slope between at -3 and 3": hard_swish(1),
        "mean of both slopes": hard_swish(0.5),
        "hard swish' multiplied out": hard_swish(expanded=True),
        "hard swish' multiplied out, mean of both slopes": hard_swish(0.5, expanded=True),
    },
)
prelu = Op(
    prelu_forward,
    prelu_backward,
    forms={"slope 1 at zero": Op(prelu_forward_above, prelu_backward_above)},
)
glu = Op(
    glu_forward,
    glu_backward,
    forms={
        "sigmoid' from the input": Op(glu_forward, glu_backward_from_input),
        "the tangent from the output": Op(glu_forward_from_output, glu_backward),
        "sigmoid' from the output": Op(glu_forward_by_output, glu_backward),
    },
)
