"""Products of all entries along an axis, and of all up to each: one factor after another."""

from typing import Any

import numpy as np

from backproof.reference.ops.functions import rounding, stop, with_tangent
from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.reductions import cumsum_backward


def part(x: Array, axis: int, k: int | None) -> Any:
    """Return the entries at a place along an axis; None: all, with a new axis there."""
    return x[(*[slice(None)] * axis, k)]


def factors(x: Array, axis: int) -> tuple[list[Array], list[Array]]:
    """Return the entries of x along an axis, and their products up to each."""
    each = [part(x, axis, k) for k in range(np.shape(x)[axis])]
    products = each[:1]
    for one in each[1:]:
        products.append(products[-1] * one)
    return each, products


def stacked(parts: list[Array], axis: int) -> Array:
    """Return parts beside each other along a new axis."""
    return np.concatenate([part(one, axis, None) for one in parts], axis=axis)


def product_forward(x: Array, *, axis: int) -> Array:
    """Return the product of all entries along an axis, 0 or more, of one entry at least."""
    return factors(x, axis)[1][-1]


def product_backward(dy: Array, y: Array, x: Array, *, axis: int) -> tuple[Array]:
    """Return dx: dy times the other factors, by the chain rule from the last factor back."""
    each, products = factors(x, axis)
    found = []
    for k in range(len(each) - 1, 0, -1):
        found.append(dy * products[k - 1])
        dy = dy * each[k]
    return (stacked([dy, *found[::-1]], axis),)


def product_backward_by_quotient(dy: Array, y: Array, x: Array, *, axis: int) -> tuple[Array]:
    """Return dx = dy y / x; for a factor of zero, by the chain rule."""
    (at_zero,) = product_backward(dy, y, x, axis=axis)
    found = part(dy, axis, None) * (part(y, axis, None) / np.where(x == 0, 1, x))
    return (np.where(x == 0, at_zero, found),)


def product_forward_by_quotients(x: Array, *, axis: int) -> Array:
    """Return the same with the tangent sum x' y / x: only the tangent differs.

    It is that of the derivative by the quotient, turned round: reverse over reverse computes it.
    """
    y = product_forward(x, axis=axis)
    shares = stop(part(y, axis, None) / np.where(x == 0, 1, x))
    return with_tangent(y, np.where(y == 0, y, np.sum(x * shares, axis=axis)))


def cumprod_forward(x: Array, *, axis: int) -> Array:
    """Return the products of the entries up to each along an axis, 0 or more."""
    return stacked(factors(x, axis)[1], axis)


def cumprod_forward_by_quotients(x: Array, *, axis: int) -> Array:
    """Return the same with the tangent y (sum of x' / x up to each): only the tangent differs."""
    y = cumprod_forward(x, axis=axis)
    shares = np.cumsum(x / stop(np.where(x == 0, 1, x)), axis=axis)
    return with_tangent(y, np.where(y == 0, y, stop(y) * shares))


def cumprod_backward(dy: Array, y: Array, x: Array, *, axis: int) -> tuple[Array]:
    """Return dx by the chain rule from the last product back: each is the one before times x."""
    each, products = factors(x, axis)
    found, d = [], part(dy, axis, -1)
    for k in range(len(each) - 1, 0, -1):
        found.append(d * products[k - 1])
        d = d * each[k] + part(dy, axis, k - 1)
    return (stacked([d, *found[::-1]], axis),)


def cumprod_backward_by_quotients(dy: Array, y: Array, x: Array, *, axis: int) -> tuple[Array]:
    """Return dx = (sum of dy y from each entry on) / x.

    At an entry of zero it is the product of those before, times the sum of dy and products of those
    behind. A term of that sum is rounded twice as often, at most, as there are entries.
    """
    each, products = factors(x, axis)
    n, found = len(each), list[Array]()
    d, size = (part(a, axis, -1) for a in (dy, np.abs(stop(dy))))
    for k in range(n - 1, -1, -1):
        total = d + rounding(2 * n * size)
        found.append(total * products[k - 1] if k else total)
        if k:
            d = d * each[k] + part(dy, axis, k - 1)
            size = size * np.abs(stop(each[k])) + np.abs(stop(part(dy, axis, k - 1)))
    (quotients,) = cumsum_backward(dy * y, y, x, axis=axis)
    at_zero = stacked(found[::-1], axis)
    return (np.where(x == 0, at_zero, quotients / np.where(x == 0, 1, x)),)


product = Op(
    product_forward,
    product_backward,
    forms={"dy y / x": Op(product_forward_by_quotients, product_backward_by_quotient)},
)
cumprod = Op(
    cumprod_forward,
    cumprod_backward,
    forms={
        "cumprod' by quotients": Op(cumprod_forward_by_quotients, cumprod_backward_by_quotients)
    },
)
