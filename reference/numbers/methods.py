"""The methods of NumPy's arrays that numbers of other kinds have too: each is NumPy's function."""

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **options: Any) -> Any:
        return function(self, *arguments, **options)

    method.__doc__ = f"Return what np.{function.__name__} does."
    return method


class Methods(NDArrayOperatorsMixin):
    """The operators and methods of an array; arguments and results are those of NumPy.

    rank: numbers of a higher rank are made of those of a lower one, and have the rules for both.
    """

    rank = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return prod(self.shape)

    @classmethod
    def is_outranked(cls, others: Iterable[Any]) -> bool:
        """Return whether numbers, or types of them, are of a higher rank: their rule is taken."""
        return any(getattr(other, "rank", 0) > cls.rank for other in others)

    sum = _method(np.sum)
    mean = _method(np.mean)
    var = _method(np.var)
    std = _method(np.std)
    max = _method(np.max)
    min = _method(np.min)
    prod = _method(np.prod)
    cumsum = _method(np.cumsum)
    clip = _method(np.clip)
    dot = _method(np.dot)
    ravel = _method(np.ravel)
    flatten = _method(np.ravel)
    squeeze = _method(np.squeeze)
    repeat = _method(np.repeat)
    swapaxes = _method(np.swapaxes)

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes in another order."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)  # type: ignore[call-overload]
