"""Classical mistakes of what moves entries about, from concatenate to pad."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from backproof.reference.ops import Op
from backproof.reference.verdict.faults.fault import (
    Fault,
    in_backward,
    in_both,
    in_cotangents,
    in_forward,
)


def concatenate() -> Iterator[Fault]:
    """Yield the faults of concatenate."""
    yield in_forward(
        "concatenate",
        "order reversed",
        "the last part first",
        lambda *parts, axis: np.concatenate(parts[::-1], axis=axis),
        "route layers of YOLO, written the other way round",
    )
    yield in_cotangents(
        "concatenate",
        "order reversed on the way back",
        "what belongs to the parts in the reverse order",
        _taken(lambda sizes, i: sum(sizes[i + 1 :])),
    )
    yield in_cotangents(
        "concatenate",
        "offset forgotten",
        "what belongs to the first part",
        _taken(lambda sizes, i: 0),
    )


def _taken(start: Callable[[list[int], int], int]) -> Callable[..., tuple[Any, ...]]:
    """Return a backward function; start: (size of every part, i) -> where part i begins."""

    def backward(dy: Any, y: Any, *parts: Any, axis: int) -> tuple[Any, ...]:
        sizes = [part.shape[axis] for part in parts]
        starts = [start(sizes, i) for i in range(len(parts))]
        turned = np.swapaxes(dy, 0, axis)
        return tuple(
            np.swapaxes(turned[at : at + n], 0, axis) for at, n in zip(starts, sizes, strict=True)
        )

    return backward


def reshape() -> Iterator[Fault]:
    """Yield the faults of reshape."""

    def by_columns(x: Any, shape: Sequence[int]) -> Any:
        return np.transpose(np.reshape(np.transpose(x), shape[::-1]))

    yield in_both(
        "reshape",
        "column by column",
        "what the entries give column by column",
        Op(
            lambda x, shape: by_columns(x, np.reshape(np.zeros(np.shape(x)), shape).shape),
            lambda dy, y, x, shape: (by_columns(dy, np.shape(x)),),
        ),
        "the order of MATLAB and Fortran",
    )


def transpose() -> Iterator[Fault]:
    """Yield the faults of transpose."""

    def shape(x: Any, axes: Sequence[int]) -> tuple[int, ...]:
        return tuple(x.shape[i] for i in axes)

    yield in_both(
        "transpose",
        "reshaped instead",
        "the entries in their old order, in the new shape",
        Op(
            lambda x, axes: np.reshape(x, shape(x, axes)),
            lambda dy, y, x, axes: (np.reshape(dy, x.shape),),
        ),
        "view() for transpose(), where heads or layouts are split",
    )
    yield in_backward(
        "transpose",
        0,
        "transposed the same way again",
        "the axes of dy in the order of axes, not put back, read in the shape of x",
        lambda dy, y, x, axes: np.reshape(np.transpose(dy, axes), x.shape),
        "right where the order is its own inverse",
    )


def slicing() -> Iterator[Fault]:
    """Yield the faults of slice."""

    def first(dy: Any) -> tuple[slice, ...]:
        return tuple(slice(n) for n in dy.shape)

    def at_start(dy: Any, y: Any, x: Any, *, index: Any) -> Any:
        dx = np.zeros_like(x)
        dx[first(dy)] = dy
        return dx

    yield in_forward(
        "slice",
        "taken from the start",
        "the first rows, columns, ... of x",
        lambda x, index: x[first(x[index])],
        "offset and step forgotten",
    )
    yield in_backward(
        "slice",
        0,
        "placed at the start",
        "dy among the first rows, columns, ... of dx",
        at_start,
        "offset and step forgotten",
    )
    yield in_backward(
        "slice", 0, "gradient lost", "zero", lambda dy, y, x, index: np.zeros_like(x), "a copy"
    )


def padding() -> Iterator[Fault]:
    """Yield the faults of pad."""
    yield in_both(
        "pad",
        "all on one side",
        "what all of the zeros after x give, none before",
        Op(
            lambda x, width: np.pad(x, [(0, sum(both)) for both in width]),
            lambda dy, y, x, width: (dy[tuple(slice(n) for n in x.shape)],),
        ),
        "TensorFlow's SAME padding",
    )
