"""What padding is known to compute instead. Shapes as in `reference.ops.shaping`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from backproof.reference.numbers.dual import Dual
from backproof.reference.ops import OPS, Op


def tangent_padded() -> dict[str, Op]:
    """Return padding that puts its value around tangents, too, where it is a constant: zero."""
    right = OPS["pad"]

    def forward(x: Any, *, width: Sequence[tuple[int, int]], value: float = 0) -> Any:
        y = right.forward(x, width=width, value=value)
        if not isinstance(x, Dual):
            return y
        return Dual(y.value, right.forward(x.whole_tangent(), width=width, value=value))

    return {"pad": replace(right, forward=forward)}
