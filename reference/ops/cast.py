"""The cast: a number in another precision.

Nothing is computed. The rounding is that of storing the result, which every op has; inside of a
composed op, where other steps follow, the cast itself says into which precision it rounds.
"""

from backproof.reference.ops.functions import stored
from backproof.reference.ops.op import Array, Op


def cast_forward(x: Array, *, to: str = "") -> Array:
    """Return x, in its shape. to: the name of the precision, where it is not the result's."""
    return stored(x, to) if to else x


def cast_backward(dy: Array, y: Array, x: Array, *, to: str = "") -> tuple[Array]:
    """Return dx = dy: rounding has the slope 1 of what is rounded. dy has the precision of y."""
    return (stored(dy, to) if to else dy,)


cast = Op(cast_forward, cast_backward)
