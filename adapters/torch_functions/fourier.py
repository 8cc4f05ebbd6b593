"""Fourier transforms along axes."""

from collections.abc import Sequence
from typing import Any

from backproof.adapters.torch_functions.calls import (
    COMPLEX,
    READERS,
    Call,
    NotKnown,
    Reader,
    Seen,
    Tensor,
    made_of,
    reads,
)
from backproof.reference.ops.fourier import LONGEST, Kind, transforms


def transformed(x: Tensor, kinds: Sequence[Kind], norm: str | None) -> Call:
    """Return the call of one transform after another, of real or complex numbers."""
    if any(n > LONGEST for _, _, n in kinds):
        raise NotKnown(f"a transform of more than {LONGEST:,} entries")
    matrices, found = transforms(tuple(x.shape), kinds, norm, is_complex=x.is_complex())
    return made_of("Fourier transform", (x, *matrices), *found)


def half(call: Call, axis: int, n: int) -> Call:
    """Return a call and the first half of what it makes, along an axis of n."""
    first = (*[slice(None)] * axis, slice(n // 2 + 1))
    own = (call.op, range(len(call.tensors)), call.options, call.own)
    return made_of("Fourier transform", call.tensors, own, ("slice", (-1,), {"index": first}))


def reader_of(kind: str, usual: Any) -> Reader:
    """Return the reader of a transform along several axes; usual: the axes that are its default."""

    def read(seen: Seen, input: Tensor, s: Any = None, dim: Any = usual, norm: Any = None) -> Call:
        s, dim = ((x,) if isinstance(x, int) else x for x in (s, dim))
        count = len(s) if s is not None else input.dim()
        axes = [i % input.dim() for i in (dim if dim is not None else range(-count, 0))]
        sides = [seen.result.shape[i] for i in axes]
        if kind == "rfft":  # of which half is kept
            sides[-1] = s[-1] if s is not None else input.shape[axes[-1]]
        of = "ifft" if "i" in kind else "fft"
        kinds = [(of, axis, n) for axis, n in zip(axes, sides, strict=True)]
        if kind == "irfft":
            kinds[-1] = ("irfft", axes[-1], sides[-1])
        call = transformed(input, kinds, norm)
        return half(call, axes[-1], sides[-1]) if kind == "rfft" else call

    return read


def along_one(kind: str) -> Reader:
    """Return the reader of a transform along one axis."""
    read = reader_of(kind, None)

    def read_one(seen: Seen, input: Tensor, n: Any = None, dim: int = -1, norm: Any = None) -> Call:
        return read(seen, input, None if n is None else (n,), (dim,), norm)

    return read_one


for _kind in ("fft", "ifft", "rfft", "irfft"):
    for _table in (COMPLEX, READERS) if _kind == "irfft" else (COMPLEX,):
        reads(f"fft_{_kind}", into=_table)(along_one(_kind))
        reads(f"fft_{_kind}2", into=_table)(reader_of(_kind, (-2, -1)))
        reads(f"fft_{_kind}n", into=_table)(reader_of(_kind, None))
