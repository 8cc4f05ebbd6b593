"""Classical mistakes of embedding: rows of W (V, C) by integers (...), y and dy (..., C)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.faults.fault import Fault, in_backward, in_both


def embedding() -> Iterator[Fault]:
    """Yield the faults."""
    right = OPS["embedding"].backward
    backward = partial(in_backward, "embedding", 0)

    def over(dy: Any, y: Any, W: Any, *, index: Any) -> Any:
        dW = np.zeros_like(W)
        dW[index] = dy
        return dW

    def averaged(dy: Any, y: Any, W: Any, *, index: Any) -> Any:
        counts = np.bincount(np.ravel(index), minlength=W.shape[0])
        return right(dy, y, W, index=index)[0] / np.maximum(counts, 1)[:, None]

    def padded(dy: Any, y: Any, W: Any, *, index: Any) -> Any:
        rows = np.arange(W.shape[0])[:, None]
        return np.where(rows > 0, right(dy, y, W, index=index)[0], 0)

    def before(index: Any) -> Any:
        return np.asarray(index) - 1

    yield in_both(
        "embedding",
        "index off by one",
        "what the row before the one asked for gives",
        Op(
            lambda W, index: W[before(index)],
            lambda dy, y, W, index: right(dy, y, W, index=before(index)),
        ),
        "tokens counted from one",
    )
    yield backward(
        "repeated index written over",
        "dy of the last place that a row was looked up from",
        over,
        "dW[index] = dy for np.add.at",
    )
    yield backward(
        "averaged over repeats",
        "the mean over the places that a row was looked up from",
        averaged,
        "scale_grad_by_freq",
    )
    yield backward(
        "row 0 taken for padding", "dW with zeros in its first row", padded, "padding_idx=0"
    )
    yield backward(
        "gradient lost",
        "zero",
        lambda dy, y, W, index: np.zeros_like(W),
        "a table that was looked up outside of the graph: of tied weights the head alone learns",
    )
