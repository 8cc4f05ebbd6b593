"""What numbers outside their ball are evidence of: a lower precision, or another formula.

A wide ball holds much that has nothing to do with it. A lower precision's ball also holds numbers
that are 1.001 times right, and a fault's ball may hold the right numbers too. So a ball that holds
what the right one does not is no explanation by itself.

Every test below goes wrong by chance, and `CHANCE` says how often. Numbers that are equal up to
their sign are counted once, since they need not be independent of each other.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtrc, gammaincc

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT64, PRECISIONS, Precision
from backproof.reference.ops import Array

CHANCE = 1 / 100
"""What happens less often by chance is not taken for chance."""
SMALLEST_SQUARE = float(np.finfo(float).tiny / np.finfo(float).eps)
"""Of this and larger sums of squares none that matters has underflowed."""

DIGIT = 1 / 10
"""How far apart numbers are, relative to them, that agree to one decimal digit."""


def sharpness(seen: Array, right: Ball, other: Ball) -> float:
    """Return how wide another formula's ball is, relative to how far it is from the right one.

    Both in the 2-norm over the entries that are outside the right ball; where the other ball has no
    bound, it says nothing. Below one the other ball explains them: it holds all numbers seen, and
    would not hold the right ones as well. Infinite where it does not hold all, or says nothing.
    """
    if other.shape != np.shape(seen) or not other.contains(seen).all():
        return np.inf
    radii = np.broadcast_to(other.rad + right.rad, right.shape)
    compared = ~right.contains(seen) & np.isfinite(radii)
    distance = norm((other.mid - right.mid)[compared])
    return norm(radii[compared]) / distance if distance else np.inf


def is_narrow_beside(seen: Array, ball: Ball, other: Ball) -> bool:
    """Return whether another ball is narrower than the numbers outside a ball are large."""
    outside = ~ball.contains(seen)
    radii, mids = (np.broadcast_to(a, ball.shape)[outside] for a in (other.rad, ball.mid))
    return norm(radii) < norm(mids)


def looks_rounded(lower: Precision, seen: Array, ball: Ball) -> bool:
    """Return whether numbers outside their ball were rounded to a lower precision.

    They are representable in it, or their errors spread as its roundings are.
    """
    return are_rounded_to(lower, [(seen, ball)]) or are_spread_by(lower, seen, ball)


def are_rounded_to(lower: Precision, found: Sequence[tuple[Array, Ball]]) -> bool:
    """Return whether all numbers outside their balls were rounded to a lower precision.

    found: arrays, of the dtype that was asked for, with their balls.

    1. All are representable in it. A number of the precision that was asked for is one with
       probability 2^-d, where d is by how many digits the two precisions differ. But a short number
       such as 0.5 or 30 is representable whatever it comes from: of t digits there are no more than
       2^(t - 1). So each number counts as min(d, t - 1) bits of evidence. One alone is none: it
       may have come about in many ways.
    2. They use its digits: that n numbers of it all end in k zeros has probability 2^-kn.
    3. They are off as by a rounding, not by much less: then rounding would not have moved them.
    """
    numbers, expected, asked = outside_of(found)
    digits = significant(numbers)
    unused = lower.digits - max(digits, default=lower.digits)
    bits = np.clip(digits - 1, 0, asked.digits - lower.digits).sum()
    return bool(
        len(numbers) > 1
        and unused >= 0
        and 2.0**-bits <= CHANCE <= 2.0 ** -(unused * len(digits))
        and are_moved_by(lower, numbers, expected)
    )


def are_spread_by(lower: Precision, seen: Array, ball: Ball) -> bool:
    """Return whether the errors of numbers are spread as the roundings of a lower precision are.

    Roundings to nearest go up and down, and towards zero and away from it; what a wrong factor,
    epsilon or constant gives is all on one side, or mostly. And they are not much smaller than that
    precision's unit roundoff.

    False for precisions with a wider accumulator: only products are computed in them.
    """
    numbers, expected, _ = outside_of([(seen, ball)])
    up = numbers > expected
    away = up == (expected > 0)
    return (
        lower.accumulator is None
        and goes_both_ways(up)
        and goes_both_ways(away)
        and are_moved_by(lower, numbers, expected)
    )


def outside_of(found: Sequence[tuple[Array, Ball]]) -> tuple[Array, Array, Precision]:
    """Return numbers outside their balls, those expected, and the precision that was asked for."""
    outside = [~ball.contains(seen) for seen, ball in found]
    pairs = list(zip(found, outside, strict=True))
    numbers = np.concatenate([np.asarray(seen, np.float64)[at] for (seen, _), at in pairs])
    expected = np.concatenate([ball.mid[at] for (_, ball), at in pairs])
    _, once = np.unique(np.abs(numbers), return_index=True)
    return numbers[once], expected[once], PRECISIONS[found[0][0].dtype.name]


def goes_both_ways(side: Array) -> bool:
    """Return whether the rarer side has more than a quarter of all signs, and not by chance.

    side: (n,), True or False. A quarter is half way from a systematic error, which has one side, to
    roundings, which have even odds. One-sided binomial test; it needs 22 signs or more.
    """
    rarer = min(side.sum(), (~side).sum())
    return bool(rarer and bdtrc(rarer - 1, len(side), 1 / 4) <= CHANCE)


def are_moved_by(p: Precision, numbers: Array, expected: Array) -> bool:
    """Return whether numbers are so far off that they may have been rounded to p at least once.

    The error of a rounding to nearest is uniform from -h to h, with h at least u|x|/2. So it is
    below a share s of u|x|/2 with probability s at most. The shares of all numbers are combined by
    Fisher's method (Statistical Methods for Research Workers, 1932, sec. 21.1).
    """
    with np.errstate(all="ignore"):
        shares = np.abs(numbers - expected) / (p.u / 2 * np.abs(expected))
        logs = np.log(np.minimum(shares, 1))
    return bool(gammaincc(len(logs), -np.sum(logs)) >= CHANCE)


def significant(numbers: Array) -> Array:
    """Return how many binary digits each number has from its first to its last one; 0 has none."""
    whole = np.abs(np.frexp(numbers)[0] * 2.0**FLOAT64.digits).astype(np.int64)
    last = np.frexp((whole & -whole).astype(np.float64))[1]
    return np.where(whole > 0, FLOAT64.digits + 1 - last, 0)


def norm(a: Array) -> float:
    """Return the 2-norm over all entries, without overflow or underflow of the squares."""
    flat = a.ravel(order="K")  # a view, in whatever order the entries lie
    with np.errstate(over="ignore", under="ignore"):
        square = float(np.dot(flat, flat))
    if SMALLEST_SQUARE < square < np.inf:
        return square**0.5
    largest = float(np.max(np.abs(flat), initial=0))
    return largest * float(np.linalg.norm(flat / largest)) if 0 < largest < np.inf else largest
