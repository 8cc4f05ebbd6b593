"""Losses: from the network's outputs and their targets to one number.

Shapes: B batch, O outputs; every loss returns a scalar, shape ().
"""

import numpy as np

from reference.ops.op import Array, Op


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


half_squared_error = Op(half_squared_error_forward, half_squared_error_backward)
