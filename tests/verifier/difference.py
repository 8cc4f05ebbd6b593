"""Derivatives without the chain rule: difference quotients over Arb balls.

At 200 bits and a step of 2^-80, (f(x + h) - f(x - h)) / 2h has an error near h^2, which is
10^-48, and loses 80 bits of 200 to cancellation: some 36 digits of the derivative are left.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import flint
import numpy as np

from backproof.reference.numbers.exact import BITS, exact
from backproof.reference.ops import Array

BOXES, GELU, ELEMENTARY, SPECIAL = (
    import_module(f"backproof.reference.ops.{name}")
    for name in ("boxes", "gelu", "elementary", "special")
)

STEP = flint.arb(2) ** -80
ERROR = flint.arb(2) ** -100
"""The allowed difference of quotient and derivative: far above h^2, far below any fault."""


@contextmanager
def on_paper(bits: int = BITS) -> Iterator[None]:
    """Compute with balls of `bits` bits, the ops' constants among them, instead of rounded ones."""
    with flint.ctx.workprec(bits):
        constants = {"pi": flint.arb.pi(), "sqrt": lambda x: flint.arb(x).sqrt()}
        with (
            patch.multiple(GELU, CUBIC=decimal(GELU.CUBIC), **constants),
            patch.multiple(ELEMENTARY, **constants),
            patch.multiple(SPECIAL, **constants),
            patch.object(BOXES, "pi", flint.arb.pi()),
        ):
            yield


def decimal(option: Any) -> Any:
    """Return an option of an op; a float becomes a ball of the decimal meant, such as 1/10."""
    return exact(repr(option))[()] if isinstance(option, float) else option


def gradient(f: Callable[[Array], Any], x: Array) -> Array:
    """Return df/dx, entry by entry, of a scalar f at an object array of balls."""
    indices = list(np.ndindex(x.shape))
    return np.array(quotients(f, x, indices), dtype=object).reshape(x.shape)


def quotients(
    f: Callable[[Array], Any], x: Array, indices: Iterable[tuple[int, ...]]
) -> list[flint.arb]:
    """Return df/dx at some entries; each costs two evaluations of f."""
    found = []
    for index in indices:
        ends = []
        for step in (STEP, -STEP):
            moved = x.copy()
            moved[index] = x[index] + step
            ends.append(f(moved))
        found.append((ends[0] - ends[1]) / (2 * STEP))
    return found


def drawn(shape: tuple[int, ...], most: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Return the indices of all entries of an array, or of `most` of them where it has more."""
    indices = list(np.ndindex(shape))
    chosen = np.random.default_rng(seed).permutation(len(indices))[:most]
    return [indices[i] for i in sorted(chosen)]


def close(one: Array, other: Array) -> bool:
    """Return whether all entries of two arrays of balls are proven to differ by less than ERROR."""
    pairs = zip(np.ravel(one), np.ravel(other), strict=True)
    return np.shape(one) == np.shape(other) and all(bool(abs(a - b) < ERROR) for a, b in pairs)
