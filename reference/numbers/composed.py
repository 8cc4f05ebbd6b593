"""NumPy's functions that are composed of others, for every kind of number: `Ball`, `Dual`, `Terms`.

The ball of a composition holds every correct evaluation of its steps. It must also hold those of
implementations that have a function of their own for it, within the limits of the OpenCL standard
(`reference.numbers.precision`). At each function below that has such a limit it is derived that the
composition allows at least as much.
"""

from collections.abc import Callable, Sequence
from math import prod as product_of
from typing import Any

import numpy as np

from backproof.reference.ops import Array
from backproof.reference.ops.products import einsum_forward


def _tan(x: Array) -> Array:
    """Return sin x / cos x: the errors of both allow 8 ulp; the limit of tan is 5."""
    return np.sin(x) / np.cos(x)


def _log_of_base(base: float) -> Callable[[Array], Array]:
    """Return log x / log b: the logarithm allows 3 ulp, the quotient adds to it; the limit is 3."""
    return lambda x: np.log(x) / float(np.log(base))


def _logaddexp(a: Array, b: Array) -> Array:
    """Return log(e^a + e^b) = max(a, b) + log(1 + e^-|a - b|), which does not overflow."""
    return np.maximum(a, b) + np.log1p(np.exp(-np.abs(a - b)))


def _clip(a: Array, a_min: Any = None, a_max: Any = None, **named: Any) -> Array:
    low, high = named.get("min", a_min), named.get("max", a_max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _least(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return -np.max(-a, axis=axis, keepdims=keepdims)


def _mean(a: Array, axis: Any = None, *, keepdims: bool = False) -> Array:
    return np.sum(a, axis=axis, keepdims=keepdims) / _count(a, axis)


def _var(a: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    """Return the mean of squares of what is left without the mean."""
    left = a - np.mean(a, axis=axis, keepdims=True)
    return np.sum(left * left, axis=axis, keepdims=keepdims) / (_count(a, axis) - ddof)


def _std(a: Array, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Array:
    return np.sqrt(np.var(a, axis=axis, ddof=ddof, keepdims=keepdims))


def _count(a: Array, axis: Any) -> int:
    """Return how many entries there are along some axes."""
    axes = range(a.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return product_of(a.shape[i] for i in axes)


def _prod(a: Array, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """Return the products of all entries along an axis.

    In any order n factors have n - 1 relative errors (Higham, Lemma 3.1), so the radius of one
    order is that of all. Products that underflow in another order alone may lie outside.
    """
    shape = a.shape
    last = np.reshape(a, (-1,)) if axis is None else np.moveaxis(a, axis, -1)
    found = last[..., 0]
    for i in range(1, last.shape[-1]):
        found = found * last[..., i]
    kept = [1 if axis is None or i == axis % len(shape) else n for i, n in enumerate(shape)]
    return np.reshape(found, kept) if keepdims else found


def _stack(arrays: Sequence[Any], axis: int = 0) -> Array:
    return np.concatenate([np.expand_dims(a, axis) for a in arrays], axis=axis)


def _outer(a: Array, b: Array) -> Array:
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


def _einsum(equation: str, *operands: Array) -> Array:
    return einsum_forward(*operands, equation=equation)


COMPOSED: dict[Any, Callable[..., Any]] = {
    np.positive: lambda a: a,
    np.square: lambda a: a * a,
    np.reciprocal: lambda a: 1 / a,
    np.tan: _tan,
    np.log2: _log_of_base(2),
    np.log10: _log_of_base(10),
    np.logaddexp: _logaddexp,
    # Of numbers, a >= b is what b > a is not. Masks are numbers too: 1, 0, or 1/2 +- 1/2.
    np.greater_equal: lambda a, b: ~(b > a),
    np.less_equal: lambda a, b: ~(a > b),
    np.not_equal: lambda a, b: (a > b) | (b > a),
    np.equal: lambda a, b: ~(a > b) & ~(b > a),
    np.logical_and: lambda a, b: a & b,
    np.logical_or: lambda a, b: a | b,
    np.logical_not: lambda a: ~a,
    np.clip: _clip,
    np.min: _least,
    np.mean: _mean,
    np.var: _var,
    np.std: _std,
    np.prod: _prod,
    np.stack: _stack,
    np.outer: _outer,
    np.dot: lambda a, b: a @ b,
    np.einsum: _einsum,
}
"""Function -> its composition. Where a number has a rule of its own, that is taken."""
