"""Rules of balls for sums and products of matrices: any order, in the accumulator."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import (
    Ball,
    largest,
    least,
    nonzero_of,
    read,
    rounded_by,
    unit,
    up,
)
from backproof.reference.numbers.precision import FLOAT32, FLOAT64, Precision, gamma
from backproof.reference.ops import Array

LARGE = 2**15
"""From so many entries on, a product in float32 costs half of one in float64."""


def _accumulated(
    mid: Array, size: Array, spread: Any, n: Any, p: Precision, nonzero: Any = None
) -> Ball:
    """Return the ball of n accumulated terms and the rounding of their sum.

    size:    sum of the terms' largest magnitudes; overwritten. spread: what the operands' radii
             cause. n: a number, or one for each entry.
    nonzero: where not all terms are exactly zero. None: wherever the size is not.
    Source: Higham, sec. 3.5 (inner products) and 4.2 (sums): gamma_n times the size.
    """
    wide = p.accumulator or p
    if nonzero is None:
        nonzero = least(size) > 0 or size > 0
    rad, share = np.asarray(size), gamma(n, unit(wide))
    if p.in_blocks:  # which the midpoints need not be
        share = np.minimum(share, gamma(2 * np.ceil(np.sqrt(n)), wide.u) + gamma(n, FLOAT64.u))
    if p.in_parts:
        share = share + gamma(np.ceil(np.log2(np.maximum(n, 1))), p.u)
    # In place: the largest array of all is touched as seldom as possible. A sum of zeros is zero.
    if (share if isinstance(share, float) else largest(share)) < np.inf:
        rad *= share
    else:
        np.multiply(rad, share, out=rad, where=rad != 0)
    rad += n * nonzero * (2 * (wide.underflow + FLOAT64.underflow))
    if type(spread) is not float:  # NumPy's scalars are of a subclass
        rad += spread
    if p.accumulator:
        rad += rounded_by(np.abs(mid) + rad, p.u, p)
    return Ball(mid, up(rad, n if isinstance(n, int) else int(largest(n))), p)


def _matmul(a: Ball, b: Ball, p: Precision) -> Ball:
    if p.products:
        a, b = (ball.nearest(p.products) for ball in (a, b))
    n = a.shape[-1]
    spread = 0.0 if b.is_exact else np.abs(a.mid) @ b.rad
    if not a.is_exact:
        spread += a.rad @ (np.abs(b.mid) + b.rad)
    size, nonzero = _product_of_bounds(a, b)
    return _accumulated(a.mid @ b.mid, size, spread, n, p, nonzero)


def _product_of_bounds(a: Ball, b: Ball) -> tuple[Array, Any]:
    """Return a bound of (|a| + rad_a) (|b| + rad_b), and where not all terms are exactly zero.

    It is computed in float32 if the matrices are large, unless an entry is so small that underflow
    matters there: in each of n terms either factor, the product or the sum may underflow,
    8 n minimum32 in all.
    """
    n, nonzero = a.shape[-1], True
    if a.size + b.size < LARGE:
        size = a.largest_size @ b.largest_size
        if least(size) > 8 * n * FLOAT64.minimum / FLOAT64.u:
            return np.asarray(size), True
    (bound_a, scale_a), (bound_b, scale_b) = a.bound32, b.bound32
    product = bound_a @ bound_b
    small = 8 * n * FLOAT32.minimum / FLOAT32.u
    fits = least(product) >= small  # NaN does not
    if not fits:  # except for the rows and the columns of zeros
        rows, columns = np.any(nonzero_of(a), axis=-1), np.any(nonzero_of(b), axis=-min(b.ndim, 2))
        of_matrices = a.ndim > 1 and b.ndim > 1
        nonzero = rows[..., None] & columns[..., None, :] if of_matrices else rows & columns
        fits = np.min(product, initial=np.inf, where=nonzero) >= small
    if fits:
        larger = 1 + gamma(n + 7, FLOAT32.u)  # n + 6 roundings, and the underflow
        size = np.multiply(product, larger * scale_a, dtype=np.float64)
        if scale_b != 1:
            size *= scale_b
        return np.asarray(size), nonzero
    terms = nonzero_of(a).astype(np.float32) @ nonzero_of(b).astype(np.float32)
    return a.largest_size @ b.largest_size, terms > 0


def _sum(a: Ball, axis: Any = None, *, keepdims: bool = False) -> Ball:
    def add(x: Array) -> Array:
        return np.asarray(np.sum(x, axis=axis, keepdims=keepdims))

    a = read(a)
    mid = add(a.mid)
    n = a.mid.size // max(mid.size, 1)
    spread = 0.0 if a.is_exact else add(np.broadcast_to(a.rad, a.shape))
    return _accumulated(mid, add(np.abs(a.mid)) + spread, spread, n, a.precision)


def _cumsum(a: Ball, axis: int | None = None) -> Ball:
    """Return the sums of the entries up to each, of as many terms."""
    a = read(a if axis is not None else a.reshape(-1))
    axis = axis or 0
    spread = np.cumsum(np.broadcast_to(a.rad, a.shape), axis=axis)
    size = np.cumsum(np.abs(a.mid), axis=axis) + spread
    count = np.cumsum(np.ones(a.shape), axis=axis)
    return _accumulated(np.cumsum(a.mid, axis=axis), size, spread, count, a.precision)


def in_any_order(parts: Sequence[Ball]) -> Ball:
    """Return the sum of balls whose terms, all together, may be added up in any order."""
    p, terms = parts[0].precision, sum(part.terms for part in parts)
    mid = np.asarray(sum(part.mid for part in parts))
    spread = np.asarray(sum(np.broadcast_to(part.rad, mid.shape) for part in parts))
    size = np.asarray(sum(np.abs(part.mid) for part in parts)) + spread
    return _accumulated(mid, size, spread, terms, p)


def _add_at(target: Ball, index: Any, values: Any) -> None:
    """Add values to entries of `target`, an array of zeros; several may go to the same entry."""
    p = target.precision
    values = read(values if isinstance(values, Ball) else Ball.exact(values, p))

    def added(a: Any) -> Array:
        total = np.zeros(target.shape)
        np.add.at(total, index, a)
        return total

    target.changes()
    np.add.at(target.mid, index, values.mid)
    spread, count = 0.0 if values.is_exact else added(values.rad), added(1)
    n = int(np.max(count, initial=0))
    target.terms = max(n, 1)
    if n > 1:
        size = added(np.abs(values.mid)) + spread
        target.rad = _accumulated(target.mid, size, spread, count, p).rad
    else:
        target.rad = spread


Ball.rules[np.matmul] = _matmul
Ball.rules |= {np.sum: _sum, np.cumsum: _cumsum, np.add.at: _add_at}
