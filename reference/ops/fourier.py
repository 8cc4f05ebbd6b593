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

from backproof.reference.ops.op import Array

LONGEST = 2048
"""The longest transform that is read: its matrix has as many rows and columns."""

Kind = tuple[str, int, int]
"""A transform along one axis: its kind (see `matrix`), the axis, and its length."""


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


def transforms(
    shape: Sequence[int], kinds: Sequence[Kind], norm: str | None = None, *, is_complex: bool
) -> tuple[list[Array], list[Any]]:
    """Return matrices, and the steps that make one transform after another of x and of these.

    x: complex, (*shape, 2); or real, (*shape,). norm: "forward", "backward" (None) or "ortho".
    Each step is an op, the places of its operands (see `made_of` of the adapters) and its options.
    """
    sides, matrices, steps = [*shape], list[Array](), list[Any]()
    if not is_complex:
        matrices.append(np.zeros(shape))
        steps.append(("stack", (0, 1), {"axis": -1}))
    for kind, axis, n in kinds:
        usual = "forward" if kind == "fft" else "backward"
        share = 1 / sqrt(n) if norm == "ortho" else 1 / n if (norm or "backward") == usual else 1
        matrices.append(matrix(kind, n, sides[axis]) * share)
        old = ascii_letters[: len(sides)]
        part, new = ("X" if kind != "irfft" else ""), old.replace(old[axis], "Z")
        equation = f"{old}Y,{old[axis]}ZY{part}->{new}{part}"
        steps.append(("einsum", (-1 if steps else 0, len(matrices)), {"equation": equation}))
        sides[axis] = n
    return matrices, steps
