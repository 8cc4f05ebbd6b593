"""Tensors over CasADi's matrices, which have two axes, columns first.

A tensor is one column of its entries, in NumPy's order, and a shape; where CasADi needs a matrix,
its columns are the rows of the tensor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import casadi as ca
import numpy as np


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of any shape. column: its entries, as CasADi's MX (symbols) or DM (numbers)."""

    column: Any
    shape: tuple[int, ...]

    def __add__(self, other: "Tensor") -> "Tensor":
        return each(ca.plus)(self, other)

    def __sub__(self, other: "Tensor") -> "Tensor":
        return each(ca.minus)(self, other)

    def __rmul__(self, factor: float) -> "Tensor":
        return Tensor(factor * self.column, self.shape)

    def moved(self, view: Callable[..., Any], *given: Any) -> "Tensor":
        """Return the entries where NumPy has them in a view of such an array."""
        places = view(np.arange(prod(self.shape)).reshape(self.shape), *given)
        return Tensor(self.column[places.ravel().tolist(), 0], places.shape)


def array(a: Any) -> Tensor:
    return Tensor(ca.DM(a.ravel()), a.shape)


def each(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Return a function of entries, over tensors that broadcast."""

    def over(*tensors: Tensor, **options: Any) -> Tensor:
        shape = np.broadcast_shapes(*(t.shape for t in tensors))
        return Tensor(function(*(expand(t, shape).column for t in tensors), **options), shape)

    return over


def expand(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    return t if t.shape == shape else t.moved(np.broadcast_to, shape)


def along(function: Callable[..., Any]) -> Callable[..., Tensor]:
    """Return a function of columns of entries, over axes of a tensor."""

    def over(x: Tensor, axis: Any = None, *, keepdims: bool = False, **options: Any) -> Tensor:
        like = np.empty(x.shape)
        last = range(like.ndim) if axis is None else np.atleast_1d(axis) % like.ndim
        rest = [i for i in range(like.ndim) if i not in last]
        size = prod(x.shape[i] for i in last)
        columns = ca.vertsplit(x.moved(np.transpose, (*rest, *last)).column, size)
        found = [function(column, **options) for column in columns]
        return Tensor(ca.vertcat(*found), like.sum(axis, keepdims=keepdims).shape)

    return over


def matrices(function: Callable[[Any, Any], Any], a: Tensor, b: Tensor) -> Tensor:
    """Return a function of transposed matrices, over the last two axes of tensors."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])

    def cut(t: Tensor) -> Any:
        rows, columns = t.shape[-2:]
        column = expand(t, (*batch, rows, columns)).column
        return (ca.reshape(m, columns, rows) for m in ca.vertsplit(column, rows * columns))

    found = [ca.vec(function(A, B)) for A, B in zip(cut(a), cut(b), strict=True)]
    return Tensor(ca.vertcat(*found), (*batch, a.shape[-2], b.shape[-1]))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    columns = b if len(b.shape) > 1 else b.moved(np.expand_dims, 1)
    found = matrices(lambda A, B: ca.mtimes(B, A), a.moved(np.atleast_2d), columns)
    kept = (*a.shape[-2:-1], *b.shape[1:][-1:])
    return Tensor(found.column, (*found.shape[:-2], *kept))


def chosen(condition: Any, a: Any, b: Any) -> Tensor:
    of = [t if isinstance(t, Tensor) else Tensor(ca.DM(t), ()) for t in (a, b)]
    return each(ca.if_else)(array(np.asarray(condition, float)), *of)


def joining(function: Callable[..., Any], *parts: Tensor, axis: int) -> Tensor:
    ends = [*accumulate(prod(t.shape) for t in parts)]

    def view(a: Any) -> Any:
        cut = zip(np.split(a, ends[:-1]), parts, strict=True)
        return function([part.reshape(t.shape) for part, t in cut], axis)

    return Tensor(ca.vertcat(*(t.column for t in parts)), (ends[-1],)).moved(view)


def cumsum(x: Tensor, axis: int) -> Tensor:
    last = x.moved(np.moveaxis, axis, -1)
    sums = map(ca.cumsum, ca.vertsplit(last.column, last.shape[-1]))
    return Tensor(ca.vertcat(*sums), last.shape).moved(np.moveaxis, -1, axis)
