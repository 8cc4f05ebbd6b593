"""Logarithms of the sums of e^x up to each entry along an axis: from each to the next."""

from typing import Any

import numpy as np

from backproof.reference.ops.factors import part, stacked
from backproof.reference.ops.functions import near, rounding, stored
from backproof.reference.ops.op import Array, Op

NONE = -(2.0**100)
"""The logarithm of nothing: e to its power is zero in every precision."""


def log_sums(each: list[Array]) -> list[Array]:
    """Return log(e^a + e^b + ...) of the first entries, up to each.

    The largest of them, m, is taken out: a constant of which nothing depends. Each logarithm is
    rounded, and hands that error on to all later ones; that of nothing hands on nothing.
    """
    m = near(each[0])
    total, found, off = np.exp(each[0] - m), each[:1], 0.0
    for one in each[1:]:
        larger = np.maximum(m, near(one))
        total = total * np.exp(m - larger) + np.exp(one - larger)
        m = larger
        y = m + np.log(total)
        found.append(y + off)
        off = off + rounding(np.where(m > NONE, y, 0))
    return found


def entries(x: Array, axis: int) -> list[Any]:
    """Return the entries along an axis."""
    return [part(x, axis, k) for k in range(np.shape(x)[axis])]


def logcumsumexp_forward(x: Array, *, axis: int) -> Array:
    """Return the logarithms of the sums of e^x up to each entry along an axis, 0 or more."""
    return stacked(log_sums(entries(x, axis)), axis)


def logcumsumexp_backward(dy: Array, y: Array, x: Array, *, axis: int) -> tuple[Array]:
    """Return dx by the chain rule, from the last logarithm back.

    y[k] = log(e^y[k - 1] + e^x[k]), so dy[k]/dy[k - 1] = e^(y[k - 1] - y[k]), and e^(x[k] - y[k])
    is that to x[k].
    """
    each, sums = entries(x, axis), entries(y, axis)
    found, d = [], part(dy, axis, -1)
    for k in range(len(each) - 1, 0, -1):
        found.append(d * np.exp(each[k] - sums[k]))
        d = d * np.exp(sums[k - 1] - sums[k]) + part(dy, axis, k - 1)
    return (stacked([d, *found[::-1]], axis),)


def logcumsumexp_backward_of_logarithms(
    dy: Array, y: Array, x: Array, *, axis: int
) -> tuple[Array]:
    """Return dx = e^x sum dy / e^y over each entry and all later ones, by logarithms.

    Those of positive and of negative dy are summed up for themselves. Each step is stored: of a
    logarithm of many digits before the point, few remain behind it.
    """

    def of(dy: Array) -> Array:
        logarithms = stored(stored(np.log(np.where(dy > 0, dy, 1))) - y)
        of_terms = entries(np.where(dy > 0, logarithms, NONE), axis)
        sums = log_sums(of_terms[::-1])[::-1]
        return stored(np.exp(stored(stored(stacked(sums, axis)) + x)))

    return (of(dy) - of(-dy),)


def logcumsumexp_turned_round(
    t: Array, dy: Array, y: Array, x: Array, *, axis: int
) -> tuple[Array]:
    """Return the tangent of y, sum t e^(x - y) up to each entry, by logarithms.

    It is what hands on to dy in reverse over reverse, where the derivative is computed by
    logarithms: with dx = e^(R + x), where R is the logarithm of the sum of dy e^-y from each entry
    on, t dx is handed on to log dy by logarithms too, and divided by dy.
    """

    def of(dy: Array) -> Array:
        logarithms = stored(stored(np.log(np.where(dy > 0, dy, 1))) - y)
        of_terms = np.where(dy > 0, logarithms, NONE)
        R = stored(stacked(log_sums(entries(of_terms, axis)[::-1])[::-1], axis))
        dx = stored(np.exp(stored(R + x)))

        def back(t: Array) -> Array:
            moves = (t > 0) & (R > NONE / 2)
            size = np.where(moves, stored(np.where(moves, t, 1) * np.where(moves, dx, 1)), 1)
            sizes = np.where(moves, stored(stored(np.log(size)) - R), NONE)
            sums = stored(stacked(log_sums(entries(sizes, axis)), axis))
            return stored(np.exp(stored(sums + of_terms)))

        return stored(back(t) - back(-t))

    return ((of(dy) + of(-dy)) / np.abs(dy),)


logcumsumexp = Op(
    logcumsumexp_forward,
    logcumsumexp_backward,
    forms={
        "logcumsumexp' by logarithms": Op(logcumsumexp_forward, logcumsumexp_backward_of_logarithms)
    },
)
