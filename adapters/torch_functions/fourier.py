"""Fourier transforms: products with the matrix of cosines and sines, along one axis at a time.

X_k = sum_j x_j e^(-2 pi i jk/n); the inverse has e^(+2 pi i jk/n), over n.
Source: Cooley and Tukey, An algorithm for the machine calculation of complex Fourier series (1965).
The fast algorithm has log n roundings for an entry, of which the sums of n terms here allow more.
"""

from collections.abc import Sequence
from math import sqrt
from string import ascii_letters
from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import (
    COMPLEX,
    Call,
    NotKnown,
    Reader,
    Seen,
    Tensor,
    array,
    made_of,
    reads,
)
from backproof.reference.ops import Array

LONGEST = 2048
"""The longest transform that is read: its matrix has as many rows and columns."""


def circle(n: int) -> Array:
    """Return cos and sin of 2 pi jk/n for all j, k < n, (n, n, 2); quarters of it are exact."""
    turn = np.outer(range(n), range(n)) % n
    angle = 2 * np.pi * turn / n
    quarter, rest = np.divmod(4 * turn, n)
    exact = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[quarter]
    return np.where(rest[..., None] == 0, exact, np.stack([np.cos(angle), np.sin(angle)], -1))


def matrix(kind: str, n: int, size: int) -> Array:
    """Return what a transform of length n multiplies an axis of a size with, (size, n, 2, ...).

    kind: "fft", "ifft", or "irfft", which has no last axis: its results are real. The third axis is
    that of the parts of an operand. Operands beyond n, or beyond the size, are left out or zero.
    """
    c, s = np.moveaxis(circle(n), -1, 0)
    if kind == "irfft":  # of one half, of which the other is the conjugate
        half = np.arange(n // 2 + 1)
        twice = np.where((half == 0) | (2 * half == n), 1, 2)[:, None, None]
        found = np.stack([c, -s], -1)[half] * twice
    else:
        s = s if kind == "fft" else -s
        found = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    rows = np.zeros((size, *found.shape[1:]))
    rows[: len(found)] = found[:size]
    return rows


def transformed(x: Tensor, kinds: Sequence[tuple[str, int, int]], norm: str | None) -> Call:
    """Return the call of one transform after another. kinds: of each its kind, axis and length."""
    shape, tensors, found = [*x.shape], [x], list[Any]()
    if not x.is_complex():
        tensors.append(np.zeros(x.shape))
        found.append(("stack", (0, 1), {"axis": -1}))
    for kind, axis, n in kinds:
        if n > LONGEST:
            raise NotKnown(f"a transform of more than {LONGEST:,} entries")
        usual = "forward" if kind == "fft" else "backward"
        share = 1 / sqrt(n) if norm == "ortho" else 1 / n if (norm or "backward") == usual else 1
        tensors.append(matrix(kind, n, shape[axis]) * share)
        old = ascii_letters[: len(shape)]
        part, new = ("X" if kind != "irfft" else ""), old.replace(old[axis], "Z")
        equation = f"{old}Y,{old[axis]}ZY{part}->{new}{part}"
        found.append(("einsum", (-1 if found else 0, len(tensors) - 1), {"equation": equation}))
        shape[axis] = n
    return made_of("Fourier transform", tensors, *found)


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
    reads(f"fft_{_kind}", into=COMPLEX)(along_one(_kind))
    reads(f"fft_{_kind}2", into=COMPLEX)(reader_of(_kind, (-2, -1)))
    reads(f"fft_{_kind}n", into=COMPLEX)(reader_of(_kind, None))


@reads("stft", into=COMPLEX)
def stft(
    _: Seen,
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Call:
    """Read it as the transforms of windows that slide over a signal, (..., k, window)."""
    if align_to_window or not return_complex or getattr(window, "requires_grad", False):
        raise NotKnown(
            "a window that is aligned or differentiated, or a result that is not complex"
        )
    starts = np.arange(0, input.shape[-1] - n_fft + 1, hop_length or n_fft // 4)
    length = win_length or n_fft
    weights = np.ones(length) if window is None else array(window).astype(np.float64)
    before = (n_fft - length) // 2
    weights = np.pad(weights, (before, n_fft - length - before))
    share = 1 / sqrt(n_fft) if normalized else 1
    M = matrix("fft", n_fft, n_fft) * share
    if onesided is not False:
        M = M[:, : n_fft // 2 + 1]
    batch = "ab"[: input.dim() - 1]
    return made_of(
        "stft",
        (input, weights, M[:, :, 0]),
        ("slice", (0,), {"index": (..., starts[:, None] + np.arange(n_fft))}),
        ("multiply", (-1, 1)),
        ("einsum", (-1, 2), {"equation": f"{batch}tj,jkz->{batch}ktz"}),
    )
