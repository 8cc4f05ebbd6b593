"""Fourier transforms of windows that slide over a signal, and the signal that these are of.

Source: Griffin and Lim, Signal Estimation from Modified Short-Time Fourier Transform, IEEE
Transactions on Acoustics, Speech, and Signal Processing 32(2), 1984.
"""

from math import sqrt
from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import (
    COMPLEX,
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    reads,
    steps,
)
from backproof.reference.ops.fourier import LONGEST, matrix


def window_of(window: Tensor | None, length: int | None, n: int) -> tuple[Any, Step]:
    """Return the weights of a window, and the step that pads them to n. Raises NotKnown."""
    if n > LONGEST:
        raise NotKnown(f"a transform of more than {LONGEST:,} entries")
    length = length or n
    before = (n - length) // 2
    given = np.ones(length, np.float32) if window is None else window
    return given, ("weights", "pad", "window", {"width": ((before, n - length - before),)})


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
    """Read it as the transforms of parts of the signal, (..., k, window), that are weighted."""
    if align_to_window or not return_complex or getattr(window, "is_complex", bool)():
        raise NotKnown("a window that is aligned or complex, or a result that is not complex")
    given, padded = window_of(window, win_length, n_fft)
    M = matrix("fft", n_fft, n_fft) / (sqrt(n_fft) if normalized else 1)
    batch = "ab"[: input.dim() - 1]
    starts = np.arange(0, input.shape[-1] - n_fft + 1, hop_length or n_fft // 4)
    parts: Step = (
        "parts",
        "slice",
        "x",
        {"index": (*[slice(None)] * len(batch), starts[:, None] + np.arange(n_fft))},
    )
    if input.is_complex():
        column: Step = ("column", "reshape", "weights", {"shape": (n_fft, 1)})
        found = [padded, column, parts, ("weighted", "multiply", "parts column")]
        equation = f"{batch}tjy,jkyz->{batch}ktz"
    else:
        M = M[:, :, 0] if onesided is False else M[:, : n_fft // 2 + 1, 0]
        found = [padded, parts, ("weighted", "multiply", "parts weights")]
        equation = f"{batch}tj,jkz->{batch}ktz"
    last: Step = ("y", "einsum", "weighted M", {"equation": equation})
    return steps("stft", {"x": input, "window": given, "M": M}, *found, last)


@reads("istft", into=COMPLEX)
def istft(
    _: Seen,
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Call:
    """Read it as the sum of all weighted parts over the sum of the weights' squares.

    That is the signal whose transforms are nearest to the given ones, (..., k, window).
    """
    if return_complex or getattr(window, "is_complex", bool)():
        raise NotKnown("a complex signal, or a complex window")
    given, padded = window_of(window, win_length, n_fft)
    half, count, hop = n_fft // 2 + 1, input.shape[-1], hop_length or n_fft // 4
    whole = n_fft + hop * (count - 1)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else whole - start
    places = hop * np.arange(count)[:, None] + np.arange(n_fft)
    batch = "ab"[: input.dim() - 2]
    shape = (*input.shape[: len(batch)], whole)
    M = matrix("irfft", n_fft, half) / (sqrt(n_fft) if normalized else n_fft)
    kept = {"index": (..., slice(start, min(end, whole)))}
    found: list[Step] = [
        padded,
        ("half", "slice", "z", {"index": (*[slice(None)] * len(batch), slice(half))}),
        ("parts", "einsum", "half M", {"equation": f"{batch}kty,kny->{batch}tn"}),
        ("weighted", "multiply", "parts weights"),
        ("summed", "add_at", "zeros weighted", {"index": (..., places)}),
        ("signal", "slice", "summed", kept),
        ("squares", "multiply", "weights weights"),
        ("every", "expand", "squares", {"shape": (count, n_fft)}),
        ("total", "add_at", "none every", {"index": places}),
        ("envelope", "slice", "total", kept),
        ("y", "divide", "signal envelope"),
    ]
    if end > whole:
        rest = ((0, 0),) * len(batch) + ((0, end - whole),)
        found.append(("longer", "pad", "y", {"width": rest}))
    zeros, none = np.zeros(shape, np.float32), np.zeros(whole, np.float32)
    operands = {"z": input, "window": given, "M": M, "zeros": zeros, "none": none}
    return steps("istft", operands, *found)
