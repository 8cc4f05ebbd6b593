"""Classical mistakes of einsum and addmm; shapes as in `reference.ops.products`."""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.verdict.faults.families import Cotangent, Table, fixed, forward

first, second, third = map(Cotangent, range(3))


def reversed_axes(y: Any) -> Any:
    """Return y with its axes in the reverse order, read row by row in its own shape."""
    return np.reshape(np.transpose(y), y.shape)


EINSUM: Table = {
    ("axes of the result exchanged", "the result's axes in the reverse order, read in its shape"): (
        forward(
            lambda *operands, equation: reversed_axes(
                OPS["einsum"].forward(*operands, equation=equation)
            )
        ).known("letters of the result in another order")
    ),
    ("first operand taken for a constant", "zero"): first.lost,
    ("second operand taken for a constant", "zero"): second.lost,
}

ADDMM: Table = {
    ("alpha forgotten", "what an alpha of 1 gives"): fixed(alpha=1.0),
    ("beta forgotten", "what a beta of 1 gives"): fixed(beta=1.0),
    ("addend forgotten", "the product alone"): forward(
        lambda c, a, b, **o: OPS["addmm"].forward(0 * c, a, b, **o)
    ),
    ("beta forgotten on the way back", "dy for beta dy"): first.of_right(
        lambda right, *a, alpha=1, beta=1: right(*a, alpha=alpha)
    ),
    ("alpha forgotten in the first factor's gradient", "dy b^T"): second.of_right(
        lambda right, *a, alpha=1, beta=1: right(*a, beta=beta)
    ),
    ("alpha forgotten in the second factor's gradient", "a^T dy"): third.of_right(
        lambda right, *a, alpha=1, beta=1: right(*a, beta=beta)
    ),
    ("gradient of the addend lost", "zero"): first.lost,
}
