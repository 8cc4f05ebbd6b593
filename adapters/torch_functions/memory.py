"""Views by places in memory."""

from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import Call, NotKnown, Seen, Tensor, reads
from backproof.adapters.torch_functions.writing import put


def index_of(x: Tensor, size: Any, stride: Any, offset: int | None) -> tuple[Any, ...]:
    """Return the index of the entries of x that a view of its memory shows. Raises NotKnown."""
    own = places(x.shape, x.stride(), x.storage_offset())
    shown = places(size, stride, x.storage_offset() if offset is None else offset)
    entry = np.full(x.untyped_storage().nbytes() // x.element_size(), -1)
    entry[own] = np.arange(x.numel()).reshape(own.shape)
    if len(np.unique(own)) != own.size or (entry[shown] < 0).any():
        raise NotKnown("other places in memory than those of its entries")
    return np.unravel_index(entry[shown], tuple(x.shape))


def places(size: Any, stride: Any, offset: int) -> Any:
    """Return the places in memory of a view's entries."""
    found = np.asarray(offset)
    for n, step in zip(size, stride, strict=True):
        found = found[..., None] + step * np.arange(n)
    return found


@reads("as_strided")
def as_strided(
    seen: Seen, input: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Call:
    """Read it as taking entries. Raises NotKnown for a part of a memory that is taken in place."""
    both = (t.untyped_storage().nbytes() for t in (input, seen.result))
    if next(both) != next(both):
        raise NotKnown("a copy that is not of all of its memory")
    return Call("slice", (input,), {"index": index_of(input, size, stride, storage_offset)})


@reads("as_strided_scatter")
def as_strided_scatter(
    _: Seen, input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Call:
    if input.requires_grad:
        raise NotKnown("PyTorch's gradient is that of the entries which are written over")
    return put(input, index_of(input, size, stride, storage_offset), src)
