"""What a compiler computes again: links replayed from all that their operands may be.

A compiler may compute a number twice: once for who asks to see it, and once more inside what uses
it, fused otherwise and rounded otherwise. A link that follows from the second number need not
follow from the first, which is the only one seen. But an operand whose own link is inside may be,
computed once more from the same numbers, whatever the ball of that link holds, and no more. So a
link of a compiled pass that is outside is replayed from its operands' balls. Nobody sees whether
the operands were computed again: one that is inside now is said to be so by a property.

Forward functions are continuous, and backward functions linear in the cotangent. The values that a
backward function takes stay as they are seen: at a kink or a tie they choose its branch, and from
both branches a wrong one could not be told.
"""

from dataclasses import dataclass, field, replace

from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision
from backproof.reference.verdict.certificate import Certificate, Replay
from backproof.reference.verdict.link import Quantity

AGAIN = "computes its operands again"


@dataclass(slots=True)
class Recomputed(Replay):
    """Replays links from the balls of their operands.

    once: replays links from what is seen. held: the links that are inside by it as they stand;
    any other number is an operand as it is seen.
    """

    once: Replay = field(kw_only=True)
    held: frozenset[Quantity] = field(kw_only=True)

    def operand(self, quantity: Quantity, p: Precision) -> Ball:
        """Return what an operand may be, each ball made once."""
        if quantity not in self.held:
            return self.once.operand(quantity, p)
        if (quantity, p) not in self.balls:
            self.balls[quantity, p] = self.once.ball(quantity, p)
        return self.balls[quantity, p]

    def known(self, node: Node, p: Precision) -> dict[str, Ball]:
        """Return the values that a node's backward function takes, as they are seen."""
        return self.once.known(node, p)


def replay_of(certificate: Certificate, once: Replay) -> Recomputed:
    """Return the replay from the balls of the operands of a certified trace."""
    held = {ln.quantity for ln in certificate.links if ln.verdict == "inside" and not ln.properties}
    return Recomputed(
        once.network,
        once.leaves,
        once.trace,
        once.precision,
        once.plain,
        once.update,
        once=once,
        held=frozenset(held),
    )


def recomputed(certificate: Certificate, once: Replay) -> Certificate:
    """Return the certificate of a compiled pass, what is outside replayed from operands' balls.

    once: the replay of the certified trace. What is not inside then either is left as it was, and
    so are gradients without probes (`reference.verdict.sensitivity`).
    """
    outside = {link.quantity for link in certificate.links if link.verdict != "inside"}
    if not outside:
        return certificate
    again = {
        link.quantity: replace(link, properties=(AGAIN, *link.properties))
        for link in replay_of(certificate, once).links()
        if link.quantity in outside and link.verdict == "inside" and not link.is_without_probes
    }
    links = tuple(again.get(link.quantity, link) for link in certificate.links)
    return replace(certificate, links=links)
