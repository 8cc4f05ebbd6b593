"""Classical mistakes of the causal mask: scores (..., T, T)."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.attention import earlier
from backproof.reference.verdict.faults.fault import Fault, in_backward, in_both

Mask = Callable[[Any], Any]
"""scores -> which columns each row may see, an array of booleans (T, T)."""


def masks() -> Iterator[tuple[str, str, Mask, str]]:
    """Yield wrong masks: name, what it gives, the mask, source."""
    future = "a mask that is not applied, or has no effect"

    def tri(scores: Any, k: int) -> Any:
        return np.tri(scores.shape[-2], scores.shape[-1], k, dtype=bool)

    yield "no mask", "what every place gives that sees all others", lambda s: tri(s, s.size), future
    yield (
        "diagonal hidden",
        "what places give that do not see themselves",
        lambda s: tri(s, -1),
        "a comparison > for >=",
    )
    yield (
        "one later place seen",
        "what places give that see the next one as well",
        lambda s: tri(s, 1),
        "diagonal=1 for diagonal=0",
    )
    yield (
        "mask transposed",
        "what places give that see themselves and what is later",
        lambda s: ~tri(s, -1),
        "triu for tril",
    )


def masked(mask: Mask) -> Op:
    """Return causal_mask with another mask."""
    return Op(
        lambda scores, fill=-1e4: np.where(mask(scores), scores, fill),
        lambda dy, y, scores, fill=-1e4: (np.where(mask(scores), dy, 0),),
    )


def causal_mask() -> Iterator[Fault]:
    """Yield the faults of the mask alone."""
    for name, gives, mask, source in masks():
        yield in_both("causal_mask", name, gives, masked(mask), source)
    yield in_both(
        "causal_mask",
        "multiplied by the mask",
        "what a score of 0 gives where a place is hidden",
        Op(
            lambda scores, **_: np.where(earlier(scores), scores, 0),
            OPS["causal_mask"].backward,
        ),
        "a mask of zeros and ones before the softmax: e^0 is one",
    )
    yield in_backward(
        "causal_mask",
        0,
        "gradient leaks through the mask",
        "dy, where it was hidden as well",
        lambda dy, y, scores, **_: 1 * dy,
    )
