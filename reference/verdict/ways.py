"""The ways in which an implementation may compute an array: in which form, with which freedom."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision

Form = tuple[str, ...]
"""The names of the forms of ops in which an array is computed; empty for the reference's own."""

Ways = Mapping[Form, Callable[[Precision], Ball]]
"""Form -> from a precision to the ball of the result."""

FLUSHES = "flushes subnormals to zero"


@dataclass(frozen=True, slots=True)
class Freedom:
    """One way in which an implementation may work in a precision.

    precision:  the rounding of the steps inside an op.
    properties: what it is called.
    is_narrow:  whether sums are rounded to the precision itself on the way, though a wider
                accumulator is usual.
    """

    precision: Precision
    properties: tuple[str, ...] = ()
    is_narrow: bool = False


@cache
def freedoms(p: Precision) -> tuple[Freedom, ...]:
    """Return the ways of working in a precision; the one that widens a ball least comes first.

    The smallest normal number of float16 is large. Its subnormals are read and written as zero by
    some implementations, but never lost in the terms of a narrow accumulator. The ball of a sum in
    any order may be too wide to decide where the ball of a sum in blocks is not.
    """
    flushes = (FLUSHES,)
    if not p.accumulator:
        own = (Freedom(p), Freedom(p.flushing(), flushes), Freedom(p.zeroing(), flushes))
        return (Freedom(p.summing_in_blocks()), *own)
    steps, narrow = f"rounds every step to {p.name}", f"accumulates in {p.name}"
    return (
        Freedom(p.steps),
        Freedom(p, (steps,)),
        Freedom(p.flushing(), (steps, *flushes)),
        Freedom(p.zeroing(), (steps, *flushes)),
        Freedom(p.summing_in_parts(), (f"rounds partial sums to {p.name}",), is_narrow=True),
        Freedom(p.narrow(), (narrow,), is_narrow=True),
    )


def widest(p: Precision, properties: Collection[str]) -> Precision:
    """Return the rounding of the steps of an implementation that was seen to have properties."""
    seen = [one.precision for one in freedoms(p) if {*one.properties} <= {*properties}]
    return seen[-1]
