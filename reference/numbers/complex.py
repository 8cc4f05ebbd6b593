"""Complex: an array of complex numbers, whose real and imaginary parts are numbers of any kind.

An op that runs over `Complex` is the op of complex numbers, with the rounding of each real step.
Source: Higham, Accuracy and Stability of Numerical Algorithms, sec. 3.6, for what steps the
operations are made of.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from backproof.reference.numbers.exact_rules import MOVES
from backproof.reference.numbers.methods import Methods, Rules
from backproof.reference.ops.functions import solve_embedded


class Complex(Methods):
    """An array of complex numbers. re, im: arrays of one kind of number and of one shape."""

    rank = 2
    rules: ClassVar[Rules] = {}

    def __init__(self, re: Any, im: Any) -> None:
        """Take both as they are; neither is copied."""
        self.re, self.im = re, im

    @classmethod
    def of_parts(cls, z: Any) -> "Complex":
        """Return the complex numbers whose parts lie along the last axis of z, (..., 2)."""
        return cls(z[..., 0], z[..., 1])

    def parts(self) -> Any:
        """Return both parts along a new last axis, (..., 2)."""
        return np.concatenate(
            [np.reshape(x, (*self.shape, 1)) for x in (self.re, self.im)], axis=-1
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return np.shape(self.re)

    @property
    def T(self) -> "Complex":
        """The transpose, without conjugates."""
        return Complex(self.re.T, self.im.T)

    def reshape(self, *shape: Any) -> "Complex":
        """Return the same entries in another shape."""
        return Complex(self.re.reshape(*shape), self.im.reshape(*shape))

    def conjugate(self) -> "Complex":
        """Return a - ib."""
        return Complex(self.re, -self.im)

    def rounding(self) -> Any:
        """Return zeros; over `Ball`, with the error of rounding each part once."""
        return Complex(*(x.rounding() if hasattr(x, "rounding") else 0 * x for x in each(self)))

    def __getitem__(self, index: Any) -> "Complex":
        return Complex(self.re[index], self.im[index])

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write to an array that `np.zeros_like` has made; other arrays are shared."""
        self.re[index], self.im[index] = each(values)

    def by_entry(self, rule: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        """Return what a rule makes of real and complex numbers."""
        return rule(*map(_of_number, inputs))

    def __repr__(self) -> str:
        return f"Complex({self.re}, {self.im})"


def _of_number(z: Any) -> Any:
    """Return one of Python's complex numbers as `Complex`; all else as it is."""
    return Complex(z.real, z.imag) if isinstance(z, complex) else z


def each(z: Any) -> tuple[Any, Any]:
    """Return the parts of numbers; the imaginary part of real ones is zero."""
    if isinstance(z, Complex):
        return z.re, z.im
    return (z, np.zeros_like(z)) if np.ndim(z) else (z, 0)


def _sum_of(f: Any) -> Callable[[Any, Any], Complex]:
    """Return the rule of a sum or difference, of the parts."""

    def rule(z: Any, w: Any) -> Complex:
        (a, b), (c, d) = each(z), each(w)
        if not isinstance(z, Complex):  # nothing is rounded where b is zero
            d = d if f is np.add else -d
            return Complex(re := f(a, c), np.broadcast_to(d, np.shape(re)))
        if not isinstance(w, Complex):
            return Complex(re := f(a, c), np.broadcast_to(b, np.shape(re)))
        return Complex(f(a, c), f(b, d))

    return rule


def _multiply(z: Any, w: Any) -> Complex:
    """Return (a + ib)(c + id) = ac - bd + i(ad + bc); a real factor multiplies both parts."""
    (a, b), (c, d) = each(z), each(w)
    if not isinstance(w, Complex):
        return Complex(a * c, b * c)
    if not isinstance(z, Complex):
        return Complex(a * c, a * d)
    return Complex(a * c - b * d, a * d + b * c)


def _divide(z: Any, w: Any) -> Complex:
    """Return (a + ib) / (c + id) = (ac + bd + i(bc - ad)) / (c^2 + d^2).

    Smith's quotient (Algorithm 116, CACM 5, 1962) has r = d / c, and (a + br) / (c + dr). It is
    rounded no more often: by 3u, 3u and the quotient. Here it is 2u, 2u, and the quotient of 5u.
    """
    (a, b), (c, d) = each(z), each(w)
    if not isinstance(w, Complex):
        return Complex(a / c, b / c)
    size = c * c + d * d
    if not isinstance(z, Complex):
        return Complex(a * c / size, -(a * d / size))
    return Complex((a * c + b * d) / size, (b * c - a * d) / size)


def _matmul(z: Any, w: Any) -> Complex:
    """Return z w, whose parts are a sum of 2 n products each, in any order."""
    (a, b), (c, d) = each(z), each(w)
    if not isinstance(w, Complex):
        return Complex(a @ c, b @ c)
    if not isinstance(z, Complex):
        return Complex(a @ c, a @ d)
    both = np.concatenate([a, b], axis=-1)
    rows = -2 if np.ndim(c) > 1 else -1
    re = np.concatenate([c, -d], axis=rows)
    im = np.concatenate([d, c], axis=rows)
    return Complex(both @ re, both @ im)


def absolute(z: Complex) -> Any:
    """Return |z| = sqrt(a^2 + b^2), a real number."""
    return np.sqrt(z.re * z.re + z.im * z.im)


def _equal(z: Any, w: Any) -> Any:
    (a, b), (c, d) = each(z), each(w)
    return (a == c) & (b == d)


def _add_at(target: Complex, index: Any, values: Any) -> None:
    for part, added in zip(each(target), each(values), strict=True):
        np.add.at(part, index, added)


def _by_parts(f: Callable[..., Any]) -> Callable[..., Complex]:
    """Return the rule of a linear function of one array: moves, repeats and sums of entries."""
    return lambda z, *arguments, **options: Complex(
        *(f(part, *arguments, **options) for part in each(z))
    )


def _where(mask: Any, z: Any, w: Any) -> Complex:
    return Complex(*(np.where(mask, a, b) for a, b in zip(each(z), each(w), strict=True)))


def _concatenate(arrays: Sequence[Any], axis: int = 0) -> Complex:
    re, im = zip(*map(each, arrays), strict=True)
    return Complex(np.concatenate(re, axis=axis), np.concatenate(im, axis=axis))


def _pad(z: Complex, width: Any, *, constant_values: Any = 0) -> Complex:
    values = complex(constant_values)
    re = np.pad(z.re, width, constant_values=values.real)
    return Complex(re, np.pad(z.im, width, constant_values=values.imag))


def _solve(A: Any, B: Any) -> Complex:
    """Return X of A X = B: [a, -b; b, a] [Re X; Im X] = [Re B; Im B]."""
    (a, b), (c, d) = each(A), each(B)
    above, below = np.concatenate([a, -b], axis=-1), np.concatenate([b, a], axis=-1)
    sides = np.concatenate([c, d], axis=-2)
    X, n = solve_embedded(np.concatenate([above, below], axis=-2), sides), A.shape[-1]
    return Complex(X[..., :n, :], X[..., n:, :])


def _ones_like(z: Complex) -> Complex:
    return Complex(np.ones_like(z.re), np.zeros_like(z.im))


Complex.rules |= {
    np.negative: lambda z: Complex(-z.re, -z.im),
    np.conjugate: Complex.conjugate,
    np.absolute: absolute,
    np.add: _sum_of(np.add),
    np.subtract: _sum_of(np.subtract),
    np.multiply: _multiply,
    np.divide: _divide,
    np.matmul: _matmul,
    np.equal: _equal,
    np.add.at: _add_at,
    np.sum: _by_parts(np.sum),
    np.cumsum: _by_parts(np.cumsum),
    np.concatenate: _concatenate,
    np.where: _where,
    np.zeros_like: _by_parts(np.zeros_like),
    np.ones_like: _ones_like,
    np.pad: _pad,
    np.linalg.solve: _solve,
    np.ndim: lambda z: z.ndim,
    np.shape: lambda z: z.shape,
}
Complex.rules |= {move: _by_parts(move) for move in MOVES}
