"""Sequences of several lengths: padded to the longest, or packed without padding.

Shapes: T time, B sequences, N rows of all sequences together. Packed are the rows of the first
time, then those of the second: first in a batch are the sequences that last longest.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import Call, Seen, Tensor, array, made_of, reads
from backproof.reference.ops import Array


def laid_out(rows: Sequence[Tensor], places: Array, padding: float) -> Call:
    """Return the call that takes to each place one of the N rows, and to place N a padding."""
    width = ((0, 1), *((0, 0) for _ in rows[0].shape[1:]))
    return made_of(
        "pad_sequence",
        rows,
        ("concatenate", range(len(rows)), {"axis": 0}),
        ("pad", (-1,), {"width": width, "value": float(padding)}),
        ("slice", (-1,), {"index": places}),
    )


@reads("pack_padded_sequence")
def pack_padded_sequence(
    _: Seen, input: Tensor, lengths: Tensor, batch_first: bool = False
) -> Call:
    """Read it as what is there: of sequence b all times before lengths[b]."""
    n = array(lengths)
    times, b = np.nonzero(np.arange(n.max())[:, None] < n)
    return Call("slice", (input,), {"index": (b, times) if batch_first else (times, b)})


@reads("pad_packed_sequence")
def pad_packed_sequence(
    _: Seen,
    data: Tensor,
    batch_sizes: Tensor,
    batch_first: bool,
    padding_value: float,
    total_length: int,
) -> Call:
    """Read it as rows that are laid out. batch_sizes: how many rows there are at each time."""
    rows = array(batch_sizes)
    places = np.full((max(total_length, len(rows)), rows.max()), len(data))
    places[np.nonzero(np.arange(rows.max()) < rows[:, None])] = np.arange(len(data))
    return laid_out([data], places.T if batch_first else places, padding_value)


@reads("pad_sequence")
def pad_sequence(
    _: Seen,
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Call:
    """Read it as rows that are laid out, after the padding or before it."""
    lengths = [len(one) for one in sequences]
    places = np.full((len(lengths), max(lengths)), sum(lengths))
    there = np.arange(max(lengths)) < np.array(lengths)[:, None]
    places[there[:, ::-1] if padding_side == "left" else there] = np.arange(sum(lengths))
    return laid_out(sequences, places if batch_first else places.T, padding_value)
