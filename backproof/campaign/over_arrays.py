"""Links replayed over float64 arrays: the reference's op for the operands that were seen."""

from typing import Any

import numpy as np

from backproof.reference.numbers.precision import Precision
from backproof.reference.verdict.certificate import Replay
from backproof.reference.verdict.link import Quantity


class OverArrays(Replay):
    """Replays links over arrays in the place of balls; nothing is rounded to the precision."""

    def operand(self, quantity: Quantity, p: Precision) -> Any:  # noqa: ARG002 as it is
        """Return a quantity's array in float64."""
        return np.asarray(self.seen(quantity), float)

    def rounded(self, ball: Any) -> Any:
        """Return an op's result as it is."""
        return ball
