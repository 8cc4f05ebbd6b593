"""Classical mistakes of indexing: of slice, add_at, put, masked_fill and embedding.

Shapes: of embedding, rows of W (V, C) by integers (...), y and dy (..., C); of others any.
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.indexing import at
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    changing,
    forward,
    function,
)
from backproof.reference.verdict.faults.shaping import first

dx = dw = Cotangent()
dsource = Cotangent(1)


def put(dy: Any, x: Any, index: Any) -> Any:
    """Return zeros in the shape of x, but dy at an index."""
    dx = np.zeros_like(x)
    dx[index] = dy
    return dx


def start(y: Any, x: Any) -> Any:
    """Return the index of the first rows, columns, ... of x, or its first entries, as y has."""
    if len(y.shape) == len(x.shape) and all(n <= m for n, m in zip(y.shape, x.shape, strict=True)):
        return first(y)
    return np.unravel_index(np.arange(y.size).reshape(y.shape) % x.size, x.shape)


SLICE: Table = {
    ("taken from the start", "the first rows, columns, ... of x"): forward(
        lambda x, index: x[start(x[index], x)]
    ).known("offset and step forgotten"),
    ("placed at the start", "dy among the first rows, columns, ... of dx"): dx(
        lambda dy, y, x, index: put(dy, x, start(y, x))
    ).known("offset and step forgotten"),
    ("gradient lost", "zero"): dx.lost.known("a copy"),
    ("repeated index written over", "dy of the last place that an entry was taken to"): dx(
        lambda dy, y, x, index: put(dy, x, index)
    ).known("dx[index] = dy for np.add.at"),
}

ADD_AT: Table = {
    ("written over", "the last of the entries for each place, in the place of what was there"): (
        forward(lambda x, source, index: OPS["put"].forward(x, source, index=index)).known(
            "scatter for scatter_add"
        )
    ),
    ("repeated index written over", "the last of several entries for one place alone"): forward(
        lambda x, source, index: x + put(source, x, index)
    ).known("y[index] += source in NumPy"),
    ("subtracted", "x less the source"): forward(
        lambda x, source, index: OPS["add_at"].forward(x, -source, index=index)
    ).known("a sign"),
    ("what was added to takes nothing back", "dy, with zeros where something was added"): dx(
        lambda dy, y, x, source, index: np.where(at(index, x.shape), 0, dy)
    ).known("scatter's backward function"),
    ("gradient of the source lost", "zero"): dsource.lost,
}

PUT: Table = {
    ("added", "x with the values added"): forward(
        lambda x, values, index: OPS["add_at"].forward(x, values, index=index)
    ).known("scatter_add for scatter"),
    ("what was written over takes dy", "dy, where it was written over as well"): dx.passed_on.known(
        "index_add's backward function"
    ),
    ("gradient of the values lost", "zero"): dsource.lost.known("an assignment to .data"),
}

MASKED_FILL: Table = {
    ("mask inverted", "what is filled where the mask is false"): changing(
        lambda o: {"mask": ~np.asarray(o["mask"])}
    ).known("masks of what is seen, for masks of what is hidden"),
    ("added", "the value added where the mask is true"): function(
        lambda x, mask, value: x + np.where(mask, value, 0), lambda dy, *_, **__: (1 * dy,)
    ).known("additive masks: right for -infinity"),
    ("gradient leaks through the mask", "dy, where it was filled as well"): dx.passed_on,
}


def averaged(dW: Any, W: Any, *, index: Any, **_: Any) -> Any:
    """Return the mean over the places that a row was looked up from."""
    counts = np.bincount(np.ravel(index), minlength=W.shape[0])
    return dW / np.maximum(counts, 1)[:, None]


def padded(dW: Any, W: Any, *, index: Any, **_: Any) -> Any:
    """Return dW with zeros in its first row."""
    return np.where(np.arange(W.shape[0])[:, None] > 0, dW, 0)


EMBEDDING: Table = {
    ("index off by one", "what the row before the one asked for gives"): changing(
        lambda o: {"index": np.asarray(o["index"]) - 1}
    ).known("tokens counted from one"),
    ("repeated index written over", "dy of the last place that a row was looked up from"): dw(
        lambda dy, y, W, index, **_: put(dy, W, index)
    ).known("dW[index] = dy for np.add.at"),
    ("averaged over repeats", "the mean over the places that a row was looked up from"): dw.then(
        averaged
    ).known("scale_grad_by_freq"),
    ("row 0 taken for padding", "dW with zeros in its first row"): dw.then(padded).known(
        "padding_idx=0"
    ),
    ("padding row learns", "dW, with what its row of padding receives"): dw.of_right(
        lambda right, dy, y, W, index, **_: right(dy, y, W, index=index)
    ).known("padding_idx forgotten"),
    ("gradient lost", "zero"): dw.lost.known(
        "a table that was looked up outside of the graph: of tied weights the head alone learns"
    ),
}
