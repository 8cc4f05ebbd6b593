"""What convolution is known to compute instead. Shapes as in `reference.ops.convolution`."""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Array, Op


def unwritten_where_all_is_padding() -> dict[str, Op]:
    """Return convolution whose dW nobody writes where the kernel sees padding alone.

    There it holds what was in memory before: NaN stands for any number.
    """
    right = OPS["conv"]

    def backward(dy: Array, y: Array, x: Array, W: Array, *b: Array, **options: Any) -> Any:
        dx, dW, *db = right.backward(dy, y, x, W, *b, **options)
        # 1. With ones everywhere, dW counts the entries of x that an entry of the kernel sees.
        ones = (np.ones(np.shape(a)) for a in (dy, y, x, W))
        count = right.backward(*ones, **options)[1]
        # 2. Where it sees none, the right gradient is zero.
        strided = np.max(options.get("stride", 1)) > 1
        return (dx, np.where(count > 0, dW, np.nan) if strided else dW, *db)

    return {"conv": Op(right.forward, backward)}
