"""Classical mistakes of add, multiply, scale and matmul.

Shapes: a and b of add and multiply broadcast to y and dy; of matmul they are (..., I, K) and
(..., K, O).
"""

from typing import Any

import numpy as np

from backproof.reference.ops.op import sum_to_shape
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    changing,
    cotangents,
    fixed,
    forward,
)

da, db = Cotangent(0), Cotangent(1)
OPERANDS = {"first": da, "second": db}


def not_summed(of: Cotangent) -> Wrong:
    """Hand on to a broadcast operand from one of its places alone."""

    def first(right: Any, dy: Any, y: Any, *operands: Any) -> Any:
        whole = right(dy, y, *(np.broadcast_to(a, y.shape) for a in operands))
        shape = np.shape(operands[of.position])
        taken = whole[(0,) * (np.ndim(dy) - len(shape))]
        return taken[tuple(slice(n) for n in shape)]

    return of.of_right(first)


def broadcast(which: str) -> Table:
    """Return the fault of what an operand was broadcast to."""
    return {
        (
            f"{which} operand's gradient not summed",
            "what the first of the places hands on that the operand was broadcast to",
        ): not_summed(OPERANDS[which]).known("a broadcast forgotten on the way back")
    }


def addend(which: str) -> Table:
    """Return the faults of one operand of a sum."""
    of = OPERANDS[which]
    return {
        (f"{which} operand's gradient lost", "zero"): of.lost.known(
            "a residual branch that is cut off"
        ),
        (f"{which} operand's gradient halved", "half of dy"): of.times(0.5).known(
            "dy shared out between the branches"
        ),
        **broadcast(which),
    }


def factor(which: str) -> Table:
    """Return the faults of one operand of a product."""
    of = OPERANDS[which]
    return {
        (f"{which} operand taken for a constant", "zero"): of.lost.known(
            "the product rule's other half"
        ),
        (f"{which} operand's gradient not multiplied", "dy, without the other operand"): of(
            lambda dy, y, *ab: sum_to_shape(dy, ab[of.position].shape)
        ).known("add's backward function"),
        **broadcast(which),
    }


def read(a: Any) -> Any:
    """Return matrices in the shape of their transposes, read row by row."""
    return a.reshape(*a.shape[:-2], a.shape[-1], a.shape[-2])


ADD: Table = {
    ("subtracted", "a - b"): forward(lambda a, b: a - b).known("a sign"),
    **addend("first"),
    **addend("second"),
}

MULTIPLY: Table = {
    ("added", "a + b"): forward(lambda a, b: a + b).known("the wrong operator"),
    ("own operand for the other", "a dy for da = b dy, b dy for db = a dy"): cotangents(
        lambda dy, y, a, b: (sum_to_shape(dy * a, a.shape), sum_to_shape(dy * b, b.shape))
    ),
    **factor("first"),
    **factor("second"),
}

SCALE: Table = {
    ("factor forgotten", "what a factor of 1 gives"): fixed(factor=1.0).known(
        "attention without 1 / sqrt D"
    ),
    ("factor squared", "what factor^2 gives"): changing(
        lambda o: {"factor": o["factor"] * o["factor"]}
    ).known("1 / D for 1 / sqrt D, or a factor applied twice"),
    ("divided by the factor", "what 1 / factor gives"): changing(
        lambda o: {"factor": 1 / o["factor"]}
    ),
}

MATMUL: Table = {
    ("second operand untransposed", "dy b with b read row by row, instead of dy b^T"): da(
        lambda dy, y, a, b: dy @ read(b)
    ),
    ("first operand untransposed", "a dy with a read row by row, instead of a^T dy"): db(
        lambda dy, y, a, b: read(a) @ dy
    ),
    ("outer product the wrong way round", "dy^T a, read as (K, O)"): db(
        lambda dy, y, a, b: (np.swapaxes(dy, -1, -2) @ a).reshape(*b.shape)
    ),
    ("first operand detached", "zero"): da.lost,
    ("second operand detached", "zero"): db.lost,
}
