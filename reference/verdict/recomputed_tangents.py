"""Tangents that are computed from their operands' own terms, in passes that are rewritten.

A rewritten pass may add up the terms of several sums in one. Then a tangent need not follow from
the tangents that are seen, which were rounded in between. Tangents enter every link linearly. So a
tangent outside its ball is replayed from the balls of its operands' tangents, as in
`reference.verdict.recomputed`; the values, which choose the branch at a kink, stay as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.precision import Precision
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.recomputed import AGAIN
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.tangents import TangentReplay, with_property


@dataclass
class RecomputedTangents(TangentReplay):
    """Replays tangents from the balls of their operands' tangents.

    once: replays them from the framework's own numbers. held: the quantities whose tangents are
    inside by that replay; all others are operands as they are.
    """

    once: TangentReplay = field(kw_only=True)
    held: frozenset[Quantity] = field(kw_only=True)

    def operand(self, quantity: Quantity, p: Precision) -> Any:
        """Return a framework's number, and the ball of its tangent."""
        if quantity not in self.held:
            return self.once.operand(quantity, p)
        return Dual(Replay.operand(self, quantity, p), self.once.ball(quantity, p))


def recomputed(links: Iterable[Link], once: TangentReplay) -> list[Link]:
    """Return links of tangents; those outside are replayed from their operands' balls."""
    links = [*links]
    inside = (ln.quantity for ln in links if ln.verdict == "inside" and not ln.properties)
    held = frozenset(replace(quantity, tangent=False) for quantity in inside)
    given = {one.name: getattr(once, one.name) for one in fields(once) if one.init}
    again = RecomputedTangents(**{**given, "balls": once.room.recent()}, once=once, held=held)
    done = [link.verdict == "inside" or bool(link.problem) for link in links]
    return [ln if ok else replayed(ln, again) for ln, ok in zip(links, done, strict=True)]


def replayed(link: Link, again: TangentReplay) -> Link:
    """Return a link outside as inside, if its operands' balls make it so; else as it was."""
    quantity = replace(link.quantity, tangent=False)
    found = again.judge(quantity, again.ball(quantity, again.own(quantity.of)))
    return with_property(found, AGAIN) if found.verdict == "inside" else link
