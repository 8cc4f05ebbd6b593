"""Terms: how large the terms are that are added up for a number.

A number near zero may be small because its terms are, or because they cancel. Run over `Terms`, an
op yields beside each entry the sum of the magnitudes of all terms that are added up for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import erf

Array = Any


class Terms(NDArrayOperatorsMixin):
    """An array of numbers with the sums of the magnitudes of their terms.

    mid:   float64 array. total: float64 array of the same shape, at least |mid|.
    """

    def __init__(self, mid: Any, total: Any) -> None:
        """Take the arrays as they are; none is copied."""
        self.mid = np.asarray(mid, dtype=np.float64)
        self.total = np.broadcast_to(np.asarray(total, dtype=np.float64), self.mid.shape)

    @classmethod
    def exact(cls, values: Any) -> "Terms":
        """Return numbers of one term each."""
        mid = np.asarray(values, dtype=np.float64)
        return cls(mid, np.abs(mid))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.mid.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.mid.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.mid.size

    @property
    def T(self) -> "Terms":
        """The transpose."""
        return Terms(self.mid.T, self.total.T)

    def reshape(self, *shape: Any) -> "Terms":
        """Return the same entries in another shape."""
        return Terms(self.mid.reshape(*shape), self.total.reshape(*shape))

    def __getitem__(self, index: Any) -> "Terms":
        return Terms(self.mid[index], self.total[index])

    def __setitem__(self, index: Any, values: Any) -> None:
        """Write to an array that `np.zeros_like` has made; other arrays are shared."""
        one = terms_of(values)
        self.mid[index], self.total = one.mid, np.array(self.total)
        self.total[index] = one.total

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            if ufunc is np.add and method == "at":
                return _add_at(*inputs)
            a, *others = map(terms_of, inputs)
            if method != "__call__" or kwargs:
                return NotImplemented
            if ufunc in _UFUNCS:
                return _UFUNCS[ufunc](a, *others)
            mid = ufunc(a.mid, *(b.mid for b in others))  # an elementary function, or a comparison
            return Terms(mid, np.abs(mid))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(func)
        if rule is None:
            return NotImplemented
        with np.errstate(all="ignore"):
            return rule(*args, **kwargs)


def terms_of(x: Any) -> Terms:
    """Return x as numbers of one term each, if it is not an array of `Terms`."""
    return x if isinstance(x, Terms) else Terms.exact(x)


def _divide(a: Terms, b: Terms) -> Terms:
    return Terms(a.mid / b.mid, a.total / np.abs(b.mid) * (b.total / np.abs(b.mid)))


def _maximum(a: Terms, b: Terms) -> Terms:
    return Terms(np.maximum(a.mid, b.mid), np.where(a.mid > b.mid, a.total, b.total))


def _minimum(a: Terms, b: Terms) -> Terms:
    return -_maximum(-a, -b)


_UFUNCS: dict[Any, Callable[..., Terms]] = {
    np.negative: lambda a: Terms(-a.mid, a.total),
    np.absolute: lambda a: Terms(np.abs(a.mid), a.total),
    np.add: lambda a, b: Terms(a.mid + b.mid, a.total + b.total),
    np.subtract: lambda a, b: Terms(a.mid - b.mid, a.total + b.total),
    np.multiply: lambda a, b: Terms(a.mid * b.mid, a.total * b.total),
    np.matmul: lambda a, b: Terms(a.mid @ b.mid, a.total @ b.total),
    np.divide: _divide,
    np.maximum: _maximum,
    np.minimum: _minimum,
    erf: lambda a: Terms.exact(erf(a.mid)),
}


def _linear(f: Callable[..., Any]) -> Callable[..., Terms]:
    """Return the rule of a function that moves, repeats or adds up entries."""

    def rule(a: Terms, *arguments: Any, **options: Any) -> Terms:
        return Terms(f(a.mid, *arguments, **options), f(a.total, *arguments, **options))

    return rule


def _where(condition: Any, a: Any, b: Any) -> Terms:
    mask = terms_of(condition).mid > 0
    a, b = terms_of(a), terms_of(b)
    return Terms(np.where(mask, a.mid, b.mid), np.where(mask, a.total, b.total))


def _max(a: Terms, axis: Any = None, *, keepdims: bool = False) -> Terms:
    return Terms.exact(np.max(a.mid, axis=axis, keepdims=keepdims))


def _pad(a: Terms, width: Any, *, constant_values: float = 0) -> Terms:
    mid = np.pad(a.mid, width, constant_values=constant_values)
    return Terms(mid, np.pad(a.total, width, constant_values=abs(constant_values)))


def _concatenate(parts: Any, axis: int = 0) -> Terms:
    parts = [terms_of(part) for part in parts]
    mid, total = ([getattr(part, name) for part in parts] for name in ("mid", "total"))
    return Terms(np.concatenate(mid, axis=axis), np.concatenate(total, axis=axis))


def _zeros_like(a: Terms, *, shape: tuple[int, ...] | None = None) -> Terms:
    shape = a.shape if shape is None else shape
    return Terms(np.zeros(shape), np.zeros(shape))


def _add_at(target: Terms, index: Any, values: Any) -> None:
    """Add values to entries of `target`, an array of zeros; several may go to the same entry."""
    added = terms_of(values)
    np.add.at(target.mid, index, added.mid)
    target.total = np.array(target.total)
    np.add.at(target.total, index, added.total)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.max: _max,
    np.pad: _pad,
    np.concatenate: _concatenate,
    np.zeros_like: _zeros_like,
    np.ones_like: lambda a: Terms.exact(np.ones(a.shape)),
    np.argmax: lambda a, axis=None: np.argmax(a.mid, axis=axis),
    np.ndim: lambda a: a.ndim,
    np.shape: lambda a: a.shape,
    **{
        f: _linear(f)
        for f in (
            np.sum,
            np.transpose,
            np.swapaxes,
            np.repeat,
            np.broadcast_to,
            np.reshape,
            sliding_window_view,
        )
    },
}
