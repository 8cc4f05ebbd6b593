"""Why a number of the article is wrong: its own link is, or one that it follows from."""

from collections.abc import Sequence
from functools import cache

from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.reference.article.figures import Address
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.link import Link, Quantity
from backproof.report.cause import Cause, error
from backproof.running.causes import causes
from backproof.running.implementations import Implementations

Judged = tuple[tuple[Link, ...], list[Diagnosis]]
"""The links of a pass, and the diagnoses of those that are red."""


class ArticleCauses:
    """Finds the causes of the article's cells. Each pass is certified once."""

    def __init__(self, implementations: Implementations) -> None:
        """Certify nothing yet."""
        self.article = implementations.article
        self.implementations = implementations
        self.judged = cache(self._judged)

    def of(
        self, names: Sequence[str], precision: str, iteration: int, quantity: str, command: str
    ) -> list[Cause]:
        """Return the causes of a cell, should it be red: of each side that is red by itself.

        names: one implementation, or the two of a pair. quantity: an expression. command: shows
        the cell again. Empty where no link explains it.
        """
        at, found = self.article.named_in(quantity), []
        for name in names:
            try:
                links, diagnoses = self.judged(name, precision, iteration)
            except Unsupported:
                continue
            except AdapterError as raised:
                said = error(str(raised))
                found.append(Cause(name, said, command=command))
                continue
            red = followed(links, at)
            own = [d for d in diagnoses if {*d.explained} & {link.name for link in red}]
            found += causes(red, own, self.article.network, name, command)
        return found

    def _judged(self, name: str, precision: str, iteration: int) -> Judged:
        replay = self.implementations.replay(name, precision, iteration)
        certificate = replay.certificate()
        faults = catalogue(replay.network).values()
        return certificate.links, [*diagnose(replay, certificate, faults)]


def followed(links: Sequence[Link], at: Sequence[Address]) -> list[Link]:
    """Return the red link that numbers follow from: one of their own, or the first before it.

    Each operation of the article's network has one operand that is computed. So all values and
    cotangents that stand before a link in the chain rule are what it follows from.
    """
    own = {_quantity(one) for one in at}
    places = [n for n, link in enumerate(links) if link.quantity in own]
    before = links[: max(places, default=0) + 1]
    nodes = {link.quantity.of for link in links if link.quantity.kind == "value"}
    red = [link for link in before if link.verdict != "inside" and not link.is_not_judged]
    mine = [link for link in red if link.quantity in own]
    return (mine or [link for link in red if link.quantity.of in nodes])[:1]


def _quantity(at: Address) -> Quantity:
    return Quantity("value" if at.kind == "values" else "derivative", at.array)
