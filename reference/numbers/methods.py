"""What all kinds of numbers share: NumPy's functions by rules, and NumPy's methods by functions."""

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from backproof.reference.numbers.composed import COMPOSED

Rules = dict[Any, Callable[..., Any]]
"""A function of NumPy's -> its rule: what computes it over one kind of numbers."""


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **options: Any) -> Any:
        return function(self, *arguments, **options)

    method.__doc__ = f"Return what np.{function.__name__} does."
    return method


class Methods(NDArrayOperatorsMixin):
    """The operators and methods of an array; arguments and results are those of NumPy.

    rank:  numbers of a higher rank are made of those of a lower one, and have the rules for both.
    rules: of this kind of numbers. A function without a rule is composed of others, or refused.
    """

    rank = 0
    rules: ClassVar[Mapping[Any, Callable[..., Any]]]

    def by_entry(self, rule: Callable[..., Any], inputs: Iterable[Any]) -> Any:
        """Return what the rule of a function of each entry makes of numbers and constants."""
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.add and method == "at":
            return self.rules[np.add.at](*inputs)
        if method != "__call__" or kwargs or self.is_outranked(inputs):
            return NotImplemented
        if rule := self.rules.get(ufunc):
            return self.by_entry(rule, inputs)
        return COMPOSED[ufunc](*inputs) if ufunc in COMPOSED else NotImplemented

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = self.rules.get(func) or COMPOSED.get(func)
        if rule is None or self.is_outranked(types):
            return NotImplemented
        return rule(*args, **kwargs)

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
