"""Reductions: from some axes of an array to one number each, or to sums up to each entry.

axis: the axis or axes (a number, a tuple) that are reduced; None: all. keepdims: whether they stay
as axes of one entry. Shapes: x any; y and dy those of NumPy's sum.
"""

from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops.functions import at_largest, stop, with_tangent
from backproof.reference.ops.op import Array, Op

Axis = int | tuple[int, ...] | None


def sum_forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the sum of the entries."""
    return np.sum(x, axis=axis, keepdims=keepdims)


def sum_backward(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx: dy for every entry."""
    return (np.broadcast_to(kept(dy, x, axis), np.shape(x)),)


def axes_of(x: Array, axis: Axis) -> tuple[int, ...]:
    """Return the axes that are reduced, none of them negative."""
    every = range(np.ndim(x)) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(i % np.ndim(x) for i in every)


def kept(a: Array, x: Array, axis: Axis) -> Array:
    """Return what belongs to a reduced x with the reduced axes as axes of one entry."""
    over = axes_of(x, axis)
    return np.reshape(a, tuple(1 if i in over else n for i, n in enumerate(np.shape(x))))


def count(x: Array, axis: Axis) -> int:
    """Return how many entries are reduced to one."""
    return prod(np.shape(x)[i] for i in axes_of(x, axis))


def mean_forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the mean of the entries."""
    return np.sum(x, axis=axis, keepdims=keepdims) / count(x, axis)


def mean_backward(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx: dy / n for every one of n entries."""
    return sum_backward(dy / count(x, axis), y, x, axis=axis)


def max_forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the largest of the entries."""
    return np.max(x, axis=axis, keepdims=keepdims)


def max_backward(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx: dy for the largest entry, zero for the others; of equal ones, for the first."""
    return (at_place(dy, np.argmax(rows_of(x, axis), axis=-1), x, axis),)


def max_forward_last(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the largest of the entries, with the tangent of the last of equal ones."""
    rows = rows_of(x, axis)
    last = (*np.indices(np.shape(rows)[:-1], sparse=True), last_largest(rows))
    y = max_forward(x, axis=axis, keepdims=keepdims)
    return with_tangent(y, np.reshape(rows[last], np.shape(y)))


def max_backward_last(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx where the last of equal largest entries receives all."""
    return (at_place(dy, last_largest(rows_of(x, axis)), x, axis),)


def max_forward_shared(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the largest of the entries, with the mean of the tangents of equal ones."""
    rows = rows_of(x, axis)
    y = max_forward(x, axis=axis, keepdims=keepdims)
    mean = np.sum(shared(np.ones(np.shape(rows)[:-1]), stop(rows)) * rows, axis=-1)
    return with_tangent(y, np.reshape(mean, np.shape(y)))


def max_backward_shared(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx where equal largest entries share dy evenly; see `max_pool`'s."""
    rows = rows_of(x, axis)
    return (from_rows(shared(np.reshape(dy, np.shape(rows)[:-1]), rows), x, axis),)


def shared(dy: Array, rows: Array) -> Array:
    """Return what the entries of rows (..., K) receive where equal largest ones share dy (...).

    Each of equal entries alone is a subgradient, and so is every mean of subgradients.
    """
    is_largest = at_largest(rows)
    equal = np.sum(is_largest, axis=-1)
    each = np.where(equal == 1, dy, dy / equal)  # one receives dy, unrounded
    return np.where(is_largest, each[..., None], 0)


def last_largest(rows: Array) -> Array:
    """Return the place of the last of each row's equal largest entries, (...), of (..., K)."""
    return np.shape(rows)[-1] - 1 - np.argmax(rows[..., ::-1], axis=-1)


def rows_of(x: Array, axis: Axis) -> Array:
    """Return x with the entries that are reduced to one along one last axis."""
    order = in_rows(x, axis)
    shape = [np.shape(x)[i] for i in order[: np.ndim(x) - len(axes_of(x, axis))]]
    return np.reshape(np.transpose(x, order), (*shape, count(x, axis)))


def from_rows(rows: Array, x: Array, axis: Axis) -> Array:
    """Return what belongs to x's rows in the shape of x."""
    order = in_rows(x, axis)
    return np.transpose(
        np.reshape(rows, tuple(np.shape(x)[i] for i in order)), tuple(map(int, np.argsort(order)))
    )


def in_rows(x: Array, axis: Axis) -> list[int]:
    """Return x's axes, those last that are reduced."""
    over = axes_of(x, axis)
    return [*(i for i in range(np.ndim(x)) if i not in over), *over]


def at_place(dy: Array, place: Array, x: Array, axis: Axis) -> Array:
    """Return dx: dy at a place along each of x's rows, zero elsewhere."""
    rows = np.zeros_like(rows_of(x, axis))
    rows[(*np.indices(np.shape(place), sparse=True), place)] = np.reshape(dy, np.shape(place))
    return from_rows(rows, x, axis)


def logsumexp_forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return log sum e^x, the largest entry taken out, so that nothing overflows."""
    e, m = shifted(x, axis)
    total = m + np.log(np.sum(e, axis=axes_of(x, axis), keepdims=True))
    return total if keepdims else np.reshape(total, np.shape(np.max(x, axis=axis)))


def logsumexp_backward(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx = dy e^x / sum e^x, the softmax of x."""
    e, _ = shifted(x, axis)
    return (kept(dy, x, axis) * (e / np.sum(e, axis=axes_of(x, axis), keepdims=True)),)


def logsumexp_backward_from_output(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx = dy e^(x - y)."""
    return (kept(dy, x, axis) * np.exp(x - kept(y, x, axis)),)


def shifted(x: Array, axis: Axis) -> tuple[Array, Array]:
    """Return e^(x - m) and m, the largest entry, a constant of which nothing depends."""
    m = stop(np.max(x, axis=axes_of(x, axis), keepdims=True))
    return np.exp(x - m), m


def variance_forward(
    x: Array, *, axis: Axis = None, keepdims: bool = False, correction: int = 1
) -> Array:
    """Return sum (x - m)^2 / (n - correction), m the mean of n entries."""
    c = centered(x, axis)
    return np.sum(c * c, axis=axis, keepdims=keepdims) / (count(x, axis) - correction)


def variance_backward(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False, correction: int = 1
) -> tuple[Array]:
    """Return dx = 2 (x - m) dy / (n - correction).

    1. dm/dx[k] = 1/n, so d sum (x - m)^2 / dx[k] = 2 (x[k] - m) - 2/n sum (x - m).
    2. The last sum is zero.
    """
    share = kept(dy, x, axis) / (count(x, axis) - correction)
    return (2 * centered(x, axis) * share,)


def centered(x: Array, axis: Axis) -> Array:
    """Return x less its mean."""
    return x - mean_forward(x, axis=axes_of(x, axis), keepdims=True)


def norm_forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the Euclidean length sqrt(sum x^2)."""
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def norm_backward(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx = dy x / y. At x = 0 it is zero, a subgradient."""
    y = norm_forward(x, axis=axis, keepdims=keepdims)
    return norm_backward_from_output(dy, y, x, axis=axis, keepdims=keepdims)


def norm_backward_from_output(
    dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
) -> tuple[Array]:
    """Return dx = dy x / y, from the rounded length."""
    length = kept(y, x, axis)
    return (kept(dy, x, axis) * (x / np.where(length > 0, length, 1)),)


def normalize_forward(x: Array, *, axis: Axis = 1, eps: float = 1e-12) -> Array:
    """Return u = x / max(||x||, eps), in the shape of x."""
    return x / np.maximum(norm_forward(x, axis=axes_of(x, axis), keepdims=True), eps)


def normalize_backward(
    du: Array, u: Array, x: Array, *, axis: Axis = 1, eps: float = 1e-12
) -> tuple[Array]:
    """Return dx = (du - u sum du u) / ||x||; below eps, du / eps.

    1. d||x||/dx = u, so du[i]/dx[k] = ([i = k] - u[i] u[k]) / ||x||.
    2. Below eps, u is linear in x.
    """
    over = axes_of(x, axis)
    length = norm_forward(x, axis=over, keepdims=True)
    size = np.maximum(length, eps)
    u = x / size
    along = np.where(length > eps, np.sum(du * u, axis=over, keepdims=True), 0)
    return ((du - u * along) / size,)


def cumsum_forward(x: Array, *, axis: int) -> Array:
    """Return the sums of the entries up to each along an axis, in the shape of x."""
    return np.cumsum(x, axis=axis)


def cumsum_backward(dy: Array, y: Array, x: Array, *, axis: int) -> tuple[Array]:
    """Return dx: the sums of dy from each entry on, for it is in all later sums."""
    reverse: tuple[Any, ...] = (slice(None),) * (axis % np.ndim(x)) + (slice(None, None, -1),)
    return (np.cumsum(dy[reverse], axis=axis)[reverse],)


def of_negative(op: Op) -> Op:
    """Return the op -f(-x), of which dx is f's at -x: with the largest entry, the smallest."""

    def forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        """Return the smallest entry, or that along axes."""
        return -op.forward(-x, axis=axis, keepdims=keepdims)

    def backward(
        dy: Array, y: Array, x: Array, *, axis: Axis = None, keepdims: bool = False
    ) -> tuple[Array]:
        (dx,) = op.backward(dy, -y, -x, axis=axis, keepdims=keepdims)
        return (dx,)

    return Op(forward, backward, {name: of_negative(form) for name, form in op.forms.items()})


sum_ = Op(sum_forward, sum_backward)
mean = Op(mean_forward, mean_backward)
max_ = Op(
    max_forward,
    max_backward,
    forms={
        "the last of equal entries": Op(max_forward_last, max_backward_last),
        "shared among equal entries": Op(max_forward_shared, max_backward_shared),
    },
)
min_ = of_negative(max_)
logsumexp = Op(
    logsumexp_forward,
    logsumexp_backward,
    forms={"logsumexp' from the output": Op(logsumexp_forward, logsumexp_backward_from_output)},
)
variance = Op(variance_forward, variance_backward)
norm = Op(
    norm_forward,
    norm_backward,
    forms={"norm' from the output": Op(norm_forward, norm_backward_from_output)},
)
normalize = Op(normalize_forward, normalize_backward)
cumsum = Op(cumsum_forward, cumsum_backward)
