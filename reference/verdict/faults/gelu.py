"""Classical mistakes of GELU, z P(z): net input z, output y, d = dE/dy, all of one shape."""

from math import pi, sqrt
from typing import Any

import numpy as np

from backproof.reference.ops.functions import erf
from backproof.reference.ops.gelu import CUBIC, inner
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.verdict.faults.activations import PRODUCT
from backproof.reference.verdict.faults.families import Cotangent, Table, changing, function


def probability(z: Any, *, approximate: str = "none") -> Any:
    """Return P(z)."""
    return 0.5 * (1 + (np.tanh(inner(z)) if approximate == "tanh" else erf(z * sqrt(0.5))))


def density(z: Any, three: float = 3.0, *, approximate: str = "none") -> Any:
    """Return P'(z); three: what the derivative of the cubic is taken to be times."""
    if approximate == "tanh":
        t = np.tanh(inner(z))
        return 0.5 * ((1 - t * t) * (sqrt(2 / pi) * (1 + three * CUBIC * (z * z))))
    return np.exp(-0.5 * (z * z)) * sqrt(0.5 / pi)


def quick_back(d: Any, y: Any, z: Any, **_: str) -> tuple[Any]:
    """Return dz of y = z s(1.702 z)."""
    s = sigmoid_forward(1.702 * z)
    return (d * (s * (1 + 1.702 * z * (1 - s))),)


def unscaled(z: Any, *, approximate: str = "none") -> Any:
    """Return y, the argument of erf or tanh not scaled."""
    argument = z + CUBIC * (z * z * z)
    return 0.5 * z * (1 + (np.tanh(argument) if approximate == "tanh" else erf(z)))


def unscaled_back(d: Any, y: Any, z: Any, *, approximate: str = "none") -> tuple[Any]:
    """Return dz of the same."""
    if approximate == "tanh":
        t = np.tanh(z + CUBIC * (z * z * z))
        return (d * (0.5 * (1 + t) + 0.5 * z * ((1 - t * t) * (1 + 3 * CUBIC * (z * z)))),)
    return (d * (0.5 * (1 + erf(z)) + z * (np.exp(-(z * z)) * sqrt(1 / pi))),)


OTHER = {"none": "tanh", "tanh": "none"}
"""GELU's two forms."""

dz = Cotangent()

GELU: Table = {
    ("the other form", "what tanh for erf gives, or erf for tanh"): changing(
        lambda o: {"approximate": OTHER[o.get("approximate", "none")]}
    ).known("PyTorch's default is erf, that of jax.nn.gelu is tanh"),
    ("as net s(1.702 net)", "what net s(1.702 net) gives"): function(
        lambda z, **_: z * sigmoid_forward(1.702 * z), quick_back
    ).known("the paper's second approximation, of CLIP and others"),
    (
        "scale of the argument forgotten",
        "what erf(net) gives, or tanh(net + 0.044715 net^3)",
    ): function(unscaled, unscaled_back).known("erf's square root of 2"),
    ("density term missing", "dout P(net), without net P'(net)"): dz.slope(
        lambda y, z, **o: probability(z, **o)
    ).known(PRODUCT),
    ("net input forgotten in the density term", "dout (P + P')"): dz.slope(
        lambda y, z, **o: probability(z, **o) + density(z, **o)
    ),
    ("density term alone", "dout net P'(net), without P(net)"): dz.slope(
        lambda y, z, **o: z * density(z, **o)
    ).known(PRODUCT),
    (
        "lost factor 3 of the cubic's derivative",
        "what 1 + 0.044715 net^2 gives for 1 + 3 0.044715 net^2",
    ): dz.slope(lambda y, z, **o: probability(z, **o) + z * density(z, 1.0, **o)),
    ("no derivative", "dout"): dz.passed_on,
}
