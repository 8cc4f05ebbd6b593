"""Operands that a compiler computes again: links replayed from the balls of their operands.

A compiler may compute a number twice: once as an output of the pass, and once more inside a fused
kernel that uses it, where it is rounded differently. A link that follows from the second number
need not follow from the first, which is the only one visible. But if the operand's own link is
inside, the second number lies in the ball of that link too, since it is computed from the same
numbers. So a link of a compiled pass that is outside is replayed from its operands' balls. Whether
the operands were really computed again is invisible, so a link that is now inside gets a property
that says so. A constant that the program computes itself may be computed again as well: both
numbers are within its radius of the exact one.

Forward functions are continuous, and backward functions linear in the cotangent. The values that a
backward function takes stay the framework's own: at a kink or a tie they choose its branch, and a
ball over both branches could not refute the wrong one. A product has no branches, and its backward
function is linear in its factors, which may be computed again too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay, Ruled
from backproof.reference.verdict.ways import Form

PRODUCT = "multiply"
"""The op whose backward function has no branches, and is linear in its values."""

AGAIN = "computes its operands again"


@dataclass(slots=True)
class Recomputed(Replay):
    """Replays links from the balls of their operands.

    once: replays links from the framework's own numbers. held: the quantities whose links are
    inside by that replay, without any property; all others are operands as they are.
    """

    once: Replay = field(kw_only=True)
    held: frozenset[Quantity] = field(kw_only=True)

    def operand(self, quantity: Quantity, p: Precision) -> Ball:
        """Return the ball of an operand; each is made once.

        An operand that only moves numbers, or changes their signs, is made of those that its own
        operands have when they are computed again.
        """
        if quantity.kind == "value" and quantity.of in self.radii:
            seen = self.once.operand(quantity, p)
            return Ball(seen.mid, seen.rad + 2 * self.radii[quantity.of], p)
        if quantity not in self.held:
            return self.once.operand(quantity, p)
        if (quantity, p) not in self.balls:
            ball = self.once.ball(quantity, p)
            if not np.any(ball.rad):
                ball = self.ball(quantity, p)
            self.balls[quantity, p] = ball
        return self.balls[quantity, p]

    def known(self, node: Node, p: Precision) -> dict[str, Ball]:
        """Return the values that a node's backward function takes: its factors, or its own ones."""
        of = self if node.op == PRODUCT else self.once
        return of.values_of((node.name, *node.inputs), p)

    def terms(self, quantity: Quantity, rules: Ruled | None = None) -> Callable[[Form], Array]:
        """Return the sums of the magnitudes of the terms, of the framework's own numbers."""
        return self.once.terms(quantity, rules)


def replay_of(certificate: Certificate, once: Replay, *, probes: bool = True) -> Recomputed:
    """Return the replay from the balls of the operands of a certified trace.

    probes: whether it is the pass with probes; or the other one, which has no cotangents.
    """
    held = {
        replace(ln.quantity, probes=True)
        for ln in certificate.links
        if ln.verdict == "inside" and not ln.properties and ln.quantity.probes == probes
    }
    return Recomputed(
        once.network,
        once.leaves,
        once.trace,
        once.precision,
        once.plain,
        once.update,
        once.scale,
        once.precisions,
        once.radii,
        room=once.room,
        balls=once.room.recent(),
        once=once,
        held=frozenset(held),
    )


def recomputed(certificate: Certificate, once: Replay) -> Certificate:
    """Return a compiled pass's certificate, links outside replayed from their operands' balls.

    once: the replay of the certified trace. Links that are still not inside are left as they were,
    and so are gradients without probes (`reference.verdict.end_to_end`).
    """
    again, plain = replay_of(certificate, once), once.without_probes()
    beside = replay_of(certificate, plain, probes=False) if plain else again
    links = tuple(
        link
        if link.verdict == "inside" or link.problem
        else replayed(link, beside if link.is_without_probes else again)
        for link in certificate.links
    )
    return replace(certificate, links=links)


def replayed(link: Link, again: Recomputed) -> Link:
    """Return a link outside as inside, if its operands' balls make it so; else as it was."""
    if link.is_without_probes and link.quantity.kind == "derivative":
        return link
    quantity = replace(link.quantity, probes=True)
    ball = again.ball(quantity, again.own(quantity.of))
    found = again.judge(quantity, ball)
    if found.verdict != "inside":
        return link
    return replace(found, quantity=link.quantity, properties=(AGAIN, *found.properties))
