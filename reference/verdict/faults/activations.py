"""Classical mistakes of activations, entry by entry; those of GELU have their own file.

Shapes: net input z, output y and d = dE/dy, all of one shape; s is the sigmoid.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops.sigmoid import sigmoid_backward, sigmoid_derivative, sigmoid_forward
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    fixed,
    forward,
    function,
    scaled,
)

PRODUCT = "the product rule"

dz = Cotangent()

SIGMOID: Table = {
    ("no derivative", "dout"): dz.passed_on,
    ("derivative at the output", "dout s'(out) instead of dout s'(net)"): dz.slope(
        lambda s, z: sigmoid_derivative(sigmoid_forward(s))
    ),
    ("derivative taken twice", "dout s'(net)^2"): dz(
        lambda d, s, z: d * sigmoid_derivative(s) * sigmoid_derivative(s)
    ),
    ("derivative replaced by its maximum", "dout / 4"): dz.slope(lambda s, z: 0.25),
    ("lost factor 1 - s", "dout s"): dz.slope(lambda s, z: s),
    ("lost factor s", "dout (1 - s)"): dz.slope(lambda s, z: 1 - s),
    ("net input for output", "dout net (1 - net)"): dz.slope(lambda s, z: z * (1 - z)),
    ("wrong sign", "-dout s'(net)"): dz.slope(lambda s, z: -sigmoid_derivative(s)),
    ("sign of the exponent lost", "1 / (1 + e^net)"): forward(lambda z: sigmoid_forward(-z)),
}

TANH: Table = {
    ("no derivative", "dout"): dz.passed_on,
    ("square forgotten", "dout (1 - tanh)"): dz.slope(lambda y, z: 1 - y),
    ("derivative at the output", "dout (1 - tanh(out)^2)"): dz.slope(
        lambda y, z: 1 - np.tanh(y) * np.tanh(y)
    ),
    ("plus for minus", "dout (1 + tanh^2)"): dz.slope(lambda y, z: 1 + y * y),
    ("the sigmoid's derivative", "dout tanh (1 - tanh)"): dz.slope(lambda y, z: y * (1 - y)),
}

RELU: Table = {
    ("no derivative", "dout everywhere"): dz.passed_on,
    ("derivative at negatives", "dout where net < 0"): dz(lambda d, y, z: np.where(-z > 0, d, 0)),
    ("leaky", "dout / 100 where net < 0"): dz(lambda d, y, z: np.where(z > 0, d, d / 100)),
    ("its own output for the mask", "dout max(net, 0)"): dz.slope(lambda y, z: y),
}

LEAKY_RELU: Table = {
    ("slope forgotten", "what a slope of 0 gives"): fixed(negative_slope=0.0),
    ("default slope", "what a slope of 0.01 gives, whatever was asked for"): fixed(
        negative_slope=0.01
    ).known("PyTorch's default is 0.01, Keras's was 0.3"),
    ("slope applied to positives", "what a slope above zero gives"): function(
        lambda z, negative_slope=0.01: np.where(z > 0, negative_slope * z, z),
        lambda d, y, z, negative_slope=0.01: (np.where(z > 0, negative_slope * d, d),),
    ),
    ("no derivative", "dout everywhere"): dz.passed_on,
}

ELU: Table = {
    ("alpha forgotten", "what an alpha of 1 gives"): fixed(alpha=1.0),
    ("minus one forgotten", "alpha e^net where net < 0"): forward(
        lambda z, alpha=1.0: np.where(z > 0, z, alpha * np.exp(np.minimum(z, 0)))
    ),
    ("its own output for the derivative", "dout out where net < 0, without + alpha"): dz(
        lambda d, y, z, **_: np.where(z > 0, d, d * y)
    ).known("the derivative is out + alpha"),
    ("no derivative", "dout everywhere"): dz.passed_on,
    ("zero at negatives", "dout max(sign(net), 0), ReLU's"): dz(
        lambda d, y, z, **_: np.where(z > 0, d, 0)
    ),
}

SOFTPLUS: Table = {
    ("beta forgotten", "what a beta of 1 gives"): fixed(beta=1.0),
    ("1 / beta forgotten", "log(1 + e^(beta net)), beta times too much"): scaled(
        lambda z, beta=1.0, **_: beta
    ),
    ("1 / beta kept in the derivative", "dout s(beta net) / beta"): dz(
        lambda d, y, z, beta=1.0, **_: d * sigmoid_forward(beta * z) / beta
    ).known("beta of the chain rule forgotten"),
    ("derivative at the output", "dout s(beta out) instead of dout s(beta net)"): dz.slope(
        lambda y, z, beta=1.0, **_: sigmoid_forward(beta * y)
    ),
    ("sign of the exponent lost", "dout s(-beta net)"): dz.slope(
        lambda y, z, beta=1.0, **_: sigmoid_forward(-(beta * z))
    ),
    ("no derivative", "dout"): dz.passed_on,
    ("sigmoid's derivative", "dout s (1 - s), s = s(beta net)"): dz.slope(
        lambda y, z, beta=1.0, **_: sigmoid_forward(beta * z) * sigmoid_forward(-(beta * z))
    ),
}


def slope(wrong: Callable[[Any, Any], Any]) -> Wrong:
    """Give dz = dout slope: wrong(z, s)."""
    return dz.slope(lambda y, z: wrong(z, sigmoid_forward(z)))


SILU: Table = {
    ("net input forgotten", "what the sigmoid gives"): function(
        sigmoid_forward, lambda d, y, z: sigmoid_backward(d, sigmoid_forward(z), z)
    ),
    ("net s' missing", "dout s, without net s'"): slope(lambda z, s: s).known(PRODUCT),
    ("s missing", "dout net s', without s"): slope(lambda z, s: z * (s * (1 - s))).known(PRODUCT),
    ("net input forgotten in net s'", "dout (s + s')"): slope(lambda z, s: s + s * (1 - s)).known(
        PRODUCT
    ),
    ("derivative at the output", "the derivative taken at the output"): slope(
        lambda z, s: sigmoid_forward(z * s) * (1 + z * s * (1 - sigmoid_forward(z * s)))
    ).known("an activation that keeps its output alone for the way back"),
    ("no derivative", "dout"): dz.passed_on.known("a stray identity"),
}
