"""Complex: an array of complex numbers, whose real and imaginary parts are numbers of any kind.

An op that runs over `Complex` is the op of complex numbers, with the rounding of each real step.
Sources: NIST's Digital Library of Mathematical Functions (DLMF), sec. 1.9, 4.2 and 4.21; Higham,
Accuracy and Stability of Numerical Algorithms, sec. 3.6, for what steps the operations are made of.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backproof.reference.numbers.composed import COMPOSED
from backproof.reference.numbers.exact_rules import MOVES
from backproof.reference.numbers.methods import Methods
from backproof.reference.ops.functions import arctan2, solve_embedded

MOST = 16
"""The largest whole exponent whose power is a product; others are e^(n log z)."""


class Complex(Methods):
    """An array of complex numbers. re, im: arrays of one kind of number and of one shape."""

    rank = 2

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
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape))

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

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.add and method == "at":
            return _add_at(*inputs)
        if method != "__call__" or kwargs:
            return NotImplemented
        rule = _UFUNCS.get(ufunc) or COMPOSED.get(ufunc)
        return NotImplemented if rule is None else rule(*map(_of_number, inputs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(func) or COMPOSED.get(func)
        return NotImplemented if rule is None else rule(*args, **kwargs)

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


def _exp(z: Complex) -> Complex:
    """Return e^a (cos b + i sin b) (DLMF 4.2.19)."""
    size = np.exp(z.re)
    return Complex(size * np.cos(z.im), size * np.sin(z.im))


def _expm1(z: Complex) -> Complex:
    """Return e^z - 1, where e^a cos b - 1 = (e^a - 1) cos b - 2 sin^2(b / 2)."""
    sin = np.sin(z.im / 2)
    return Complex(np.expm1(z.re) * np.cos(z.im) - 2 * (sin * sin), np.exp(z.re) * np.sin(z.im))


def _log(z: Complex) -> Complex:
    """Return log |z| + i arg z, the principal value (DLMF 4.2.3)."""
    return Complex(np.log(absolute(z)), arctan2(z.im, z.re))


def _log1p(z: Complex) -> Complex:
    """Return log(1 + z), where |1 + z|^2 = 1 + a(2 + a) + b^2."""
    a, b = each(z)
    return Complex(np.log1p(a * (2 + a) + b * b) / 2, arctan2(b, 1 + a))


def _sqrt(z: Complex) -> Complex:
    """Return the principal root, whose real part is not negative.

    1. t = sqrt((|z| + |a|) / 2), which does not cancel, is the larger part's size; the other's is
       |b| / 2t, since their product is b / 2.
    2. For a > 0 the real part is the larger one; for a < 0 the imaginary one, which has the sign of
       the angle.
    """
    a, b = each(z)
    t = np.sqrt((absolute(z) + np.abs(a)) / 2)
    other = b / (2 * t)
    is_below, is_left = arctan2(b, a) < 0, a < 0
    return Complex(
        np.where(is_left, np.abs(other), t), np.where(is_left, np.where(is_below, -t, t), other)
    )


def _hyperbolic(x: Any) -> tuple[Any, Any]:
    """Return sinh x and cosh x, from e^x - 1, so that nothing cancels."""
    return (np.expm1(x) - np.expm1(-x)) / 2, (np.exp(x) + np.exp(-x)) / 2


def _sin(z: Complex) -> Complex:
    """Return sin a cosh b + i cos a sinh b (DLMF 4.21.37)."""
    sinh, cosh = _hyperbolic(z.im)
    return Complex(np.sin(z.re) * cosh, np.cos(z.re) * sinh)


def _cos(z: Complex) -> Complex:
    """Return cos a cosh b - i sin a sinh b (DLMF 4.21.38)."""
    sinh, cosh = _hyperbolic(z.im)
    return Complex(np.cos(z.re) * cosh, -(np.sin(z.re) * sinh))


def _tanh(z: Complex) -> Complex:
    """Return (sinh a cosh a + i sin b cos b) / (sinh^2 a + cos^2 b) (DLMF 4.35.36)."""
    (sinh, cosh), sin, cos = _hyperbolic(z.re), np.sin(z.im), np.cos(z.im)
    size = sinh * sinh + cos * cos
    return Complex(sinh * cosh / size, sin * cos / size)


def _power(z: Complex, n: Any) -> Any:
    """Return z^n: of a small whole n by squaring, of any other as e^(n log z)."""
    if isinstance(n, Complex) or n != int(n) or abs(n) > MOST:
        return by_logarithm(z, n)
    if n < 0:
        return 1 / _power(z, -n)
    bits = f"{int(n):b}"
    found = z
    for bit in bits[1:]:
        found = found * found
        found = found * z if bit == "1" else found
    return found


def by_logarithm(z: Complex, n: Any) -> Complex:
    """Return e^(n log z) (DLMF 4.2.26)."""
    return np.exp(n * np.log(z))


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


_UFUNCS: dict[Any, Callable[..., Any]] = {
    np.negative: lambda z: Complex(-z.re, -z.im),
    np.conjugate: Complex.conjugate,
    np.absolute: absolute,
    np.add: _sum_of(np.add),
    np.subtract: _sum_of(np.subtract),
    np.multiply: _multiply,
    np.divide: _divide,
    np.matmul: _matmul,
    np.exp: _exp,
    np.expm1: _expm1,
    np.log: _log,
    np.log1p: _log1p,
    np.sqrt: _sqrt,
    np.sin: _sin,
    np.cos: _cos,
    np.tanh: _tanh,
    np.power: _power,
    np.equal: _equal,
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
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
    **{move: _by_parts(move) for move in MOVES},
}
