"""Rules of balls for what computes nothing: order, choice, and entries that are moved."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from backproof.reference.numbers.ball import Ball, constant, ends, read, up
from backproof.reference.numbers.precision import Precision
from backproof.reference.ops import Array


def _negative(a: Ball, p: Precision) -> Ball:
    return Ball(-a.mid, a.rad, p)


def _absolute(a: Ball, p: Precision) -> Ball:
    return Ball(np.abs(a.mid), a.rad, p)


def _reach(low: Array, mid: Array, high: Array) -> Array:
    """Return how far both ends are from the midpoint; zero at an infinity that is known.

    Such is the largest number of a row that is masked whole: minus infinity.
    """
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        return np.where(low == high, 0, np.maximum(mid - low, high - mid))


def _maximum(a: Ball, b: Ball, p: Precision) -> Ball:
    mid = np.maximum(a.mid, b.mid)
    if a.is_exact and b.is_exact:
        return Ball.exact(mid, p)
    low, high = (np.maximum(*ends) for ends in zip(ends(a), ends(b), strict=True))
    return Ball(mid, up(_reach(low, mid, high)), p)


def _in_steps(f: Any) -> Callable[..., Ball]:
    """Return the rule of a function that grows in steps, and is exact between them."""

    def rule(a: Ball, p: Precision) -> Ball:
        mid = f(a.mid)
        if a.is_exact:
            return Ball.exact(mid, p)
        low, high = (f(end) for end in ends(a))
        return Ball(mid, _reach(low, mid, high), p)

    return rule


def _minimum(a: Ball, b: Ball, p: Precision) -> Ball:
    return -_maximum(-a, -b, p)


def _less(a: Ball, b: Ball, p: Precision) -> Ball:
    return _greater(b, a, p)


def _greater(a: Ball, b: Ball, p: Precision) -> Ball:
    """Return 1 where a > b for sure, 0 where a <= b for sure, and 1/2 +- 1/2 where unknown."""
    if a.is_exact and b.is_exact:
        return Ball.exact(a.mid > b.mid, p)
    # Rounding is monotone: where rounded ends are in order, so are the ends.
    yes, no = a.mid - a.rad > b.mid + b.rad, a.mid + a.rad < b.mid - b.rad
    no |= (a.mid <= b.mid) & (a.rad + b.rad == 0)
    if np.all(yes | no):
        return Ball.exact(yes, p)
    return Ball(np.where(yes, 1, np.where(no, 0, 0.5)), np.where(yes | no, 0, 0.5), p)


def _not(a: Ball, p: Precision) -> Ball:
    return Ball(1 - a.mid, a.rad, p)


def _where(condition: Any, a: Any, b: Any) -> Ball:
    p = next(x.precision for x in (condition, a, b) if isinstance(x, Ball))
    balls = (x if isinstance(x, Ball) else constant(x, p) for x in (condition, a, b))
    mask, a, b = (read(ball) for ball in balls)
    mid = np.where(mask.mid > 0, a.mid, b.mid)
    if mask.is_exact and a.is_exact and b.is_exact:
        return Ball.exact(mid, p)
    if mask.is_exact:
        return Ball(mid, np.where(mask.mid > 0, a.rad, b.rad), p)
    rad = np.where(mask.mid > 0, a.rad, b.rad)
    unknown = np.abs(a.mid - b.mid) + np.maximum(a.rad, b.rad)
    return Ball(mid, np.where(mask.rad > 0, up(np.array(unknown)), rad), p)


def _max(a: Ball, axis: Any = None, *, keepdims: bool = False) -> Ball:
    mid = np.max(a.mid, axis=axis, keepdims=keepdims)
    if a.is_exact:
        return Ball.exact(mid, a.precision)
    low, high = (np.max(end, axis=axis, keepdims=keepdims) for end in ends(a))
    return Ball(mid, up(_reach(low, mid, high)), a.precision)


def _concatenate(parts: Sequence[Any], axis: int = 0) -> Ball:
    p = next(part.precision for part in parts if isinstance(part, Ball))
    balls = [part if isinstance(part, Ball) else Ball.exact(part, p) for part in parts]
    mid = np.concatenate([ball.mid for ball in balls], axis=axis)
    if all(ball.is_exact for ball in balls):
        return Ball.exact(mid, p)
    rads = [np.broadcast_to(ball.rad, ball.shape) for ball in balls]
    return Ball(mid, np.concatenate(rads, axis=axis), p)


def _ones_like(a: Ball) -> Ball:
    return Ball.exact(np.ones(a.shape), a.precision)


def _zeros_like(a: Ball, *, shape: tuple[int, ...] | None = None) -> Ball:
    return Ball.exact(np.zeros(a.shape if shape is None else shape), a.precision)


def _moved(move: Callable[..., Any]) -> Callable[..., Ball]:
    """Return the rule of a function that moves and repeats entries, and computes nothing."""

    def rule(a: Ball, *arguments: Any, **options: Any) -> Ball:
        return a.moved(lambda entries: move(entries, *arguments, **options))

    return rule


def _pad(a: Ball, width: Any, *, constant_values: float = 0) -> Ball:
    mid, value = (
        np.pad(a.mid, width, constant_values=constant_values),
        constant(constant_values, a.precision),
    )
    if a.is_exact and value.is_exact:
        return Ball.exact(mid, a.precision)
    rad = np.broadcast_to(a.rad, a.shape)
    return Ball(mid, np.pad(rad, width, constant_values=value.rad), a.precision)


def _argmax(a: Ball, axis: int | None = None) -> Array:
    """Return where the midpoint is largest: certain only where the entries are exact."""
    return np.asarray(np.argmax(a.mid, axis=axis))


MOVES = (
    *(np.transpose, np.swapaxes, np.repeat, np.broadcast_to, sliding_window_view, np.reshape),
    *(np.ravel, np.expand_dims, np.squeeze, np.moveaxis, np.flip, np.roll, np.tile, np.take),
)
"""The functions that move and repeat entries, and compute nothing."""

Ball.rules |= {
    np.negative: _negative,
    np.absolute: _absolute,
    np.maximum: _maximum,
    np.minimum: _minimum,
    np.sign: _in_steps(np.sign),
    np.floor: _in_steps(np.floor),
    np.ceil: _in_steps(np.ceil),
    np.rint: _in_steps(np.rint),
    np.greater: _greater,
    np.less: _less,
    np.bitwise_and: _minimum,  # of masks
    np.bitwise_or: _maximum,
    np.invert: _not,
    np.concatenate: _concatenate,
    np.max: _max,
    np.where: _where,
    np.ones_like: _ones_like,
    np.zeros_like: _zeros_like,
    np.argmax: _argmax,
    np.pad: _pad,
    np.ndim: lambda a: a.ndim,
    np.shape: lambda a: a.shape,
}
Ball.rules |= {move: _moved(move) for move in MOVES}
