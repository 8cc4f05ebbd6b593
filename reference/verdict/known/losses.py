"""What losses are known to compute instead. Shapes as in `reference.ops.losses`."""

from dataclasses import replace

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import stop
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


def outputs_constant_in_forward_mode() -> dict[str, Op]:
    """Return squared errors whose tangent is that of their labels alone.

    What y receives is minus what t receives, and is taken for a constant beside it.
    """

    def of(name: str) -> Op:
        forward = OPS[name].forward
        return replace(OPS[name], forward=lambda y, t, **o: forward(stop(y), t, **o))

    return {name: of(name) for name in ("half_squared_error", "mean_squared_error")}
