"""The verdict on one array: in which ball does it lie, and does that ball decide?

A ball decides where it proves a digit: its radii are a tenth of the exact numbers or less, in the
2-norm over the array's entries. From ||rad|| = ||mid|| on, zeros lie inside as well, and so does
the negative of nearly every array: such a ball proves nothing.

A wide ball may hold numbers that are much nearer to its midpoints than its radii. Midpoints are
exact but for float64's rounding; so what agrees with them to a digit, in the 2-norm, is decided
too. Where subnormal operands are read as zero, an entry at a kink may be another one: such numbers
must agree to a digit with the midpoints of operands that are so read, in a ball without zeros.

Two kinds of zero are decided all the same:

- exact zeros, whose balls have no radius: what is multiplied by zero is zero;
- zeros by cancellation, such as the gradient of a bias before a batch norm: midpoints that are
  rounding noise, in balls that are small beside the terms that cancel.

An implementation may work in several ways (`freedoms`) and compute an op in several forms. A way is
granted only where its ball decides.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import FLOAT64, LOWER, PRECISIONS, Precision
from backproof.reference.ops import Array
from backproof.reference.verdict.evidence import (
    DIGIT,
    is_narrow_beside,
    looks_rounded,
    norm,
    sharpness,
)
from backproof.reference.verdict.link import OTHER_DTYPE, Link, Quantity

Form = tuple[str, ...]
"""The names of the forms of ops in which an array is computed; empty for the reference's own."""

Ways = Mapping[Form, Callable[[Precision], Ball]]
"""Form -> from a precision to the ball of the result."""


def no_terms(_: Form) -> Array:
    """Return that no terms are added up: no zero of such an array is one by cancellation."""
    return np.zeros(())


@dataclass(frozen=True, slots=True)
class Freedom:
    """One way in which an implementation may work in a precision.

    precision:  the rounding of the steps inside an op.
    properties: what it is called.
    is_narrow:  whether sums are rounded to the precision itself on the way, though a wider
                accumulator is usual.
    """

    precision: Precision
    properties: tuple[str, ...] = ()
    is_narrow: bool = False


ROUNDED = 8
"""How often the terms of a sum may have been rounded before they cancel. Each time moves a term by
u, so that a sum of zero is at most this often u times the terms' magnitudes. One was seen."""

FLUSHES = "flushes subnormals to zero"


@cache
def freedoms(p: Precision) -> tuple[Freedom, ...]:
    """Return the ways of working in a precision; the one that widens a ball least comes first.

    The smallest normal number of float16 is large. Its subnormals are read and written as zero by
    some implementations, but never lost in the terms of a narrow accumulator. The ball of a sum in
    any order may be too wide to decide where the ball of a sum in blocks is not.
    """
    flushes = (FLUSHES,)
    if not p.accumulator:
        own = (Freedom(p), Freedom(p.flushing(), flushes), Freedom(p.zeroing(), flushes))
        return (Freedom(p.summing_in_blocks()), *own)
    steps, narrow = f"rounds every step to {p.name}", f"accumulates in {p.name}"
    return (
        Freedom(p.steps),
        Freedom(p, (steps,)),
        Freedom(p.flushing(), (steps, *flushes)),
        Freedom(p.zeroing(), (steps, *flushes)),
        Freedom(p.summing_in_parts(), (f"rounds partial sums to {p.name}",), is_narrow=True),
        Freedom(p.narrow(), (narrow,), is_narrow=True),
    )


def judged(
    quantity: Quantity,
    seen: Any,
    asked: Precision,
    ball: Ball,
    ways: Callable[[], Ways],
    terms: Callable[[Form], Array],
    filled: Callable[[], Array] = partial(np.zeros, (), bool),  # noqa: B008 nothing is made yet
) -> Link:
    """Return the verdict on one array.

    seen:  the framework's array. asked: the precision that was asked for.
    ball:  the one that is tried first. ways: the ways that are tried next; none where nothing is
    rounded. terms: form -> for each entry the sum of the magnitudes of the terms that are added up.
    filled: makes where an entry that is too large for the precision stands for infinity.
    """
    own = asked.name
    if problem := problem_of(seen, ball.shape, asked):
        return Link(quantity, "refuted", own, problem=problem)
    first = measured(quantity, own, seen, ball, ball.mid)
    if first.share <= 1:
        found = decided(first, seen, ball, ball.mid, lambda: terms(()), ROUNDED * asked.u)
        if found:
            return found
    link = judged_in_other_ways(first, seen, ball, ways, terms)
    if link.verdict == "undecided":
        link = replace(link, underflows=decides_without_underflow(asked, ways()))
    if link.verdict == "inside" or not np.any(unknown := no_number(seen, ball, asked, terms)):
        return link
    beside = judged_beside(unknown, quantity, seen, asked, ball, ways, terms)
    left = unknown & (~np.isinf(seen) | np.isnan(ball.mid) | ~filled())
    if beside.verdict != "inside" or not np.any(left):
        return beside
    index = tuple(map(int, np.argwhere(left)[0]))
    problem = said(seen[index], float(ball.mid[index]), float(radii(ball)[index]), asked)
    return replace(beside, verdict="undecided", index=index, problem=problem)


def said(seen: Any, mid: float, rad: float, asked: Precision) -> str:
    """Return why nothing is decided of an entry, of which a number and a ball are given."""
    if np.isnan(mid) or np.isfinite(seen):
        return f"is {seen}, where the formula gives no number"
    if np.isinf(mid):
        return f"is {seen}: the number is infinite, or too large for float64 too"
    if np.isinf(rad):
        return f"is {seen}, where the formula gives no bound"
    what = "the terms that are added up are" if np.isnan(seen) else "the number is"
    return f"is {seen}: {what} too large for {asked.name}"


def judged_in_other_ways(
    first: Link, seen: Array, ball: Ball, ways: Callable[[], Ways], terms: Callable[[Form], Array]
) -> Link:
    """Return the verdict on an array that is not inside, and decided, in the ball tried first."""
    infinite = ~np.isfinite(seen)
    if np.any(infinite) and np.any(infinite := infinite & ~ball.contains(seen)):
        index = tuple(map(int, np.argwhere(infinite)[0]))
        problem = f"expected a finite number, found {seen[index]}"
        return replace(first, verdict="refuted", index=index, problem=problem)
    undecided = replace(first, verdict="undecided") if first.share <= 1 else None
    for link in held(first, seen, ways(), terms):
        if link.verdict == "inside":
            return link
        undecided = undecided or link
    outside = int(np.sum(~ball.contains(seen)))
    if not outside:  # of a ball that has no bound
        return undecided or replace(first, verdict="undecided")
    refuted = replace(first, verdict="refuted")
    return undecided or replace(lower(refuted, seen, ball, ways()) or refuted, outside=outside)


def no_number(seen: Array, ball: Ball, asked: Precision, terms: Callable[[Form], Array]) -> Array:
    """Return where nothing is decided, though what is seen lies outside a ball.

    The formula gives no number there, as infinity minus infinity is NaN; or no bound, since a step
    of it may divide by zero, or overflows in float64; or it gives a number that is too large for
    the precision, and infinity is seen; or terms that are added up are too large, and NaN is seen:
    of these, one part may be infinity, and another the negative of it. The sign of an infinity is
    known where the formula gives one.
    """
    rad = radii(ball)
    size = np.abs(ball.mid) + np.where(np.isfinite(rad), rad, 0)
    overflows = np.isinf(seen) & (np.sign(seen) == np.sign(ball.mid)) & (size > asked.largest)
    if np.any(is_nan := np.isnan(seen) & np.isfinite(ball.mid)):
        overflows |= is_nan & (terms(()) > asked.largest)
    is_open = np.isnan(ball.mid) | (np.isinf(rad) & ~(np.isinf(seen) & np.isinf(ball.mid)))
    return np.asarray((overflows | is_open) & ~ball.contains(seen))


def judged_beside(
    unknown: Array,
    quantity: Quantity,
    seen: Array,
    asked: Precision,
    ball: Ball,
    ways: Callable[[], Ways],
    terms: Callable[[Form], Array],
) -> Link:
    """Return the verdict on all entries but those that are not known."""
    rest = ~unknown

    def made(make: Callable[[Precision], Ball], p: Precision) -> Ball:
        return make(p)[rest]

    def ways_beside() -> Ways:
        return {form: partial(made, make) for form, make in ways().items()}

    def terms_beside(form: Form) -> Array:
        return np.broadcast_to(terms(form), seen.shape)[rest]

    link = judged(quantity, seen[rest], asked, ball[rest], ways_beside, terms_beside)
    places = np.argwhere(rest)[link.index[0]] if link.index else ()
    return replace(link, index=tuple(map(int, places)), entries=seen.size)


MANY = 16
"""More forms than an op has by itself: those of ops that are composed, or add up, multiply."""


def held(first: Link, seen: Array, ways: Ways, terms: Callable[[Form], Array]) -> Iterator[Link]:
    """Yield a link for each way whose ball holds an array: inside, or undecided.

    first: the link in the ball that was tried first. Where the forms are many, as for a step of an
    LSTM, the formula itself is tried first in all ordinary freedoms.
    """
    every = freedoms(PRECISIONS[first.precision])
    if len(ways) > MANY:
        ordinary = [one for one in every if not one.is_narrow and FLUSHES not in one.properties]
        yield from held_among(first, seen, {(): ways[()]}, terms, ordinary)
    yield from held_among(first, seen, ways, terms, every)


def held_among(
    first: Link, seen: Array, ways: Ways, terms: Callable[[Form], Array], among: Sequence[Freedom]
) -> Iterator[Link]:
    """Yield a link for each of some forms, in each of some freedoms, whose ball holds an array."""
    asked = PRECISIONS[first.precision]
    sharpest, *_ = freedoms(asked)
    # The midpoints of the sharpest ball are exact but for float64's rounding. At a kink or a tie
    # forms are different conventions, and each has its own.
    sharp = in_forms(ways, sharpest.precision)
    for freedom in among:
        p, noise = freedom.precision, (ROUNDED if freedom == sharpest else 1) * asked.u
        # Where subnormal operands are zero, there may be ties that there are not otherwise.
        made = in_forms(ways, p) if p.zeroes else sharp if freedom == sharpest else {}
        for form in made or sharp:
            ball = made[form] if made else ways[form](p)
            exactly = sharp[form] if form in sharp else ways[form](sharpest.precision)
            link = measured(first.quantity, asked.name, seen, ball, exactly.mid)
            if not link.share <= 1:
                continue
            of = link, seen, ball, exactly.mid, partial(terms, form)
            if found := decided(*of, noise):
                yield replace(found, properties=(*form, *freedom.properties))
            # A narrow accumulator excuses no sum but one that is as small as its terms' rounding.
            elif not freedom.is_narrow or decided(*of, ROUNDED * asked.u):
                yield replace(link, verdict="undecided")


def in_forms(ways: Ways, p: Precision) -> dict[Form, Ball]:
    """Return the balls of the forms that differ here: of those with the same, the first alone.

    p: the precision of the steps. Most forms are conventions at a kink or a tie, and few arrays
    have one.
    """
    balls = {form: make(p) for form, make in ways.items()}
    once: dict[int, Form] = {}
    for form, ball in balls.items():
        once.setdefault(id(ball), form)
    first: dict[tuple[bytes, bytes], Form] = {}
    for form in once.values():
        ball = balls[form]
        first.setdefault((ball.mid.tobytes(), radii(ball).tobytes()), form)
    return {form: balls[form] for form in first.values()}


def lower(refuted: Link, seen: Array, first: Ball, ways: Ways) -> Link | None:
    """Return the link as degraded to a lower precision, if there is evidence of it; else None.

    first: the ball that was tried first. The sharpest ball of each lower precision is tried first:
    of matrix products whose operands are rounded to it, which is evidence where it is sharp enough;
    of the result rounded to it; of every step rounded to it.
    """
    asked = PRECISIONS[refuted.precision]
    for p in LOWER[refuted.precision] if ways else ():
        products = replace(asked.accumulator or asked, accumulator=p.accumulator, products=p)
        is_rounded = looks_rounded(p, seen, first)
        makes = [partial(ways[()], products)]
        if is_rounded:
            steps = dict.fromkeys((p, p.narrow()))
            makes += [partial(first.into, p), *(partial(ways[()], one.flushing()) for one in steps)]
        for ball in (make() for make in makes):
            link = measured(refuted.quantity, p.name, seen, ball, first.mid)
            inside = link.share <= 1 and link.resolution < 1 and is_narrow_beside(seen, first, ball)
            if inside and (is_rounded or sharpness(seen, first, ball) < 1):
                return replace(link, verdict="degraded")
    return None


def decided(
    link: Link, seen: Array, ball: Ball, exact: Array, terms: Callable[[], Array], noise: float
) -> Link | None:
    """Return a link that lies inside a ball, if the ball decides; else None.

    exact: the midpoints of the sharpest ball. terms: makes the sums of the magnitudes of each
    entry's terms. noise: how large `exact` may be, relative to these sums, if it is zero by
    cancellation.
    """
    if link.resolution < DIGIT:
        return link
    apart = off_from(exact, seen, ball)
    if apart < DIGIT:
        return replace(link, apart=apart)
    if ball.precision.zeroes and link.resolution < 1 and off_from(ball.mid, seen, ball) < DIGIT:
        return link
    if vanishes(seen, ball, exact):
        return replace(link, resolution=0.0)
    finite = np.isfinite(exact)  # an infinity that is known says nothing of the entries beside it
    size = norm(np.broadcast_to(terms(), exact.shape)[finite])
    # Where the terms' sum has a relative error of 1/2 and more, nothing is known of it.
    small = norm(reach(ball, exact)) < size / 2 < np.inf
    return replace(link, cancels=True) if small and norm(exact[finite]) <= noise * size else None


def off_from(mids: Array, seen: Array, ball: Ball) -> float:
    """Return how far numbers may be off, relative to the exact ones, in the 2-norm.

    mids: the exact numbers, but for float64's rounding, which is a known share of the radii where
    they are the ball's midpoints; and not where sums are taken in blocks, which theirs are not.
    Entries that are known to be infinite are left out.
    """
    p, finite = ball.precision, np.isfinite(mids)
    size = norm(mids[finite])
    if p.in_blocks or not size or not (ball.mid is mids or np.array_equal(ball.mid, mids)):
        return np.inf
    rounding = FLOAT64.u / (p.accumulator or p).u * norm(radii(ball)[finite])
    return (norm(np.asarray(seen, float)[finite] - mids[finite]) + rounding) / size


def decides_without_underflow(p: Precision, ways: Ways) -> bool:
    """Return whether the ball of an array would prove a digit if numbers were of any size."""
    if () not in ways:
        return False
    ball = ways[()](p.steps.unbounded())
    return resolution(ball, ball.mid) < DIGIT


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


def problem_of(seen: Any, shape: tuple[int, ...], p: Precision) -> str | None:
    """Return what is wrong with an array before any comparison of its numbers."""
    if seen is None:
        return "is missing"
    if not isinstance(seen, np.ndarray | np.generic):
        return f"expected a NumPy array, found {type(seen).__name__}"
    if seen.shape != shape:
        return f"expected shape {shape}, found {seen.shape}"
    if seen.dtype != p.dtype:
        return f"{OTHER_DTYPE} {p.dtype}, found {seen.dtype}"
    return None


def widest(p: Precision, properties: Collection[str]) -> Precision:
    """Return the rounding of the steps of an implementation that was seen to have properties."""
    seen = [one.precision for one in freedoms(p) if {*one.properties} <= {*properties}]
    return seen[-1]
