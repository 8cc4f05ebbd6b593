"""Whether balls hold proven values."""

from collections.abc import Iterator
from typing import Any

import flint
import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import workprec

COARSE = 2.0**-150
"""The widest Arb ball that may hold a whole `Ball`: 1 - tanh 700 takes more than 2,000 bits."""


def outside(ball: Ball, values: Any) -> Iterator[str]:
    """Yield a message for every Arb ball that is not proven to lie inside its `Ball`.

    Where the Arb ball, narrow as it is, holds the whole `Ball`, there is nothing to be proven.
    """
    rads = np.broadcast_to(ball.rad, ball.shape).ravel().tolist()
    with workprec():
        for mid, rad, value in zip(ball.mid.ravel().tolist(), rads, np.ravel(values), strict=True):
            number = value if isinstance(value, flint.arb) else flint.arb(float(value))
            inside = rad == np.inf or bool(abs(number - flint.arb(mid)) <= flint.arb(rad))
            coarse = number.contains(flint.arb(mid, rad)) and bool(number.rad() <= COARSE)
            if not (inside or coarse):
                yield f"{number} is not in {mid} +- {rad}"
