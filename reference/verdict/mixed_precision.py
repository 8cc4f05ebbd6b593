"""Gradients that calls in a lower precision compute for an array of a wider one.

Under autocast, a norm takes numbers of bfloat16 and weights of float32. The gradients of the
weights are stored in float32, but computed in bfloat16, and have the freedoms of that precision.
Where one call alone computed a gradient, its numbers show this: all of them are numbers of
bfloat16. A sum of what several calls computed need not consist of such numbers.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.ops import Array
from backproof.reference.verdict.deciding import ROUNDED, decided, measured
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.ways import FLUSHES, Form, Freedom, Ways, freedoms

Make = Callable[[Precision], Ball]
"""From a precision to the ball of an array."""


def inside(p: Precision) -> Iterator[Freedom]:
    """Yield the freedoms of a precision but those that flush, which the wider array has itself."""
    for one in freedoms(p):
        if one.properties and FLUSHES not in one.properties:
            yield one


PROPERTIES = frozenset(
    name for p in PRECISIONS.values() for one in inside(p) for name in one.properties
)
"""What these freedoms are called."""


def ways_inside(
    quantity: Quantity,
    seen: Array,
    own: Precision,
    makers: Iterable[Precision],
    ways: Callable[[Precision | None], Ways],
    terms: Callable[[Form], Array],
) -> Ways:
    """Return the forms in which an array may be computed, those in lower precisions included.

    seen: the array. own: its precision. makers: those of the calls that it is computed by.
    ways: from how the calls in a lower precision work (None: as usual) to the array's forms.
    terms: form -> for each entry the sum of the magnitudes of the terms that are added up.
    """

    def while_it_decides(form: Form, make: Make, noise: float, p: Precision) -> Ball:
        ball = make(p)
        link = measured(quantity, own.name, seen, ball, ball.mid)
        found = decided(link, seen, ball, ball, partial(terms, form), noise)
        return ball if found else usual[form](p)

    usual, every = ways(None), [*makers]
    found = {**usual}
    for p in dict.fromkeys(p for p in every if p.digits < own.digits):
        if len(every) == 1 and not is_stored(seen, p):
            continue
        for one in inside(p):
            for form, make in ways(one.precision).items():
                tried = partial(while_it_decides, form, make, ROUNDED * p.u)
                found[*form, *one.properties] = tried if one.is_narrow else make
    return found


def is_stored(seen: Array, p: Precision) -> bool:
    """Return whether all numbers of an array are numbers of a lower precision."""
    return np.array_equal(seen.astype(p.dtype).astype(seen.dtype), seen, equal_nan=True)


def without_properties(form: Form) -> Form:
    """Return a form as the array's ops have it."""
    return tuple(name for name in form if name not in PROPERTIES)
