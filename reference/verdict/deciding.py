"""Does the ball that holds an array decide, or does it hold too much?

A ball decides where it proves a digit: its radii are a tenth of the exact numbers or less, in the
2-norm over the array's entries. From ||rad|| = ||mid|| on, zeros lie inside as well, and so does
the negative of nearly every array: such a ball proves nothing.

A wide ball may hold numbers that are much nearer to its midpoints than its radii. Midpoints are
exact but for float64's rounding; so what agrees with them to a digit, in the 2-norm, is decided
too. Steps inside of an op may round to nearest, so that the ball of wider steps has other midpoints
than the sharpest one; the exact numbers are in the sharpest ball, whose radii count then. Where
subnormal operands are read as zero, other entries may lie at a kink, or be the largest. Then the
midpoints of operands that are read so count as exact, and the ball must hold no zeros.

Two kinds of zero are decided all the same:

- exact zeros, whose balls have no radius: what is multiplied by zero is zero;
- zeros by cancellation, such as the gradient of a bias before a batch norm: midpoints that are
  rounding noise, in balls that are small beside the terms that cancel.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.ops import Array
from backproof.reference.verdict.evidence import DIGIT, norm
from backproof.reference.verdict.link import Link, Quantity

ROUNDED = 8
"""How often the terms of a sum may have been rounded before they cancel. Each time moves a term by
u, so that a sum of zero is at most this often u times the terms' magnitudes. Implementations were
seen to round them once."""


def decided(
    link: Link, seen: Array, ball: Ball, sharpest: Ball, terms: Callable[[], Array], noise: float
) -> Link | None:
    """Return a link that lies inside a ball, if the ball decides; else None.

    sharpest: the sharpest ball, which the exact numbers are in. terms: makes the sums of the
    magnitudes of each entry's terms. noise: how large the midpoints of the sharpest ball may be,
    relative to these sums, if they are zero by cancellation.
    """
    if link.resolution < DIGIT:
        return link
    as_read = ball.precision.zeroes and link.resolution < 1
    for near in (sharpest, ball) if as_read else (sharpest,):
        apart = off_from(near, seen, ball)
        if apart < DIGIT:
            return replace(link, apart=apart)
    exact = sharpest.mid
    if vanishes(seen, ball, exact):
        return replace(link, resolution=0.0)
    finite = np.isfinite(exact)  # an infinity that is known says nothing of the entries beside it
    size = norm(np.broadcast_to(terms(), exact.shape)[finite])
    # Where the terms' sum has a relative error of 1/2 and more, nothing is known of it.
    small = norm(reach(ball, exact)) < size / 2 < np.inf
    return replace(link, cancels=True) if small and norm(exact[finite]) <= noise * size else None


def off_from(near: Ball, seen: Array, ball: Ball) -> float:
    """Return how far numbers may be off, relative to the exact ones, in the 2-norm.

    near: the ball whose midpoints they are compared with. ball: the one that they lie in. If both
    have the same midpoints, these are exact but for float64's rounding, which is a known share of
    the radii; of others the radii count. They also do where sums are in blocks, since midpoints are
    added up in any order. Entries that are known to be infinite are left out.
    """
    p, finite = ball.precision, np.isfinite(near.mid)
    size = norm(near.mid[finite])
    if not size:
        return np.inf
    same = not p.in_blocks and (ball.mid is near.mid or np.array_equal(ball.mid, near.mid))
    share, rounded = (FLOAT64.u / (p.accumulator or p).u, ball) if same else (1, near)
    distance = norm(np.asarray(seen, float)[finite] - near.mid[finite])
    return (distance + share * norm(radii(rounded)[finite])) / size


def vanishes(seen: Array, ball: Ball, exact: Array) -> bool:
    """Return whether all numbers are zero, as they are in float64 too, since they underflow.

    The true numbers, such as e^-100000, are so small that no precision holds any but zero.
    """
    small = np.all(reach(ball, exact) < ball.precision.minimum)
    return bool(small and not np.any(seen) and not np.any(exact))


def measured(quantity: Quantity, precision: str, seen: Array, ball: Ball, exact: Array) -> Link:
    """Return a link with the entry that uses most of its ball, NaN before all others.

    exact: the midpoints of the sharpest ball.
    """
    if not seen.size:
        return Link(quantity, "inside", precision, share=0.0, resolution=0.0)
    shares, far = ball.shares(seen), resolution(ball, exact)
    if far == np.inf:  # a ball without bound holds everything
        shares = np.where(np.isfinite(ball.rad), shares, np.inf)
    index = tuple(map(int, np.unravel_index(int(np.argmax(shares)), shares.shape)))
    return Link(
        quantity,
        "inside",
        precision,
        entries=seen.size,
        share=float(shares[index]),
        resolution=far,
        index=index,
        seen=float(seen[index]),
        mid=float(ball.mid[index]),
        rad=float(ball.rad if ball.is_exact else ball.rad[index]),
    )


def resolution(ball: Ball, exact: Array) -> float:
    """Return how far numbers in a ball may be from exact ones, relative to these, in the 2-norm.

    It is 0 where nothing is rounded, and infinity where nothing is known. Entries that are known to
    be infinite are left out.
    """
    if ball.is_exact and ball.mid is exact:
        return 0.0
    far = norm(reach(ball, exact))
    if far == 0:
        return 0.0
    size = norm(exact)
    if size == np.inf:
        size = norm(exact[np.isfinite(exact)])
    return far / size if size > 0 and far < np.inf else np.inf


def reach(ball: Ball, exact: Array) -> Array:
    """Return how far the numbers of a ball may be from exact ones, entry by entry."""
    if ball.mid is exact:
        return radii(ball)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        return radii(ball) + np.where(ball.mid == exact, 0, np.abs(ball.mid - exact))


def radii(ball: Ball) -> Array:
    """Return the radius of every entry."""
    return np.broadcast_to(0.0, ball.shape) if ball.is_exact else np.asarray(ball.rad)
