"""Classical mistakes of activations: dy = d, out = s or y, net input = z, all of one shape."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backproof.reference.ops.sigmoid import sigmoid_derivative, sigmoid_forward
from backproof.reference.verdict.faults.fault import COMMON, Fault, in_backward, in_forward


def sigmoid() -> Iterator[Fault]:
    """Yield the faults of the sigmoid."""

    def backward(name: str, gives: str, wrong: Any) -> Fault:
        return in_backward("sigmoid", 0, name, gives, wrong, COMMON)

    yield backward("no derivative", "dout", lambda d, s, z: 1 * d)
    yield backward(
        "derivative at the output",
        "dout s'(out) instead of dout s'(net)",
        lambda d, s, z: d * sigmoid_derivative(sigmoid_forward(s)),
    )
    yield backward(
        "derivative taken twice",
        "dout s'(net)^2",
        lambda d, s, z: d * sigmoid_derivative(s) * sigmoid_derivative(s),
    )
    yield backward("derivative replaced by its maximum", "dout / 4", lambda d, s, z: d * 0.25)
    yield backward("lost factor 1 - s", "dout s", lambda d, s, z: d * s)
    yield backward("lost factor s", "dout (1 - s)", lambda d, s, z: d * (1 - s))
    yield backward("net input for output", "dout net (1 - net)", lambda d, s, z: d * (z * (1 - z)))
    yield backward("wrong sign", "-dout s'(net)", lambda d, s, z: -(d * sigmoid_derivative(s)))
    yield in_forward(
        "sigmoid",
        "sign of the exponent lost",
        "1 / (1 + e^net)",
        lambda z: sigmoid_forward(-z),
        COMMON,
    )


def tanh() -> Iterator[Fault]:
    """Yield the faults of tanh."""

    def backward(name: str, gives: str, wrong: Any) -> Fault:
        return in_backward("tanh", 0, name, gives, wrong, COMMON)

    yield backward("no derivative", "dout", lambda d, y, z: 1 * d)
    yield backward("square forgotten", "dout (1 - tanh)", lambda d, y, z: d * (1 - y))
    yield backward(
        "derivative at the output",
        "dout (1 - tanh(out)^2)",
        lambda d, y, z: d * (1 - np.tanh(y) * np.tanh(y)),
    )
    yield backward("plus for minus", "dout (1 + tanh^2)", lambda d, y, z: d * (1 + y * y))
    yield backward(
        "the sigmoid's derivative", "dout tanh (1 - tanh)", lambda d, y, z: d * (y * (1 - y))
    )


def relu() -> Iterator[Fault]:
    """Yield the faults of ReLU."""

    def backward(name: str, gives: str, wrong: Any) -> Fault:
        return in_backward("relu", 0, name, gives, wrong, COMMON)

    yield backward("no derivative", "dout everywhere", lambda d, y, z: 1 * d)
    yield backward(
        "derivative 1 at zero", "dout also where net = 0", lambda d, y, z: np.where(-z > 0, 0, d)
    )
    yield backward(
        "derivative at negatives", "dout where net < 0", lambda d, y, z: np.where(-z > 0, d, 0)
    )
    yield backward("leaky", "dout / 100 where net < 0", lambda d, y, z: np.where(z > 0, d, d / 100))
    yield backward("its own output for the mask", "dout max(net, 0)", lambda d, y, z: d * y)
