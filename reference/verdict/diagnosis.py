"""Diagnosis: which classical mistake explains a refuted link?

Every fault of the catalogue that can occur at the link predicts its own ball from the
framework's own numbers. The faults whose ball holds the framework's result are named; those that
explain most of the other refuted links come first. Where no fault does, simple relations are
tried, and where no relation holds either, the diagnosis says so. One fault makes one finding,
which all links that it explains belong to.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backproof.reference.numbers.ball import Ball
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.faults import Fault
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
        candidates = []
        for fault in faults:
            if explains(replay, fault, first):
                own = tuple(link.name for link in red if explains(replay, fault, link))
                candidates.append((fault, own))
        candidates.sort(key=lambda candidate: -len(candidate[1]))
        if candidates:
            fault, explained = candidates[0]
            evidence = f"{first.name} is {fault.gives}: {_all(first)}"
            if len(explained) > 1:
                evidence += f", and likewise {', '.join(explained[1:])}"
        else:
            explained, evidence = (first.name,), relation(replay, first)
        yield Diagnosis(first, tuple(fault.name for fault, _ in candidates), evidence, explained)
        red = [link for link in red if link.name not in explained]


def explains(replay: Replay, fault: Fault, link: Link) -> bool:
    """Return whether a fault's own ball holds all of the framework's numbers at a link."""
    if not fault.changes(replay.network, link.quantity):
        return False
    seen = replay.seen(link.quantity)
    ball = replay.ball(link.quantity, replay.precision, fault.rules, fault.update)
    if not isinstance(seen, np.ndarray | np.generic) or seen.shape != ball.shape:
        return False
    numbers = np.asarray(seen, dtype=np.float64)
    if link.problem:  # NaN and infinity: the same in the same places
        return bool(np.array_equal(numbers, ball.mid, equal_nan=True))
    return bool(np.all(np.isfinite(ball.rad)) and ball.contains(numbers).all())


def relation(replay: Replay, link: Link) -> str:
    """Return in simple terms how the framework's numbers are related to the expected ones."""
    if link.problem:
        return link.problem
    seen = np.asarray(replay.seen(link.quantity), dtype=np.float64)
    ball = replay.ball(link.quantity, replay.precision)
    for said, expected in _relations(seen, ball):
        if expected.shape == seen.shape and expected.contains(seen).all():
            return f"{link.name} is {said}: {_all(link)}"
    outside = np.argwhere(~ball.contains(seen))
    if len(outside) < seen.size:
        places = ", ".join(str(index.tolist()) for index in outside[:3])
        return f"only {len(outside)} of {seen.size} entries are wrong, at {places}: {link}"
    return f"no known fault and no simple relation explains it: {link}"


def _relations(seen: Any, ball: Ball) -> Iterator[tuple[str, Ball]]:
    """Yield each relation's name, with the ball that is expected under it."""
    p = ball.precision
    yield "what was expected, negated", -ball
    if ball.ndim == 2:  # noqa: PLR2004 rows and columns
        yield "what was expected, transposed", ball.T
        yield "what was expected, rows reversed", ball[::-1]
        yield "what was expected, columns reversed", ball[:, ::-1]
    at = np.unravel_index(int(np.argmax(np.abs(ball.mid))), ball.shape)
    if ball.mid[at]:
        factor = float(seen[at] / ball.mid[at])
        power = 2.0 ** np.round(np.log2(abs(factor))) * np.sign(factor) if factor else 0.0
        yield f"{power:g} times what was expected", ball * power
        # The factor itself is known no better than the largest entry.
        known = abs(factor) * (ball[at].rad / abs(ball.mid[at]) + 2 * p.u)
        yield f"{factor:.6g} times what was expected", ball * Ball(factor, known, p)


def _all(link: Link) -> str:
    return f"all {link.entries} of {link.entries} entries" if link.entries else "every entry"
