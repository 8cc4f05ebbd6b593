"""Classical mistakes of GELU and SiLU: d = dout, y = out, z = net input, all of one shape."""

from collections.abc import Iterator
from functools import partial
from math import pi, sqrt
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.functions import erf
from backproof.reference.ops.gelu import CUBIC, inner
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.verdict.faults.fault import Fault, in_backward, in_both, with_options

OTHER = {"none": "tanh", "tanh": "none"}
"""GELU's two forms."""


def gelu() -> Iterator[Fault]:
    """Yield the faults of GELU."""
    backward = partial(in_backward, "gelu", 0)
    yield in_both(
        "gelu",
        "the other form",
        "what tanh for erf gives, or erf for tanh",
        with_options("gelu", lambda o: {"approximate": OTHER[o.get("approximate", "none")]}),
        "PyTorch's default is erf, that of jax.nn.gelu is tanh",
    )
    yield in_both(
        "gelu",
        "as net s(1.702 net)",
        "what net s(1.702 net) gives",
        Op(lambda z, **_: z * sigmoid_forward(1.702 * z), _quick),
        "the paper's second approximation, of CLIP and others",
    )
    yield in_both(
        "gelu",
        "scale of the argument forgotten",
        "what erf(net) gives, or tanh(net + 0.044715 net^3)",
        Op(_unscaled, _unscaled_back),
        "erf's square root of 2",
    )
    yield backward(
        "density term missing",
        "dout P(net), without net P'(net)",
        lambda d, y, z, approximate="none": d * _probability(z, approximate),
        "the product rule",
    )
    yield backward(
        "net input forgotten in the density term",
        "dout (P + P')",
        lambda d, y, z, approximate="none": (
            d * (_probability(z, approximate) + _density(z, approximate, 3.0))
        ),
    )
    yield backward(
        "density term alone",
        "dout net P'(net), without P(net)",
        lambda d, y, z, approximate="none": d * (z * _density(z, approximate, 3.0)),
        "the product rule",
    )
    yield backward(
        "lost factor 3 of the cubic's derivative",
        "what 1 + 0.044715 net^2 gives for 1 + 3 0.044715 net^2",
        lambda d, y, z, approximate="none": (
            d * (_probability(z, approximate) + z * _density(z, approximate, 1.0))
        ),
    )
    yield backward("no derivative", "dout", lambda d, y, z, **_: 1 * d)


def _probability(z: Any, approximate: str) -> Any:
    return 0.5 * (1 + (np.tanh(inner(z)) if approximate == "tanh" else erf(z * sqrt(0.5))))


def _density(z: Any, approximate: str, three: float) -> Any:
    """Return P'(z); three: what the derivative of the cubic is taken to be times."""
    if approximate == "tanh":
        t = np.tanh(inner(z))
        return 0.5 * ((1 - t * t) * (sqrt(2 / pi) * (1 + three * CUBIC * (z * z))))
    return np.exp(-0.5 * (z * z)) * sqrt(0.5 / pi)


def _quick(d: Any, y: Any, z: Any, **_: str) -> tuple[Any]:
    s = sigmoid_forward(1.702 * z)
    return (d * (s * (1 + 1.702 * z * (1 - s))),)


def _unscaled(z: Any, *, approximate: str = "none") -> Any:
    argument = z + CUBIC * (z * z * z)
    return 0.5 * z * (1 + (np.tanh(argument) if approximate == "tanh" else erf(z)))


def _unscaled_back(d: Any, y: Any, z: Any, *, approximate: str = "none") -> tuple[Any]:
    if approximate == "tanh":
        t = np.tanh(z + CUBIC * (z * z * z))
        return (d * (0.5 * (1 + t) + 0.5 * z * ((1 - t * t) * (1 + 3 * CUBIC * (z * z)))),)
    return (d * (0.5 * (1 + erf(z)) + z * (np.exp(-(z * z)) * sqrt(1 / pi))),)


def silu() -> Iterator[Fault]:
    """Yield the faults of SiLU."""

    def backward(name: str, gives: str, slope: Any, source: str) -> Fault:
        return in_backward(
            "silu", 0, name, gives, lambda d, y, z: d * slope(z, sigmoid_forward(z)), source
        )

    product = "the product rule"
    yield in_both(
        "silu",
        "net input forgotten",
        "what the sigmoid gives",
        Op(sigmoid_forward, lambda d, y, z: OPS["sigmoid"].backward(d, sigmoid_forward(z), z)),
    )
    yield backward("net s' missing", "dout s, without net s'", lambda z, s: s, product)
    yield backward("s missing", "dout net s', without s", lambda z, s: z * (s * (1 - s)), product)
    yield backward(
        "net input forgotten in net s'",
        "dout (s + s')",
        lambda z, s: s + s * (1 - s),
        product,
    )
    yield backward(
        "derivative at the output",
        "the derivative taken at the output",
        lambda z, s: sigmoid_forward(z * s) * (1 + z * s * (1 - sigmoid_forward(z * s))),
        "an activation that keeps its output alone for the way back",
    )
    yield backward("no derivative", "dout", lambda z, s: np.ones_like(z), "a stray identity")
