"""Dual: a value and its tangent, the derivative along one direction.

Run over duals, an op's forward function gives forward mode (Griewank and Walther, Evaluating
Derivatives, 2nd ed. 2008, sec. 3.1), and its backward function Pearlmutter's R-operator (Fast
Exact Multiplication by the Hessian, Neural Computation 6(1), 1994): the tangents of cotangents
and gradients, a Hessian times a vector. Values and tangents are numbers of any of the other
kinds: float64 arrays, Arb balls in object arrays, or `Ball`.

Where there is no derivative, the conventions are those of the backward functions: the maximum of an
array has the tangent of the first of equal largest entries; max(a, b) at a = b has the mean of both
tangents, but max(a, 0) at a = 0 has the tangent zero; |a| at a = 0 has the tangent of -a.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import special

from backproof.reference.numbers.composed import COMPOSED
from backproof.reference.numbers.exact_rules import MOVES
from backproof.reference.numbers.methods import Methods
from backproof.reference.ops.bessel import by_x
from backproof.reference.ops.functions import (
    arctan,
    arctan2,
    at_largest,
    chosen,
    diagonal,
    digamma,
    erf,
    erf_inv,
    erfc,
    erfcx,
    gaps,
    i0e,
    i1e,
    lgamma,
    logaddexp,
    matrix_exp,
    near,
    over_gaps,
    root,
    rounding,
    solve,
    solve_embedded,
    square_gaps,
    stored,
    zeta,
)
from backproof.reference.ops.matrix_exp import along

ERF_SLOPE = 2 / np.pi**0.5
"""erf' at zero."""


class Dual(Methods):
    """An array of dual numbers.

    value:   an array of any kind of number.
    tangent: an array of the same kind and shape; or the number 0.0, where nothing moves.
    """

    rank = 1

    def __init__(self, value: Any, tangent: Any) -> None:
        """Take both as they are; neither is copied."""
        self.value = value
        self.tangent = tangent
        if not is_zero(tangent) and np.shape(tangent) != np.shape(value):
            self.tangent = np.broadcast_to(tangent, np.shape(value))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return np.shape(self.value)

    @property
    def precision(self) -> Any:
        """The precision of balls."""
        return self.value.precision

    @property
    def T(self) -> "Dual":
        """The transpose."""
        return _moved(np.transpose)(self)

    def reshape(self, *shape: Any) -> "Dual":
        """Return the same entries in another shape."""
        return _moved(lambda a: a.reshape(*shape))(self)

    def stopped(self) -> "Dual":
        """Return the value as a constant."""
        return Dual(self.value, 0.0)

    def middle(self) -> "Dual":
        """Return constants near the value."""
        return Dual(near(self.value), 0.0)

    def at_largest(self) -> Any:
        """Return where the values are the largest along the last axis."""
        return at_largest(self.value)

    def moving_as(self, other: Any) -> "Dual":
        """Return the value with another's tangent."""
        return Dual(self.value, dual_of(other).tangent)

    def rounding(self) -> "Dual":
        """Return zero with the tangent zero; over `Ball`, with the errors of rounding both once."""
        return Dual(rounding(self.value), _linear(rounding, self.tangent))

    def stored(self, precision: str = "") -> "Dual":
        """Return both as they are stored between two kernels."""
        tangent = _linear(lambda x: stored(x, precision), self.tangent)
        return Dual(stored(self.value, precision), tangent)

    def by_rule(self, function: Callable[[Any], Any]) -> "Dual":
        """Return a function of the value, as a constant: whoever calls it adds its tangent."""
        return Dual(function(self.value), 0.0)

    def chosen(self, seen: Any) -> "Dual":
        """Return the value as it was seen, with its own tangent."""
        return Dual(chosen(self.value, seen), self.tangent)

    def whole_tangent(self) -> Any:
        """Return the tangent as an array, also where it is zero."""
        return np.zeros_like(self.value) if is_zero(self.tangent) else self.tangent

    def __getitem__(self, index: Any) -> "Dual":
        tangent = self.tangent if is_zero(self.tangent) else self.tangent[index]
        return Dual(self.value[index], tangent)

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write to an array that `np.zeros_like` has made; other arrays are shared."""
        dual = dual_of(values)
        self.value[index] = dual.value
        if not (is_zero(self.tangent) and is_zero(dual.tangent)):
            self.tangent = self.whole_tangent()
            self.tangent[index] = dual.tangent

    def __repr__(self) -> str:
        return f"Dual({self.value}, {self.tangent})"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.add and method == "at":
            return _add_at(*inputs)
        if method != "__call__" or kwargs or self.is_outranked(inputs):
            return NotImplemented
        rule = _UFUNCS.get(ufunc)
        if rule is None:
            return COMPOSED[ufunc](*inputs) if ufunc in COMPOSED else NotImplemented
        return rule(*map(dual_of, inputs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(func) or COMPOSED.get(func)
        if rule is None or self.is_outranked(types):
            return NotImplemented
        return rule(*args, **kwargs)


def dual_of(x: Any) -> Dual:
    """Return x as a dual number: a constant's tangent is zero."""
    return x if isinstance(x, Dual) else Dual(x, 0.0)


def is_zero(tangent: Any) -> bool:
    """Return whether a tangent is the number 0.0: nothing moves."""
    return type(tangent) is float and tangent == 0  # NumPy's scalars are of a subclass


# The tangent of a result is a sum of operands' tangents times numbers. Zero tangents are left out.


def _plus(s: Any, t: Any) -> Any:
    return t if is_zero(s) else s if is_zero(t) else s + t


def _minus(s: Any, t: Any) -> Any:
    return s if is_zero(t) else -t if is_zero(s) else s - t


def _linear(f: Callable[..., Any], t: Any, *others: Any) -> Any:
    """Return f(t, *others), a linear function of the tangent t."""
    return t if is_zero(t) else f(t, *others)


def _chosen(mask: Any, s: Any, t: Any) -> Any:
    return 0.0 if is_zero(s) and is_zero(t) else np.where(mask, s, t)


# Ufuncs.


def _add(a: Dual, b: Dual) -> Dual:
    return Dual(a.value + b.value, _plus(a.tangent, b.tangent))


def _subtract(a: Dual, b: Dual) -> Dual:
    return Dual(a.value - b.value, _minus(a.tangent, b.tangent))


def _bilinear(f: Callable[[Any, Any], Any]) -> Callable[[Dual, Dual], Dual]:
    """Return the rule of a product: (ab)' = a'b + ab'."""

    def rule(a: Dual, b: Dual) -> Dual:
        from_a = _linear(lambda t: f(t, b.value), a.tangent)
        from_b = _linear(lambda t: f(a.value, t), b.tangent)
        return Dual(f(a.value, b.value), _plus(from_a, from_b))

    return rule


def _divide(a: Dual, b: Dual) -> Dual:
    """(a/b)' = a'/b - (a/b) b'/b."""
    y = a.value / b.value
    from_b = _linear(lambda t: y * t / b.value, b.tangent)
    return Dual(y, _minus(_linear(lambda t: t / b.value, a.tangent), from_b))


def _power(a: Dual, b: Dual) -> Dual:
    """(a^b)' = b a^(b - 1) a' + a^b log a b'."""
    y = a.value**b.value
    if isinstance(b.value, int | float) and b.value == 0:  # 1, of zero too
        return Dual(y, 0.0)
    from_a = _linear(lambda t: t * (b.value * a.value ** (b.value - 1)), a.tangent)
    return Dual(y, _plus(from_a, _linear(lambda t: t * (y * np.log(a.value)), b.tangent)))


def _function(
    f: Callable[[Any], Any], derivative: Callable[[Any, Any], Any]
) -> Callable[[Dual], Dual]:
    """Return the rule of y = f(x), entry by entry; derivative: (x, y) -> f'(x)."""

    def rule(x: Dual) -> Dual:
        y = f(x.value)
        return Dual(y, _linear(lambda t: t * derivative(x.value, y), x.tangent))

    return rule


def _arctan2(a: Dual, b: Dual) -> Dual:
    """Return the angle, whose tangent is (a' b - a b') / (a^2 + b^2)."""
    square = a.value * a.value + b.value * b.value
    turned = _minus(
        _linear(lambda t: t * b.value, a.tangent), _linear(lambda t: a.value * t, b.tangent)
    )
    return Dual(arctan2(a.value, b.value), _linear(lambda t: t / square, turned))


def _logaddexp(a: Dual, b: Dual) -> Dual:
    """Return log(e^a + e^b), whose tangent is (a' e^a + b' e^b) / (e^a + e^b).

    The shares of both are 1 / (1 + e) and e / (1 + e), where e = e^-|a - b|, which is at most 1.
    """
    y = logaddexp(a.value, b.value)
    if is_zero(a.tangent) and is_zero(b.tangent):
        return Dual(y, 0.0)
    e = np.exp(-np.abs(a.value - b.value))
    larger, smaller = 1 / (1 + e), e / (1 + e)
    is_first = a.value > b.value
    from_a = _linear(lambda t: t * np.where(is_first, larger, smaller), a.tangent)
    from_b = _linear(lambda t: t * np.where(is_first, smaller, larger), b.tangent)
    return Dual(y, _plus(from_a, from_b))


def _zeta(s: int, x: Dual) -> Dual:
    """Hurwitz's zeta' = -s zeta(s + 1, x)."""
    return Dual(zeta(s, x.value), _linear(lambda t: t * (-s * zeta(s + 1, x.value)), x.tangent))


def _absolute(a: Dual) -> Dual:
    return Dual(np.abs(a.value), _chosen(a.value > 0, a.tangent, _minus(0.0, a.tangent)))


def _maximum(a: Dual, b: Dual) -> Dual:
    # Of equal operands a number, such as the zero of ReLU, is chosen.
    is_number = {type(x.value) for x in (a, b)} & {int, float}
    equal = 0.0 if is_number else _linear(lambda t: t / 2, _plus(a.tangent, b.tangent))
    smaller = _chosen(b.value > a.value, b.tangent, equal)
    return Dual(np.maximum(a.value, b.value), _chosen(a.value > b.value, a.tangent, smaller))


def _minimum(a: Dual, b: Dual) -> Dual:
    return -_maximum(-a, -b)


def _add_at(target: Dual, index: Any, values: Any) -> None:
    """Add values to entries of `target`, an array of zeros; several may go to the same entry."""
    dual = dual_of(values)
    np.add.at(target.value, index, dual.value)
    if not is_zero(dual.tangent):
        target.tangent = target.whole_tangent()
        np.add.at(target.tangent, index, dual.tangent)


_UFUNCS: dict[Any, Callable[..., Dual]] = {
    np.negative: lambda a: Dual(-a.value, _minus(0.0, a.tangent)),
    np.absolute: _absolute,
    np.maximum: _maximum,
    np.minimum: _minimum,
    np.greater: lambda a, b: Dual(a.value > b.value, 0.0),
    np.less: lambda a, b: Dual(a.value < b.value, 0.0),
    np.bitwise_and: lambda a, b: Dual(a.value & b.value, 0.0),
    np.bitwise_or: lambda a, b: Dual(a.value | b.value, 0.0),
    np.invert: lambda a: Dual(~a.value, 0.0),
    np.logaddexp: _logaddexp,
    np.add: _add,
    np.subtract: _subtract,
    np.multiply: _bilinear(np.multiply),
    np.matmul: _bilinear(np.matmul),
    np.divide: _divide,
    np.exp: _function(np.exp, lambda _, y: y),
    np.expm1: _function(np.expm1, lambda x, _: np.exp(x)),
    np.log: _function(np.log, lambda x, _: 1 / x),
    np.log1p: _function(np.log1p, lambda x, _: 1 / (1 + x)),
    np.arctan: _function(arctan, lambda x, _: 1 / (1 + x * x)),
    np.arcsinh: _function(np.arcsinh, lambda x, _: 1 / np.sqrt(1 + x * x)),
    np.sin: _function(np.sin, lambda x, _: np.cos(x)),
    np.cos: _function(np.cos, lambda x, _: -np.sin(x)),
    np.power: _power,
    np.sqrt: _function(np.sqrt, lambda _, y: 0.5 / y),
    np.tanh: _function(np.tanh, lambda _, y: (1 - y) * (1 + y)),
    special.erf: _function(erf, lambda x, _: ERF_SLOPE * np.exp(-(x * x))),
    special.erfinv: _function(erf_inv, lambda _, y: np.exp(y * y) / ERF_SLOPE),
    special.erfc: _function(erfc, lambda x, _: -ERF_SLOPE * np.exp(-(x * x))),
    special.erfcx: _function(erfcx, lambda x, y: 2 * x * y - ERF_SLOPE),
    special.i0e: _function(i0e, lambda x, y: i1e(x) - np.where(x > 0, y, -y)),
    special.i1e: _function(i1e, lambda x, y: i0e(x) - np.where(x > 0, y, -y) - by_x(x)),
    special.gammaln: _function(lgamma, lambda x, _: digamma(x)),
    special.psi: _function(digamma, lambda x, _: zeta(2, x)),
    np.arctan2: _arctan2,
}


# Functions.


def _moved(move: Callable[..., Any]) -> Callable[..., Dual]:
    """Return the rule of a linear function of one array: moves, repeats and sums of entries."""

    def rule(a: Dual, *arguments: Any, **options: Any) -> Dual:
        tangent = _linear(lambda t: move(t, *arguments, **options), a.tangent)
        return Dual(move(a.value, *arguments, **options), tangent)

    return rule


def _where(condition: Any, a: Any, b: Any) -> Dual:
    mask, a, b = map(dual_of, (condition, a, b))
    tangent = _chosen(mask.value, a.tangent, b.tangent)
    return Dual(np.where(mask.value, a.value, b.value), tangent)


def _max(a: Dual, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Dual:
    value = np.max(a.value, axis=axis, keepdims=keepdims)
    if is_zero(a.tangent):
        return Dual(value, 0.0)
    axes = range(a.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    over = [i % a.ndim for i in axes]
    kept = [i for i in range(a.ndim) if i not in over]
    shape, n = [a.shape[i] for i in kept], prod(a.shape[i] for i in over)
    values, tangents = (
        np.reshape(np.transpose(x, [*kept, *over]), (*shape, n)) for x in (a.value, a.tangent)
    )
    first = np.argmax(values, axis=-1)
    picked = tangents[(*np.indices(shape, sparse=True), first)]
    return Dual(value, np.reshape(picked, np.shape(value)))


def _concatenate(parts: Sequence[Any], axis: int = 0) -> Dual:
    duals = list(map(dual_of, parts))
    value = np.concatenate([dual.value for dual in duals], axis=axis)
    if all(is_zero(dual.tangent) for dual in duals):
        return Dual(value, 0.0)
    return Dual(value, np.concatenate([dual.whole_tangent() for dual in duals], axis=axis))


def _pad(a: Dual, width: Any, *, constant_values: float = 0) -> Dual:
    value = np.pad(a.value, width, constant_values=constant_values)
    return Dual(value, _linear(lambda t: np.pad(t, width), a.tangent))


def _zeros_like(a: Dual, *, shape: tuple[int, ...] | None = None) -> Dual:
    return Dual(np.zeros_like(a.value, shape=shape), 0.0)


def _solving(solve: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Dual]:
    """Return the rule of equations: A'X + A X' = B', so X' = A^-1 (B' - A'X)."""

    def rule(a: Any, b: Any) -> Dual:
        A, B = dual_of(a), dual_of(b)
        X = solve(A.value, B.value)
        moved = _minus(B.tangent, _linear(lambda t: t @ X, A.tangent))
        return Dual(X, _linear(lambda t: solve(A.value, t), moved))

    return rule


def _log_det(A: Dual) -> tuple[Any, Dual]:
    """(log |det A|)' = tr(A^-1 A'): Jacobi's formula."""
    sign, value = np.linalg.slogdet(A.value)
    return sign, Dual(value, _linear(lambda t: _trace(solve(A.value, t)), A.tangent))


def _det(A: Dual) -> Dual:
    """(det A)' = det A tr(A^-1 A')."""
    value = np.linalg.det(A.value)
    return Dual(value, _linear(lambda t: value * _trace(solve(A.value, t)), A.tangent))


def _eigh(A: Dual) -> tuple[Dual, Dual]:
    """A' V + A V' = V' w + V w', with V^T V' skew: see `reference.ops.eigen`."""
    w, V = np.linalg.eigh(A.value)
    G = _linear(lambda t: np.swapaxes(V, -1, -2) @ t @ V, A.tangent)
    moved = _linear(lambda t: V @ over_gaps(t, gaps(w)), G)
    return Dual(w, _linear(diagonal, G)), Dual(V, moved)


def _svd(A: Dual, *, full_matrices: bool = False) -> tuple[Dual, Dual, Dual]:
    """A' = U' s V^T + U s' V^T + U s V'^T, with U^T U' and V^T V' skew: see `ops.singular`."""
    U, s, Vt = np.linalg.svd(A.value, full_matrices=full_matrices)
    if is_zero(A.tangent):
        return Dual(U, 0.0), Dual(s, 0.0), Dual(Vt, 0.0)
    V, t, column, row = np.swapaxes(Vt, -1, -2), A.tangent, s[..., :, None], s[..., None, :]
    m, n = A.shape[-2:]
    P = np.swapaxes(U, -1, -2) @ t @ V
    Pt = np.swapaxes(P, -1, -2)
    dU = U @ over_gaps(P * row + column * Pt, square_gaps(s))
    dV = V @ over_gaps(column * P + Pt * row, square_gaps(s))
    if m > n:
        dU = dU + (t @ V - U @ P) / row
    if n > m:
        dV = dV + (np.swapaxes(t, -1, -2) @ U - V @ Pt) / row
    return Dual(U, dU), Dual(s, diagonal(P)), Dual(Vt, np.swapaxes(dV, -1, -2))


def _pinv(A: Dual) -> Dual:
    """Y' = -Y A' Y + Y Y^T A'^T (1 - A Y) + (1 - Y A) A'^T Y^T Y: see `reference.ops.pinv`."""
    Y = np.linalg.pinv(A.value)
    if is_zero(A.tangent):
        return Dual(Y, 0.0)
    Yt, t = np.swapaxes(Y, -1, -2), np.swapaxes(A.tangent, -1, -2)
    beside, below = t - (t @ A.value) @ Y, t - Y @ (A.value @ t)
    return Dual(Y, Y @ (Yt @ beside) + (below @ Yt) @ Y - Y @ (A.tangent @ Y))


def _qr(A: Dual) -> tuple[Dual, Dual]:
    """A' = Q' R + Q R', with Q^T Q' skew and R' R^-1 an upper triangle: see `reference.ops.qr`."""
    Q, R = np.linalg.qr(A.value)
    if is_zero(A.tangent):
        return Dual(Q, 0.0), Dual(R, 0.0)
    k, Qt = Q.shape[-1], np.swapaxes(Q, -1, -2)
    of_R = np.swapaxes(R[..., :k], -1, -2)
    X = np.swapaxes(solve(of_R, np.swapaxes(A.tangent[..., :k], -1, -2)), -1, -2)
    P = Qt @ X
    low = np.where(np.tril(np.ones((k, k), bool), -1), P, 0)
    skew = low - np.swapaxes(low, -1, -2)
    dQ = Q @ (skew - P) + X
    first = (P - skew) @ R[..., :k]
    if k == A.shape[-1]:
        return Dual(Q, dQ), Dual(R, first)
    other = np.swapaxes(dQ, -1, -2) @ A.value[..., k:] + Qt @ A.tangent[..., k:]
    return Dual(Q, dQ), Dual(R, np.concatenate([first, other], axis=-1))


def _matrix_exp(A: Dual) -> Dual:
    """(e^A)' = L(A, A'): see `reference.ops.matrix_exp`."""
    return Dual(matrix_exp(A.value), _linear(lambda t: along(A.value, t), A.tangent))


def _trace(A: Any) -> Any:
    """Return the sums of the diagonals of matrices."""
    return np.sum(A * np.eye(A.shape[-1]), axis=(-2, -1))


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.linalg.det: _det,
    np.linalg.slogdet: _log_det,
    np.linalg.eigh: _eigh,
    np.linalg.pinv: _pinv,
    matrix_exp: _matrix_exp,
    np.linalg.svd: _svd,
    np.linalg.qr: _qr,
    np.linalg.solve: _solving(solve),
    solve_embedded: _solving(solve_embedded),
    zeta: _zeta,
    root: _function(root, lambda _, y: np.where(y > 0, 0.5 / np.where(y > 0, y, 1), 0)),
    np.concatenate: _concatenate,
    np.max: _max,
    np.where: _where,
    np.ones_like: lambda a: Dual(np.ones_like(a.value), 0.0),
    np.zeros_like: _zeros_like,
    np.argmax: lambda a, axis=None: np.argmax(a.value, axis=axis),
    np.pad: _pad,
    np.sum: _moved(np.sum),
    np.cumsum: _moved(np.cumsum),
    np.ndim: lambda a: a.ndim,
    np.shape: lambda a: a.shape,
    **{move: _moved(move) for move in MOVES},
}
