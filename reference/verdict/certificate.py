"""Certificates: the chain rule checked link by link, from the framework's own numbers.

A link is one number-producing step of backpropagation: a node's value from the values before
it; a node's cotangent from those of its consumers; a leaf's gradient from the cotangents of its
consumers. Each is replayed by the reference's own op over `Ball`, with the framework's own numbers
as operands (`reference.verdict.replay`), and the framework's result must lie inside the ball. If
every link holds, every gradient is right by induction over the chain rule, at any depth; if one
fails, the fault is at that link.

    inside     the ball of the precision asked for holds the result, and is smaller than it.
    undecided  it holds the result, and is so wide that it would hold zeros as well, or numbers
               without a correct digit; and the result does not agree with its middle to a digit.
    degraded   only a lower precision's ball holds the result.
    refuted    no ball does.

Beside the links, every gradient is held to the reference's own backward sweep, end to end
(`reference.verdict.end_to_end`).
"""

from dataclasses import dataclass

from backproof.reference.verdict.link import Link
from backproof.reference.verdict.undecided import remedy


@dataclass(frozen=True, slots=True)
class Certificate:
    """The verdicts on all links of one trace, in the order of the chain rule.

    network: the network's name. precision: the name of the one asked for. links: all of them.
    end_to_end: the verdicts on the loss and on every gradient, as whole sweeps.
    scale: the loss scale of the passes.
    """

    network: str
    precision: str
    links: tuple[Link, ...]
    end_to_end: tuple[Link, ...] = ()
    scale: float = 1.0

    def __str__(self) -> str:
        """Return one line: all that holds, or the first link that does not."""
        place = f"{self.network}, {self.precision}"
        if self.wrong:
            first, *others = self.wrong
            are = "link is not" if len(others) == 1 else "links are not"
            more = f"; {len(others)} other {are} inside either" if others else ""
            return f"{place}: {self.said(first)}{more}"
        if self.worst is None:
            return f"{place}: nothing is certified"
        return (
            f"{place}: holds: {len(self.links)} links, {self.entries:,} numbers, proven to "
            f"{self.worst.digits:.1f} digits or more (the fewest: {self.worst.name})"
        )

    def said(self, link: Link) -> str:
        """Return the sentence about a link; of an undecided one also what to do about it."""
        if link.verdict != "undecided" or link.problem or link.quantity.end_to_end:
            return str(link)
        return f"{link}. {remedy(link, self.scale)}"

    @property
    def holds(self) -> bool:
        """Whether every link is inside a ball that decides, and nothing is refuted end to end."""
        return bool(self.links) and not self.wrong

    @property
    def wrong(self) -> tuple[Link, ...]:
        """All links that are not inside, then all that is refuted end to end."""
        links = (link for link in self.links if link.verdict != "inside")
        return (*links, *(link for link in self.end_to_end if link.verdict == "refuted"))

    @property
    def refuted(self) -> Link | None:
        """The first refuted link, or None."""
        return next((link for link in self.wrong if link.verdict == "refuted"), None)

    @property
    def undecided(self) -> tuple[Link, ...]:
        """All undecided links."""
        return tuple(link for link in self.links if link.verdict == "undecided")

    @property
    def degraded(self) -> tuple[Link, ...]:
        """All degraded links."""
        return tuple(link for link in self.links if link.verdict == "degraded")

    @property
    def inside(self) -> int:
        """How many links are inside."""
        return sum(link.verdict == "inside" for link in self.links)

    @property
    def entries(self) -> int:
        """How many numbers were held to their balls."""
        return sum(link.entries for link in self.links)

    @property
    def share(self) -> float:
        """The largest share of a ball used by a link that is inside or degraded."""
        held = ("inside", "degraded")
        return max((ln.share for ln in self.links if ln.verdict in held), default=0.0)

    @property
    def worst(self) -> Link | None:
        """The link inside that proves fewest digits, noise that cancels left out; or None."""
        proven = [ln for ln in self.links if ln.verdict == "inside" and not ln.cancels]
        return max(proven, key=lambda link: link.accuracy, default=None)

    @property
    def digits(self) -> float | None:
        """How many digits the worst link proves; None where no link is inside."""
        return None if self.worst is None else self.worst.digits

    @property
    def properties(self) -> tuple[str, ...]:
        """All properties seen."""
        return tuple(dict.fromkeys(p for link in self.links for p in link.properties))
