"""Classical mistakes of activations in pieces, of gates, and of smooth activations beside them.

Shapes: net input z, output y and dy = dE/dy, all of one shape; a slope for each channel, a; s is
the sigmoid.
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.gates import along_channels, halves
from backproof.reference.ops.op import sum_to_shape
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.verdict.faults.families import Cotangent, Table, forward, function

dz, da = Cotangent(0), Cotangent(1)

IDENTITY: Table = {("no derivative", "dy"): dz.passed_on}

LOG_SIGMOID: Table = {
    ("sign of the exponent lost", "dy s(z)"): dz.slope(lambda y, z: sigmoid_forward(z)),
    ("softplus", "log(1 + e^z)"): forward(OPS["softplus"].forward).known("a sign"),
    ("sigmoid's derivative", "dy s (1 - s)"): dz.slope(
        lambda y, z: sigmoid_forward(z) * sigmoid_forward(-z)
    ),
    **IDENTITY,
}


def tanh_of_softplus(z: Any) -> Any:
    """Return t = tanh(log(1 + e^z))."""
    return np.tanh(OPS["softplus"].forward(z))


MISH: Table = {
    ("net t' missing", "dy t, without net t'"): dz.slope(lambda y, z: tanh_of_softplus(z)).known(
        "the product rule"
    ),
    ("sigmoid for tanh of softplus", "what SiLU gives"): function(
        OPS["silu"].forward, OPS["silu"].backward
    ).known("the other smooth ReLU"),
    ("s missing", "dy (t + net (1 - t^2)), without s"): dz.slope(
        lambda y, z: tanh_of_softplus(z) + z * (1 - tanh_of_softplus(z) * tanh_of_softplus(z))
    ).known("the chain rule's inner derivative"),
    **IDENTITY,
}

SOFTSIGN: Table = {
    ("square forgotten", "dy / (1 + |net|)"): dz.slope(lambda y, z: 1 / (1 + np.abs(z))),
    ("absolute value forgotten", "dy / (1 + net^2)"): dz.slope(lambda y, z: 1 / (1 + z * z)),
    ("tanh", "tanh net"): forward(np.tanh),
    **IDENTITY,
}

HARDSIGMOID: Table = {
    ("slope forgotten", "dy between -3 and 3"): dz.times(6.0),
    ("sigmoid", "what the sigmoid gives"): function(
        sigmoid_forward, lambda dy, y, z: OPS["sigmoid"].backward(dy, sigmoid_forward(z), z)
    ),
    ("slope of 1/5", "net / 5 + 1/2, between 0 and 1"): forward(
        lambda z: np.minimum(np.maximum(0.2 * z + 0.5, 0), 1)
    ).known("Keras's definition"),
    **IDENTITY,
}

HARDSWISH: Table = {
    ("net h' missing", "dy h, without net h'"): dz.slope(
        lambda y, z: OPS["hardsigmoid"].forward(z)
    ).known("the product rule"),
    ("net input forgotten", "h, the hard sigmoid"): forward(OPS["hardsigmoid"].forward),
    **IDENTITY,
}

PRELU: Table = {
    ("slope's gradient of all entries", "sum z dy, above zero too"): da(
        lambda dy, y, z, a: np.reshape(sum_to_shape(z * dy, along_channels(a, z).shape), a.shape)
    ),
    ("slope's gradient lost", "zero"): da.lost,
    ("slope's gradient not multiplied", "sum dy below zero"): da(
        lambda dy, y, z, a: np.reshape(
            sum_to_shape(np.where(z > 0, 0, dy), along_channels(a, z).shape), a.shape
        )
    ),
    ("slope forgotten", "dy where z > 0, else zero"): dz(
        lambda dy, y, z, a: np.where(z > 0, dy, 0)
    ).known("ReLU's"),
    **IDENTITY,
}


def swapped(x: Any, axis: int = -1) -> Any:
    """Return x with its halves exchanged."""
    return np.concatenate(halves(x, axis)[::-1], axis=axis)


def other_half(right: Any, dy: Any, y: Any, x: Any, *, axis: int = -1) -> Any:
    """Return what the halves receive, exchanged."""
    return swapped(right(dy, y, x, axis=axis), axis)


GLU: Table = {
    ("gate of the first half", "b s(a) instead of a s(b)"): forward(
        lambda x, axis=-1: OPS["glu"].forward(swapped(x, axis), axis=axis)
    ).known("the order of the halves"),
    ("halves exchanged on the way back", "what belongs to the other half"): dz.of_right(other_half),
    ("gate taken for a constant", "zero for the second half"): dz.of_right(
        lambda right, dy, y, x, axis=-1: np.concatenate(
            [halves(right(dy, y, x, axis=axis), axis)[0], 0 * dy], axis=axis
        )
    ).known("a stray detach()"),
}
