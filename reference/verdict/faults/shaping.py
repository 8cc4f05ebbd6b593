"""Classical mistakes of what moves whole arrays, from concatenate to pad."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.verdict.faults.families import (
    Cotangent,
    Table,
    Wrong,
    cotangents,
    forward,
    function,
)

dx = Cotangent()


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


PAD: Table = {
    ("all on one side", "what all of the zeros after x give, none before"): function(
        lambda x, width, value=0: np.pad(
            x, [(0, sum(both)) for both in width], constant_values=value
        ),
        lambda dy, y, x, width, value=0: (dy[first(x)],),
    ).known("TensorFlow's SAME padding"),
    ("value forgotten", "what a padding of zeros gives"): forward(
        lambda x, width, value=0: np.pad(x, width)
    ),
}


STACK: Table = {
    ("order reversed", "the last part first"): forward(
        lambda *parts, axis: OPS["stack"].forward(*parts[::-1], axis=axis)
    ),
    ("order reversed on the way back", "the reverse of what each part gets"): cotangents(
        lambda dy, y, *parts, axis: OPS["stack"].backward(dy, y, *parts, axis=axis)[::-1]
    ),
    ("concatenated instead", "the parts one after another, read in the new shape"): forward(
        lambda *parts, axis: np.reshape(
            np.concatenate(parts), OPS["stack"].forward(*parts, axis=axis).shape
        )
    ).known("cat() and view() for stack(), along another axis than the first"),
    ("first part alone", "what belongs to the first part"): cotangents(
        lambda dy, y, *parts, axis: (
            (OPS["stack"].backward(dy, y, *parts, axis=axis)[0],) * len(parts)
        )
    ),
}

EXPAND: Table = {
    ("gradient not summed", "what the first of the places hands on"): dx(
        lambda dy, y, x, shape: np.reshape(
            dy[(0,) * (dy.ndim - x.ndim)][tuple(slice(n) for n in x.shape)], x.shape
        )
    ).known("a broadcast forgotten on the way back"),
    ("mean for sum", "the mean over the places that an entry was repeated to"): dx.then(
        lambda d, x, shape: d * (x.size / int(np.prod(shape)))
    ),
    ("gradient lost", "zero"): dx.lost,
}
