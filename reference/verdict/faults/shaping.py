"""Classical mistakes of what moves entries about, from concatenate to pad, and of embedding.

Shapes: of embedding, rows of W (V, C) by integers (...), y and dy (..., C); of others any.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    changing,
    cotangents,
    forward,
    function,
)

dx = dw = Cotangent()


def taken(start: Callable[[list[int], int], int]) -> Wrong:
    """Give every part what begins elsewhere: start(size of every part, i) for part i."""

    def backward(dy: Any, y: Any, *parts: Any, axis: int) -> tuple[Any, ...]:
        sizes = [part.shape[axis] for part in parts]
        starts = [start(sizes, i) for i in range(len(parts))]
        turned = np.swapaxes(dy, 0, axis)
        return tuple(
            np.swapaxes(turned[at : at + n], 0, axis) for at, n in zip(starts, sizes, strict=True)
        )

    return cotangents(backward)


CONCATENATE: Table = {
    ("order reversed", "the last part first"): forward(
        lambda *parts, axis: np.concatenate(parts[::-1], axis=axis)
    ).known("route layers of YOLO, written the other way round"),
    ("order reversed on the way back", "what belongs to the parts in the reverse order"): taken(
        lambda sizes, i: sum(sizes[i + 1 :])
    ),
    ("offset forgotten", "what belongs to the first part"): taken(lambda sizes, i: 0),
}


def by_columns(x: Any, shape: Sequence[int]) -> Any:
    """Return the entries of x, column by column, in another shape."""
    return np.transpose(np.reshape(np.transpose(x), shape[::-1]))


RESHAPE: Table = {
    ("column by column", "what the entries give column by column"): function(
        lambda x, shape: by_columns(x, np.reshape(np.zeros(np.shape(x)), shape).shape),
        lambda dy, y, x, shape: (by_columns(dy, np.shape(x)),),
    ).known("the order of MATLAB and Fortran")
}

TRANSPOSE: Table = {
    ("reshaped instead", "the entries in their old order, in the new shape"): function(
        lambda x, axes: np.reshape(x, tuple(x.shape[i] for i in axes)),
        lambda dy, y, x, axes: (np.reshape(dy, x.shape),),
    ).known("view() for transpose(), where heads or layouts are split"),
    (
        "transposed the same way again",
        "the axes of dy in the order of axes, not put back, read in the shape of x",
    ): dx(lambda dy, y, x, axes: np.reshape(np.transpose(dy, axes), x.shape)).known(
        "right where the order is its own inverse"
    ),
}


def first(dy: Any) -> tuple[slice, ...]:
    """Return the index of as many first rows, columns, ... as dy has."""
    return tuple(slice(n) for n in dy.shape)


def put(dy: Any, x: Any, index: Any) -> Any:
    """Return zeros in the shape of x, but dy at an index."""
    dx = np.zeros_like(x)
    dx[index] = dy
    return dx


SLICE: Table = {
    ("taken from the start", "the first rows, columns, ... of x"): forward(
        lambda x, index: x[first(x[index])]
    ).known("offset and step forgotten"),
    ("placed at the start", "dy among the first rows, columns, ... of dx"): dx(
        lambda dy, y, x, index: put(dy, x, first(dy))
    ).known("offset and step forgotten"),
    ("gradient lost", "zero"): dx.lost.known("a copy"),
}

PAD: Table = {
    ("all on one side", "what all of the zeros after x give, none before"): function(
        lambda x, width: np.pad(x, [(0, sum(both)) for both in width]),
        lambda dy, y, x, width: (dy[first(x)],),
    ).known("TensorFlow's SAME padding")
}


def averaged(dW: Any, W: Any, *, index: Any) -> Any:
    """Return the mean over the places that a row was looked up from."""
    counts = np.bincount(np.ravel(index), minlength=W.shape[0])
    return dW / np.maximum(counts, 1)[:, None]


def padded(dW: Any, W: Any, *, index: Any) -> Any:
    """Return dW with zeros in its first row."""
    return np.where(np.arange(W.shape[0])[:, None] > 0, dW, 0)


EMBEDDING: Table = {
    ("index off by one", "what the row before the one asked for gives"): changing(
        lambda o: {"index": np.asarray(o["index"]) - 1}
    ).known("tokens counted from one"),
    ("repeated index written over", "dy of the last place that a row was looked up from"): dw(
        lambda dy, y, W, index: put(dy, W, index)
    ).known("dW[index] = dy for np.add.at"),
    ("averaged over repeats", "the mean over the places that a row was looked up from"): dw.then(
        averaged
    ).known("scale_grad_by_freq"),
    ("row 0 taken for padding", "dW with zeros in its first row"): dw.then(padded).known(
        "padding_idx=0"
    ),
    ("gradient lost", "zero"): dw.lost.known(
        "a table that was looked up outside of the graph: of tied weights the head alone learns"
    ),
}
