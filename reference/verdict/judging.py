"""The verdict on one array: in the ball of which way does it lie?

An implementation may work in several ways (`freedoms`) and compute an op in several forms. A way is
granted only where its ball decides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import LOWER, PRECISIONS, Precision
from backproof.reference.ops import Array
from backproof.reference.verdict.deciding import ROUNDED, decided, measured, radii, resolution
from backproof.reference.verdict.evidence import DIGIT, is_narrow_beside, looks_rounded, sharpness
from backproof.reference.verdict.forms import MIXED
from backproof.reference.verdict.link import OTHER_DTYPE, Link, Quantity
from backproof.reference.verdict.ways import FLUSHES, Form, Freedom, Ways, freedoms


def no_terms(_: Form) -> Array:
    """Return that no terms are added up: no zero of such an array is one by cancellation."""
    return np.zeros(())


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
    filled: makes a mask of the entries where too large a number stands for infinity.
    """
    own = asked.name
    if problem := problem_of(seen, ball.shape, asked):
        return Link(quantity, "refuted", own, problem=problem)
    first = measured(quantity, own, seen, ball, ball.mid)
    if first.share <= 1:
        found = decided(first, seen, ball, ball, lambda: terms(()), ROUNDED * asked.u)
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
    LSTM, the formula itself is tried first in all ordinary freedoms, its terms added up in any way.
    Numbers that are undecided then, because they underflow, are so in every form.
    """
    every = freedoms(PRECISIONS[first.precision])
    if len(ways) > MANY:
        ordinary = [one for one in every if not one.is_narrow and FLUSHES not in one.properties]
        itself = {form: make for form, make in ways.items() if {*form} <= {MIXED}}
        found = [*held_among(first, seen, itself, terms, ordinary)]
        yield from found
        if found and decides_without_underflow(PRECISIONS[first.precision], ways):
            return
    yield from held_among(first, seen, ways, terms, every)


def held_among(
    first: Link, seen: Array, ways: Ways, terms: Callable[[Form], Array], among: Sequence[Freedom]
) -> Iterator[Link]:
    """Yield a link for each of some forms, in each of some freedoms, whose ball holds an array.

    If a ball holds the array and does not decide, wider balls of its form do not decide either, and
    are not tried. This is not so after a ball of sums in blocks, which decides by its radii alone;
    nor for a ball of operands whose subnormals are read as zero, which has other midpoints.
    """
    asked = PRECISIONS[first.precision]
    sharpest, *_ = freedoms(asked)
    # The midpoints of the sharpest ball are exact but for float64's rounding. At a kink or a tie
    # forms are different conventions, and each has its own.
    sharp = in_forms(ways, sharpest.precision)
    undecided: set[Form] = set()
    for freedom in among:
        p, noise = freedom.precision, (ROUNDED if freedom == sharpest else 1) * asked.u
        # Where subnormal operands are zero, there may be ties that there are not otherwise.
        made = in_forms(ways, p) if p.zeroes else sharp if freedom == sharpest else {}
        for form in made or sharp:
            if form in undecided and not p.zeroes:
                continue
            ball = made[form] if made else ways[form](p)
            exactly = sharp[form] if form in sharp else ways[form](sharpest.precision)
            link = measured(first.quantity, asked.name, seen, ball, exactly.mid)
            if not link.share <= 1:
                continue
            of = link, seen, ball, exactly, partial(terms, form)
            if found := decided(*of, noise):
                yield replace(found, properties=(*form, *freedom.properties))
                continue
            if not (p.in_blocks or p.flushes):
                undecided.add(form)
            # A narrow accumulator excuses no sum but one that is as small as its terms' rounding.
            if not freedom.is_narrow or decided(*of, ROUNDED * asked.u):
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


def decides_without_underflow(p: Precision, ways: Ways) -> bool:
    """Return whether the ball of an array would prove a digit if numbers were of any size."""
    if () not in ways:
        return False
    ball = ways[()](p.steps.unbounded())
    return resolution(ball, ball.mid) < DIGIT
