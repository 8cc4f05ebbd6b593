"""Rules of `Dual` for functions of each entry, and for those that move entries or add them up.

Where there is no derivative, the conventions are those of the backward functions: the maximum of an
array has the tangent of the first of equal largest entries; max(a, b) at a = b has the mean of both
tangents, but max(a, 0) at a = 0 has the tangent zero; |a| at a = 0 has the tangent of -a.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import special

from backproof.reference.numbers.dual import Dual, dual_of, is_zero, linear, minus, moved, plus
from backproof.reference.numbers.exact_rules import MOVES
from backproof.reference.ops.bessel import by_x
from backproof.reference.ops.functions import (
    arctan,
    arctan2,
    digamma,
    erf,
    erf_inv,
    erfc,
    erfcx,
    i0e,
    i1e,
    lgamma,
    logaddexp,
    root,
    zeta,
)

ERF_SLOPE = 2 / np.pi**0.5
"""erf' at zero."""


def _chosen(mask: Any, s: Any, t: Any) -> Any:
    return 0.0 if is_zero(s) and is_zero(t) else np.where(mask, s, t)


def _add(a: Dual, b: Dual) -> Dual:
    return Dual(a.value + b.value, plus(a.tangent, b.tangent))


def _subtract(a: Dual, b: Dual) -> Dual:
    return Dual(a.value - b.value, minus(a.tangent, b.tangent))


def _bilinear(f: Callable[[Any, Any], Any]) -> Callable[[Dual, Dual], Dual]:
    """Return the rule of a product: (ab)' = a'b + ab'."""

    def rule(a: Dual, b: Dual) -> Dual:
        from_a = linear(lambda t: f(t, b.value), a.tangent)
        from_b = linear(lambda t: f(a.value, t), b.tangent)
        return Dual(f(a.value, b.value), plus(from_a, from_b))

    return rule


def _divide(a: Dual, b: Dual) -> Dual:
    """(a/b)' = a'/b - (a/b) b'/b."""
    y = a.value / b.value
    from_b = linear(lambda t: y * t / b.value, b.tangent)
    return Dual(y, minus(linear(lambda t: t / b.value, a.tangent), from_b))


def _power(a: Dual, b: Dual) -> Dual:
    """(a^b)' = b a^(b - 1) a' + a^b log a b'."""
    y = a.value**b.value
    if isinstance(b.value, int | float) and b.value == 0:  # 1, of zero too
        return Dual(y, 0.0)
    from_a = linear(lambda t: t * (b.value * a.value ** (b.value - 1)), a.tangent)
    return Dual(y, plus(from_a, linear(lambda t: t * (y * np.log(a.value)), b.tangent)))


def _function(
    f: Callable[[Any], Any], derivative: Callable[[Any, Any], Any]
) -> Callable[[Dual], Dual]:
    """Return the rule of y = f(x), entry by entry; derivative: (x, y) -> f'(x)."""

    def rule(x: Dual) -> Dual:
        y = f(x.value)
        return Dual(y, linear(lambda t: t * derivative(x.value, y), x.tangent))

    return rule


def _arctan2(a: Dual, b: Dual) -> Dual:
    """Return the angle, whose tangent is (a' b - a b') / (a^2 + b^2)."""
    square = a.value * a.value + b.value * b.value
    turned = minus(
        linear(lambda t: t * b.value, a.tangent), linear(lambda t: a.value * t, b.tangent)
    )
    return Dual(arctan2(a.value, b.value), linear(lambda t: t / square, turned))


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
    from_a = linear(lambda t: t * np.where(is_first, larger, smaller), a.tangent)
    from_b = linear(lambda t: t * np.where(is_first, smaller, larger), b.tangent)
    return Dual(y, plus(from_a, from_b))


def _zeta(s: int, x: Dual) -> Dual:
    """Hurwitz's zeta' = -s zeta(s + 1, x)."""
    return Dual(zeta(s, x.value), linear(lambda t: t * (-s * zeta(s + 1, x.value)), x.tangent))


def _absolute(a: Dual) -> Dual:
    return Dual(np.abs(a.value), _chosen(a.value > 0, a.tangent, minus(0.0, a.tangent)))


def _maximum(a: Dual, b: Dual) -> Dual:
    # Of equal operands a number, such as the zero of ReLU, is chosen.
    is_number = {type(x.value) for x in (a, b)} & {int, float}
    equal = 0.0 if is_number else linear(lambda t: t / 2, plus(a.tangent, b.tangent))
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
    return Dual(value, linear(lambda t: np.pad(t, width), a.tangent))


def _zeros_like(a: Dual, *, shape: tuple[int, ...] | None = None) -> Dual:
    return Dual(np.zeros_like(a.value, shape=shape), 0.0)


Dual.rules |= {
    np.negative: lambda a: Dual(-a.value, minus(0.0, a.tangent)),
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
    np.add.at: _add_at,
    zeta: _zeta,
    root: _function(root, lambda _, y: np.where(y > 0, 0.5 / np.where(y > 0, y, 1), 0)),
    np.concatenate: _concatenate,
    np.max: _max,
    np.where: _where,
    np.ones_like: lambda a: Dual(np.ones_like(a.value), 0.0),
    np.zeros_like: _zeros_like,
    np.argmax: lambda a, axis=None: np.argmax(a.value, axis=axis),
    np.pad: _pad,
    np.sum: moved(np.sum),
    np.cumsum: moved(np.cumsum),
    np.ndim: lambda a: a.ndim,
    np.shape: lambda a: a.shape,
}
Dual.rules |= {move: moved(move) for move in MOVES}
