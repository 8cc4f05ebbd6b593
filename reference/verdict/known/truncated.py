"""What products are whose bfloat16 numbers are cut off. Shapes as in `reference.ops`."""

from dataclasses import replace
from typing import Any

from backproof.reference.numbers.precision import BFLOAT16
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.op import sum_to_shape

SHORTER = 1 - BFLOAT16.u
"""Numbers that are cut off are those of (1 - u) y, rounded to nearest: from (1 - 2u) y to y."""


def truncated_products() -> dict[str, Op]:
    """Return matrix products whose numbers, in float32 at first, lose their last 16 bits.

    The gradient of a bias is a sum, which is rounded.
    """

    def product(name: str) -> Op:
        right = OPS[name]

        def forward(*operands: Array, **options: Any) -> Array:
            a, b, *bias = operands
            y = right.forward(a, b, **options) * SHORTER
            return y + bias[0] if bias else y

        def backward(dy: Array, y: Array, *operands: Array, **options: Any) -> tuple[Array, ...]:
            found = right.backward(dy, y, *operands[:2], **options)
            biases = (sum_to_shape(dy, b.shape) for b in operands[2:])
            return (*(SHORTER * d for d in found), *biases)

        return replace(right, forward=forward, backward=backward)

    return {name: product(name) for name in ("dense", "matmul")}
