"""What losses are known to compute instead. Shapes as in `reference.ops.losses`."""

from dataclasses import replace

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.reduced import of_each


def huber_in_parts() -> dict[str, Op]:
    """Return Huber's loss of a quadratic part q = min(|e|, delta) and a linear part |e| - q.

    Where |e| < delta, dE/d|e| is delta, of the linear part, plus q - delta: small errors cancel.
    """

    def backward(
        dE: Array, E: Array, y: Array, t: Array, *, delta: float = 1.0, reduction: str = "mean"
    ) -> tuple[Array, Array]:
        dL, size = of_each(dE, reduction, y.size), np.abs(t - y)
        q = np.minimum(size, delta)
        whole = delta * dL
        slope = whole + (q * dL - whole)
        de = np.where(t > y, slope, -slope)
        return -de, de

    return {"huber": replace(OPS["huber"], backward=backward)}
