"""The reduction of a loss: from the losses of all entries to one number, if that is asked for.

reduction: "none" for the losses as they are, "sum", or "mean": their sum divided by a number n.
"""

from typing import Any

import numpy as np

from backproof.reference.ops.op import Array


def reduced(terms: Array, reduction: str, n: Any, axis: int | None = None) -> Array:
    """Return the losses, their sum, or their sum / n.

    axis: the one that a loss is a sum over; None: each term is a loss. Raises ValueError for
    another reduction.
    """
    if reduction == "none":
        return terms if axis is None else np.sum(terms, axis=axis)
    if reduction not in {"mean", "sum"}:
        raise ValueError(f"reduction {reduction!r}; known: none, mean, sum")
    total = np.sum(terms)
    return total / n if reduction == "mean" else total


def of_each(dE: Array, reduction: str, n: Any) -> Array:
    """Return what each loss receives: its own dE, or its share dE / n of the mean's."""
    return dE / n if reduction == "mean" else dE
