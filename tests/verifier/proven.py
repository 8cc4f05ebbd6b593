"""Whether balls hold proven values."""

from collections.abc import Iterator
from typing import Any

import flint
import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.exact import workprec


def outside(ball: Ball, values: Any) -> Iterator[str]:
    """Yield a message for every Arb ball that is not proven to lie inside its `Ball`."""
    rads = np.broadcast_to(ball.rad, ball.shape).ravel().tolist()
    with workprec():
        for mid, rad, value in zip(ball.mid.ravel().tolist(), rads, np.ravel(values), strict=True):
            number = value if isinstance(value, flint.arb) else flint.arb(float(value))
            if not (rad == np.inf or bool(abs(number - flint.arb(mid)) <= flint.arb(rad))):
                yield f"{number} is not in {mid} +- {rad}"
