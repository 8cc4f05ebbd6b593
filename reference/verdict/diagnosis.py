"""Diagnosis: which classical mistake explains a refuted link?

Every fault of the catalogue that can occur at the link predicts its own ball from the framework's
own numbers. A fault is named if its ball holds all numbers seen and would not hold the right ones
as well. Those that explain most of the other refuted links come first, then those whose ball is
the sharpest. Where no fault does, simple relations are tried in the same way, and where no relation
holds either, the diagnosis says so. One fault makes one finding, which all links that it explains
belong to.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.evidence import DIGIT, are_rounded_to, sharpness
from backproof.reference.verdict.faults import Fault
from backproof.reference.verdict.faults.fault import IMPOSSIBLE
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.replay import Replay


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One finding.

    link:      the first refuted (or degraded) link that it is about.
    faults:    names of the faults that explain it, likeliest first; empty where none does.
    evidence:  what was seen, in one line.
    explained: the links that the likeliest fault explains, this one among them.
    """

    link: Link
    faults: tuple[str, ...]
    evidence: str
    explained: tuple[str, ...]

    def __str__(self) -> str:
        named = " or ".join(self.faults[:2]) or "no known fault"
        return f"{self.link.name}: {named}: {self.evidence}"


def diagnose(
    replay: Replay, certificate: Certificate, faults: Iterable[Fault]
) -> Iterator[Diagnosis]:
    """Yield a finding for each fault, in the order of the chain rule.

    replay: of the certified trace. faults: those that can occur on its network.
    """
    faults = list(faults)
    red = [link for link in certificate.links if link.verdict in ("degraded", "refuted")]
    while red:
        first = red[0]
        found = [(fault, explained_by(replay, fault, red)) for fault in faults]
        candidates = [(fault, own) for fault, own in found if first.name in own]
        candidates.sort(key=lambda candidate: (-len(candidate[1]), candidate[1][first.name]))
        fault, own = candidates[0] if candidates else (None, {first.name: np.inf})
        explained = tuple(own)
        evidence = (
            f"{first.name} is {fault.gives}: {_all(first)}" if fault else relation(replay, first)
        )
        if len(explained) > 1:
            evidence += f", and likewise {', '.join(explained[1:])}"
        yield Diagnosis(first, tuple(fault.name for fault, _ in candidates), evidence, explained)
        red = [link for link in red if link.name not in explained]


def explained_by(replay: Replay, fault: Fault, red: Sequence[Link]) -> dict[str, float]:
    """Return the links that a fault explains, by name, and how sharply; see `sharpness`.

    Empty unless the first of them is among them, and one of them to a digit at least: nothing that
    is a tenth of the way off has that fault's name. A fault that rounds must have rounded them all.
    """
    if not sharpness_of(replay, fault, red[0]) < 1:
        return {}
    sharp = {link: sharpness_of(replay, fault, link) for link in red}
    explained = [link for link in red if sharp[link] < 1]
    if min(sharp.values()) > DIGIT:
        return {}
    if fault.rounds:
        quantities = [link.quantity for link in explained]
        pairs = [(replay.seen(q), replay.ball(q, replay.of(q.of))) for q in quantities]
        if not are_rounded_to(fault.rounds, pairs):
            return {}
    return {link.name: sharp[link] for link in explained}


def sharpness_of(replay: Replay, fault: Fault, link: Link) -> float:
    """Return how sharply a fault's own ball explains a link, in the best of all ways."""
    seen = replay.seen(link.quantity)
    is_array = isinstance(seen, np.ndarray | np.generic)
    if not is_array or not fault.changes(replay.network, link.quantity):
        return np.inf
    found = []
    for p in ways(replay, link):
        try:
            own = replay.ball(link.quantity, p, fault.rules, fault.update)
        except IMPOSSIBLE:
            continue
        right = replay.ball(link.quantity, p)
        if not link.problem:
            found.append(sharpness(seen, right, own))
        elif same(seen, own) and not same(seen, right):
            found.append(0.0)  # NaN and infinity: the same in the same places
    return min(found, default=np.inf)


def same(seen: Any, ball: Ball) -> bool:
    """Return whether numbers, of which some are not finite, are the midpoints of a ball."""
    return np.array_equal(seen.astype(np.float64), ball.mid, equal_nan=True)


def ways(replay: Replay, link: Link) -> tuple[Precision, ...]:
    """Return the precisions that the steps of a link may be computed in, the sharpest first."""
    own = replay.of(link.quantity.of)
    return tuple(dict.fromkeys((own.steps, own)))


def relation(replay: Replay, link: Link) -> str:
    """Return in simple terms how the framework's numbers are related to the expected ones."""
    if link.problem:
        return link.problem
    if link.verdict == "degraded":
        return f"its numbers are {link.precision}'s: {link}"
    seen = np.asarray(replay.seen(link.quantity), dtype=np.float64)
    for p in ways(replay, link):
        right = replay.ball(link.quantity, p)
        outside = ~right.contains(seen)
        if np.unique(np.abs(right.mid[outside])).size > 1:  # one number has no relation
            every = (_relations(seen, right, outside), _swapped(replay, link, p))
            for said, own in (*chain(*every), _moved(seen, right)):
                if sharpness(seen, right, own) <= DIGIT:
                    return f"{link.name} is {said}: {_all(link)}"
    places = ", ".join(str(index.tolist()) for index in np.argwhere(outside)[:3])
    if 0 < (n := int(outside.sum())) < seen.size:
        are = "is" if n == 1 else "are"
        only = "only " if 2 * n < seen.size else ""
        return f"{only}{n:,} of {seen.size:,} entries {are} wrong, at {places}: {link}"
    return f"no simple relation explains it: {link}"


def _relations(seen: Any, ball: Ball, outside: Any) -> Iterator[tuple[str, Ball]]:
    """Yield each relation's name, with the ball that is expected under it."""
    p = ball.precision
    yield "what was expected, negated", -ball
    if ball.ndim == 2:  # noqa: PLR2004 rows and columns
        yield "what was expected, transposed", ball.T
        yield "what was expected, rows reversed", ball[::-1]
        yield "what was expected, columns reversed", ball[:, ::-1]
    size = np.where(outside, np.abs(ball.mid), 0)
    at = np.unravel_index(int(np.argmax(size)), ball.shape)
    with np.errstate(all="ignore"):
        factor = float(seen[at] / ball.mid[at])
        # The factor is known no better than the largest entry that is wrong.
        known = abs(factor) * float(ball[at].rad / size[at] + 2 * p.u)
    if factor and np.isfinite(factor) and np.isfinite(known):
        power = np.sign(factor) * 2.0 ** np.round(np.log2(abs(factor)))
        yield f"{power:g} times what was expected", ball * power
        yield f"{_number(factor, known)} times what was expected", ball * Ball(factor, known, p)


def _swapped(replay: Replay, link: Link, p: Precision) -> Iterator[tuple[str, Ball]]:
    """Yield what the one op that hands on here should hand on to its other operands."""
    name, shape = link.quantity.of, np.shape(replay.seen(link.quantity))
    users = replay.consumers.get(name, ()) if link.quantity.kind == "derivative" else ()
    if len(users) != 1:
        return
    (node,) = users
    balls = replay.hands_on(node, replay.steps(node, name, p), RIGHT)
    for other, ball in zip(node.inputs, balls, strict=True):
        if other != name and ball.shape == shape:
            yield f"what {other} should receive", ball


def _moved(seen: Any, ball: Ball) -> tuple[str, Ball]:
    """Return the numbers that were expected, in the places in which those seen are in order."""
    ranks, order = np.argsort(np.argsort(seen, axis=None)), np.argsort(ball.mid, axis=None)
    moved = ball.reshape(-1)[order][ranks].reshape(*ball.shape)
    return "what was expected, in other places", moved


def _number(factor: float, known: float) -> str:
    """Return a number with as many digits as are known of it; known: its radius."""
    written = (f"{factor:.{digits}g}" for digits in range(1, 18))
    return next(number for number in written if abs(float(number) - factor) <= known)


def _all(link: Link) -> str:
    if not link.entries:
        return "every entry"
    wrong = "" if link.outside in (0, link.entries) else f", of which {link.outside} are wrong"
    return f"all {link.entries} of {link.entries} entries{wrong}"
