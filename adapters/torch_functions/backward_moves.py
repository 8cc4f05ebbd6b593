"""The functions beneath autograd that move or copy entries, or write them into zeros."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from backproof.adapters.torch_functions.calls import ATEN, Call, Seen, Tensor, made_of, reads
from backproof.adapters.torch_functions.indexing import place
from backproof.reference.ops.cast import cast
from backproof.reference.ops.indexing import moved


@reads("index", into=ATEN)
def index(_: Seen, x: Tensor, indices: Any) -> Call:
    """Read it as taking entries by an index along each axis, or by a mask of several axes."""
    found = tuple(slice(None) if one is None else place(one) for one in indices)
    return Call("slice", (x,), {"index": found})


@reads("diagonal_backward", into=ATEN)
def diagonal_backward(
    _: Seen, dy: Tensor, input_sizes: Any, offset: int, dim1: int, dim2: int
) -> Call:
    """Read it as zeros, of which the diagonal is dy."""
    where = moved(tuple(input_sizes), lambda a: np.diagonal(a, offset, dim1, dim2))
    return into_zeros(dy, input_sizes, where)


@reads("unfold_backward", into=ATEN)
def unfold_backward(_: Seen, dy: Tensor, input_sizes: Any, dim: int, size: int, step: int) -> Call:
    """Read it as zeros, to which the windows are added."""
    axis = dim % len(input_sizes)
    every = (*[slice(None)] * axis, slice(None, None, step))
    where = moved(tuple(input_sizes), lambda a: sliding_window_view(a, size, axis)[every])
    zeros = np.zeros(tuple(input_sizes), np.float32)
    return made_of("into zeros", (zeros, dy), ("add_at", (0, 1), {"index": where}))


@reads("slice", into=ATEN)
def slice_(
    _: Seen, x: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Call:
    index = (*[slice(None)] * (dim % x.dim()), slice(start, end, step))
    return Call("slice", (x,), {"index": index})


@reads("slice_backward", into=ATEN)
def slice_backward(
    _: Seen, dy: Tensor, input_sizes: Any, dim: int, start: int, end: int, step: int
) -> Call:
    """Read it as zeros, of which a part is dy."""
    index = (*[slice(None)] * (dim % len(input_sizes)), slice(start, end, step))
    return into_zeros(dy, input_sizes, index)


@reads("select_backward", into=ATEN)
def select_backward(_: Seen, dy: Tensor, input_sizes: Any, dim: int, index: int) -> Call:
    """Read it as zeros, of which a part is dy."""
    return into_zeros(dy, input_sizes, (*[slice(None)] * (dim % len(input_sizes)), index))


def into_zeros(dy: Tensor, shape: Any, index: Any) -> Call:
    """Return the call that writes dy into zeros."""
    return made_of(
        "into zeros", (np.zeros(tuple(shape), np.float32), dy), ("put", (0, 1), {"index": index})
    )


@reads("_unsafe_view", into=ATEN)
def unsafe_view(_: Seen, x: Tensor, size: Any) -> Call:
    return Call("reshape", (x,), {"shape": tuple(size)})


@reads("_to_copy", into=ATEN)
def to_copy(_: Seen, x: Tensor, **_options: Any) -> Call:
    """Read it as a cast: autocast has them in its backward passes."""
    return Call("cast", (x,), own=cast)
