"""Classical mistakes of ReLU's relatives: d = dout, y = out, z = net input, all of one shape."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import Op
from backproof.reference.ops.sigmoid import sigmoid_forward
from backproof.reference.verdict.faults.fault import (
    Fault,
    in_backward,
    in_both,
    in_forward,
    times,
    with_options,
)


def leaky_relu() -> Iterator[Fault]:
    """Yield the faults of leaky ReLU."""
    both = partial(in_both, "leaky_relu")
    yield both(
        "slope forgotten",
        "what a slope of 0 gives",
        with_options("leaky_relu", lambda _: {"negative_slope": 0.0}),
    )
    yield both(
        "default slope",
        "what a slope of 0.01 gives, whatever was asked for",
        with_options("leaky_relu", lambda _: {"negative_slope": 0.01}),
        "PyTorch's default is 0.01, Keras's was 0.3",
    )
    yield both("slope applied to positives", "what a slope above zero gives", Op(_bent, _bent_back))
    yield in_backward(
        "leaky_relu", 0, "no derivative", "dout everywhere", lambda d, y, z, **_: 1 * d
    )


def _bent(z: Any, *, negative_slope: float = 0.01) -> Any:
    return np.where(z > 0, negative_slope * z, z)


def _bent_back(d: Any, y: Any, z: Any, *, negative_slope: float = 0.01) -> tuple[Any]:
    return (np.where(z > 0, negative_slope * d, d),)


def elu() -> Iterator[Fault]:
    """Yield the faults of ELU."""
    backward = partial(in_backward, "elu", 0)
    yield in_both(
        "elu",
        "alpha forgotten",
        "what an alpha of 1 gives",
        with_options("elu", lambda _: {"alpha": 1.0}),
    )
    yield in_forward(
        "elu",
        "minus one forgotten",
        "alpha e^net where net < 0",
        lambda z, alpha=1.0: np.where(z > 0, z, alpha * np.exp(np.minimum(z, 0))),
    )
    yield backward(
        "its own output for the derivative",
        "dout out where net < 0, without + alpha",
        lambda d, y, z, **_: np.where(z > 0, d, d * y),
        "the derivative is out + alpha",
    )
    yield backward("no derivative", "dout everywhere", lambda d, y, z, **_: 1 * d)
    yield backward(
        "zero at negatives",
        "dout max(sign(net), 0), ReLU's",
        lambda d, y, z, **_: np.where(z > 0, d, 0),
    )


def softplus() -> Iterator[Fault]:
    """Yield the faults of softplus."""
    backward = partial(in_backward, "softplus", 0)
    yield in_both(
        "softplus",
        "beta forgotten",
        "what a beta of 1 gives",
        with_options("softplus", lambda _: {"beta": 1.0}),
    )
    yield in_both(
        "softplus",
        "1 / beta forgotten",
        "log(1 + e^(beta net)), beta times too much",
        times("softplus", lambda z, beta=1.0, **_: beta),
    )
    yield backward(
        "1 / beta kept in the derivative",
        "dout s(beta net) / beta",
        lambda d, y, z, beta=1.0, **_: d * sigmoid_forward(beta * z) / beta,
        "beta of the chain rule forgotten",
    )
    yield backward(
        "derivative at the output",
        "dout s(beta out) instead of dout s(beta net)",
        lambda d, y, z, beta=1.0, **_: d * sigmoid_forward(beta * y),
    )
    yield backward(
        "sign of the exponent lost",
        "dout s(-beta net)",
        lambda d, y, z, beta=1.0, **_: d * sigmoid_forward(-(beta * z)),
    )
    yield backward("no derivative", "dout", lambda d, y, z, **_: 1 * d)
    yield backward(
        "sigmoid's derivative",
        "dout s (1 - s), s = s(beta net)",
        lambda d, y, z, beta=1.0, **_: (
            d * (sigmoid_forward(beta * z) * sigmoid_forward(-(beta * z)))
        ),
    )
