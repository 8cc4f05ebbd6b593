"""Stepwise: the numbers of a precision itself, every step rounded, sums added up one by one.

A ball holds what any correct evaluation may return. A `Stepwise` array holds what one evaluation
does return: plain NumPy code that runs on it rounds each of its steps once, and adds the terms of
a sum one after another, in the order in which they lie in memory, to a sum of the same precision.
So it shows what is lost in a narrow accumulator, in which 256 + 1 is 256, and what overflows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.precision import FLOAT64, PRECISIONS, Precision
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import Array


class Stepwise(np.ndarray[Any, Any]):
    """An array of the dtype of a precision."""

    @classmethod
    def of(cls, array: Array) -> "Stepwise":
        """Return the same numbers, in the same dtype."""
        return np.asarray(array).view(cls)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        dtype = next(x.dtype for x in inputs if isinstance(x, Stepwise))
        arrays = [
            x  # an index, of np.add.at
            if isinstance(x, tuple)
            else np.asarray(x, dtype if isinstance(x, int | float) else None)
            for x in inputs
        ]
        with np.errstate(all="ignore"):
            return Stepwise.of(getattr(ufunc, method)(*arrays, **kwargs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if rule := RULES.get(func):
            return rule(*args, **kwargs)
        return super().__array_function__(func, types, args, kwargs)


def _where(condition: Any, a: Any, b: Any) -> Stepwise:
    """Return np.where in the dtype of the arrays: a constant is rounded to it."""
    dtype = next((x.dtype for x in (a, b) if isinstance(x, Stepwise)), None)
    a, b = (np.asarray(x, dtype=dtype) for x in (a, b))
    return Stepwise.of(np.where(np.asarray(condition), a, b))


def _in_turn(a: Stepwise, axis: Any = None, *, keepdims: bool = False) -> Stepwise:
    """Return the sum over some axes, whose entries are added one by one, the last axis fastest."""
    axes = range(a.ndim) if axis is None else np.atleast_1d(axis) % a.ndim
    over = [i for i in range(a.ndim) if i in axes]
    kept = [i for i in range(a.ndim) if i not in axes]
    terms = np.transpose(a, [*over, *kept]).reshape(-1, *(a.shape[i] for i in kept))
    total = np.add.accumulate(np.asarray(terms), axis=0, dtype=a.dtype)[-1]
    return Stepwise.of(np.expand_dims(total, tuple(over)) if keepdims else total)


RULES: dict[Any, Callable[..., Stepwise]] = {np.sum: _in_turn, np.where: _where}


def cast(x: Any, p: Precision) -> Any:
    """Return numbers of any kind in another precision: rounded once if it is a narrower one.

    `Terms` are in no precision, and stay as they are.
    """
    if isinstance(x, Terms):
        return x
    if isinstance(x, Dual):
        return _of_both(x, lambda part: cast(part, p))
    if isinstance(x, Ball):
        return x.into(p) if p.digits < x.precision.digits else Ball(x.mid, x.rad, p)
    return x.astype(p.dtype)


def nearest(x: Any, p: Precision) -> Any:
    """Return numbers rounded to the nearest ones of a narrower precision, subnormals included."""
    if isinstance(x, Ball):
        ball = x.nearest(p)
        return Ball(ball.mid, ball.rad, p)
    return cast(x, p)


def wide(x: Any) -> Any:
    """Return numbers in the precision in which they are accumulated.

    `Ball` accumulates so by itself, and `Terms` are not rounded.
    """
    if isinstance(x, Dual | Ball | Terms):
        return x
    p = PRECISIONS[x.dtype.name]
    return cast(x, p.accumulator or p)


def like(x: Any, other: Any) -> Any:
    """Return numbers in the precision of others of their kind."""
    return cast(x, precision_of(other))


def precision_of(x: Any) -> Precision:
    """Return the precision of numbers of any kind; that of `Terms` is float64."""
    if isinstance(x, Dual):
        return precision_of(x.value)
    if isinstance(x, Terms):
        return FLOAT64
    return x.precision if isinstance(x, Ball) else PRECISIONS[x.dtype.name]


def _of_both(x: Dual, f: Callable[[Any], Any]) -> Dual:
    """Return the dual number whose value and tangent are those of x, changed."""
    return Dual(f(x.value), f(x.whole_tangent()))
