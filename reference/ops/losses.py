"""Losses of distances: from the network's outputs and their targets to one number.

Shapes: B batch, O outputs. A loss is the losses of all entries, (B, O), or their mean or sum, ();
see `reduced`.
"""

from dataclasses import replace

import numpy as np

from backproof.reference.ops.functions import either_side, stop, with_tangent
from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.piecewise import sign_as_quotient
from backproof.reference.ops.reduced import of_each, reduced


def half_squared_error_forward(y: Array, t: Array) -> Array:
    """Return E = 1/2 sum (t - y)^2, shape () (article, part 2; formula row 3).

    y, t: (B, O), summed over both. The article calls it "mean squared error"; nothing in it is
    a mean.
    """
    e = t - y
    return 0.5 * np.sum(e * e)


def half_squared_error_backward(dE: Array, E: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O) (article, step 3.1, term 1)."""
    # 1. dE/de = 1/2 * 2 e: the 1/2 cancels the exponent.
    de = dE * (t - y)
    # 2. e = t - y, so de/dy = -1 and de/dt = +1.
    return -de, de


def mean_squared_error_forward(y: Array, t: Array, *, reduction: str = "mean") -> Array:
    """Return e^2 of each entry, e = t - y, or E, their mean over n entries."""
    e = t - y
    return reduced(e * e, reduction, y.size)


def mean_squared_error_forward_by_operand(y: Array, t: Array, *, reduction: str = "mean") -> Array:
    """Return the same, with a tangent of each operand alone: 2 e dt - 2 e dy.

    Only the tangent differs: it cancels where dy is near dt.
    """
    e = stop(t - y)
    return reduced(with_tangent((t - y) * (t - y), 2 * e * t - 2 * e * y), reduction, y.size)


def mean_squared_error_backward(
    dE: Array, E: Array, y: Array, t: Array, *, reduction: str = "mean"
) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O)."""
    # 1. dE/de = 2 e / n.
    de = of_each(dE, reduction, y.size) * (2 * (t - y))
    # 2. e = t - y, so de/dy = -1 and de/dt = +1.
    return -de, de


def huber_forward(y: Array, t: Array, *, delta: float = 1.0, reduction: str = "mean") -> Array:
    """Return e^2 / 2 of each entry where |e| <= delta, else delta (|e| - delta / 2), or their mean.

    Source: Huber, Robust Estimation of a Location Parameter (1964), p. 75. e = t - y.
    """
    e = t - y
    size = np.abs(e)
    losses = np.where(size > delta, delta * (size - 0.5 * delta), 0.5 * e * e)
    return reduced(losses, reduction, y.size)


def huber_backward(
    dE: Array, E: Array, y: Array, t: Array, *, delta: float = 1.0, reduction: str = "mean"
) -> tuple[Array, Array]:
    """Return dy and dt, both (B, O)."""
    # 1. dE/de = e / n where |e| <= delta, else delta sign(e) / n: e, clipped to +-delta.
    de = of_each(dE, reduction, y.size) * np.maximum(np.minimum(t - y, delta), -delta)
    # 2. e = t - y, so de/dy = -1 and de/dt = +1.
    return -de, de


def of_sizes(share: float = 0.5) -> Op:
    """Return the op |e| of each entry, e = t - y, or their mean.

    share: of the way from slope -1 to slope 1 at e = 0; by default, the slope there is zero.
    """

    def forward(y: Array, t: Array, *, reduction: str = "mean") -> Array:
        """Return |t - y| of each entry, or their mean."""
        return reduced(either_side(t - y, t - y, y - t, share), reduction, y.size)

    def backward(
        dE: Array, E: Array, y: Array, t: Array, *, reduction: str = "mean"
    ) -> tuple[Array, Array]:
        # dE/de = sign(e) / n.
        dL = of_each(dE, reduction, y.size)
        de = either_side(t - y, dL, -dL, share)
        return -de, de

    return Op(forward, backward)


def of_sizes_backward_of_quotient(
    dE: Array, E: Array, y: Array, t: Array, *, reduction: str = "mean"
) -> tuple[Array, Array]:
    """Return dy and dt, whose sign(e) is e / |e|: on paper the same, but rounded twice."""
    de = sign_as_quotient(of_each(dE, reduction, y.size), t - y)
    return -de, de


def kl_div_forward(
    y: Array, t: Array, *, log_target: bool = False, reduction: str = "mean"
) -> Array:
    """Return t (log t - y) of each entry, or their mean (Kullback and Leibler 1951, eq. 2.4).

    y: logarithms of probabilities. t: probabilities, of which 0 log 0 is 0; with log_target, their
    logarithms.
    """
    losses = np.exp(t) * (t - y) if log_target else t * log_or_zero(t) - t * y
    return reduced(losses, reduction, y.size)


def kl_div_backward(
    dE: Array, E: Array, y: Array, t: Array, *, log_target: bool = False, reduction: str = "mean"
) -> tuple[Array, Array]:
    """Return dy and dt, in the shape of y."""
    dL = of_each(dE, reduction, y.size)
    # 1. With log_target, d e^t (t - y) / dt = e^t (t - y) + e^t.
    if log_target:
        e = np.exp(t)
        return -(dL * e), dL * (e * (t - y)) + dL * e
    # 2. Otherwise d t (log t - y) / dt = log t + 1 - y.
    return -(dL * t), dL * (log_or_zero(t) + 1 - y)


def log_or_zero(t: Array) -> Array:
    """Return log t; where t is zero, zero."""
    return np.log(np.where(t > 0, t, 1))


half_squared_error = Op(half_squared_error_forward, half_squared_error_backward)
mean_squared_error = Op(
    mean_squared_error_forward,
    mean_squared_error_backward,
    forms={
        "each operand's tangent alone": Op(
            mean_squared_error_forward_by_operand, mean_squared_error_backward
        )
    },
)
huber = Op(huber_forward, huber_backward)
l1_loss = replace(
    of_sizes(),
    forms={
        "slope 1 at zero": of_sizes(1),
        "slope -1 at zero": of_sizes(0),
        "e / |e|": replace(of_sizes(), backward=of_sizes_backward_of_quotient),
    },
)
kl_div = Op(kl_div_forward, kl_div_backward)
