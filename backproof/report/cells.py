"""The results of a run: one cell per comparison. Tests make the cells, reports read them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any

from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import Link
from backproof.report.cause import Cause

FIVE_DECIMALS = Fraction(1, 2 * 10**5)
"""Half a unit of the fifth decimal: how closely any two implementations must agree."""


class RefutedError(AssertionError):
    """A number is wrong. The message says all that a reader needs; no traceback is shown."""


@dataclass(slots=True)
class Cell:
    """One comparison of two numbers.

    network:   the network's name.
    adapter:   the implementation that computed the number; in a pair, the first one.
    against:   what it is compared with: "proven", a printed figure's id, or another adapter.
    version:   the version of the implementation; None where it could not be loaded.
    precision: the precision's name; "any" in a campaign of random networks.
    iteration: 1 or 2.
    quantity:  an expression over the trace.
    group:     the row of the matrix.
    verdict:   "agrees", "refuted", "undecided" (nothing is refuted, but a ball proves nothing),
               "not run" (the implementation could not be loaded), "known" (a recorded finding),
               or "unsupported".
    digits:    significant decimal digits of agreement, at most as many as the precision can hold;
               None where there was no number.
    message:   why the verdict is not "agrees"; None where it is.
    value:     the number itself, where a single number is compared.
    causes:    what is wrong, one fault or one op at a time; empty where it is green, or where the
               message says all that is known.

    The cell of a certificate (against: "its own numbers"; iteration: the seed; digits: agreement
    of all gradients with those of the implementations before it) has more:

    links, inside, undecided, entries: the number of links, of links inside their balls, of links
                whose balls prove nothing, of compared numbers.
    share:      the largest share of a ball that was used.
    proven:     how many decimal digits every link inside proves, or more; None where none is.
    fewest:     the name of the link that proves no more than that.
    end_to_end, decided: how many arrays (the loss and every gradient) were held to the reference's
                own sweep, and for how many of them its bound decides.
    properties: what the implementation was seen to do.
    known:      the causes of the recorded findings that were seen.
    chain:      every link, then every end-to-end proof, as `chain` writes them.
    """

    network: str
    adapter: str
    against: str
    version: str | None
    precision: str
    iteration: int
    quantity: str
    group: str
    verdict: str = "refuted"
    digits: float | None = None
    message: str | None = None
    links: int = 0
    inside: int = 0
    undecided: int = 0
    entries: int = 0
    share: float | None = None
    proven: float | None = None
    fewest: str | None = None
    end_to_end: int = 0
    decided: int = 0
    properties: Sequence[str] = ()
    known: Sequence[str] = ()
    value: float | None = None
    chain: Sequence[Sequence[Any]] = ()
    causes: list[Cause] = field(default_factory=list)

    @property
    def outside(self) -> int:
        """The number of links that are degraded or refuted."""
        return self.links - self.inside - self.undecided

    @property
    def is_red(self) -> bool:
        """Whether it fails the run."""
        return self.verdict in RED

    @property
    def charged(self) -> str:
        """Whose the verdict is: of a pair, the side that is red by itself, or else both."""
        if self.causes:
            return " and ".join(dict.fromkeys(one.adapter for one in self.causes))
        is_pair = self.group == PAIRS and self.is_red
        return f"{self.adapter} and {self.against}" if is_pair else self.adapter


EXAMPLES = "other worked examples"
PAIRS = "pairs"
NETWORKS = "networks"
OPS_ALONE = "ops alone"
VARIANTS = "variants"
DERIVATIVES = "forward mode and second order"
OPTIMIZERS = "optimizers"
CERTIFIED = (OPS_ALONE, NETWORKS, VARIANTS, DERIVATIVES, OPTIMIZERS)
RANDOM = "random networks"
RED = ("refuted", "undecided", "not run")
"""The verdicts that fail a run, the worst first."""

VERDICTS = {"passed": "agrees", "skipped": "unsupported"}
"""Outcome of a test -> the verdict of its cell; a failure leaves the cell's own."""


def digits(value: float, expected: str | float, precision: str) -> float:
    """Return to how many significant decimal digits `value` agrees, -log10 of its error.

    The error is relative to the expected value, or absolute where that is zero. No number of a
    precision can be better than its unit roundoff: 15.95 digits for float64, 7.22 for float32; and
    none agrees to fewer digits than none.
    """
    exact = Fraction(expected)
    error = abs(Fraction(value) - exact) / (abs(exact) if exact else Fraction(1))
    return abs(math.log10(max(float(min(error, Fraction(1))), PRECISIONS[precision].u)))


def fill(cell: Cell, certificate: Certificate) -> None:
    """Fill a cell with what a certificate says."""
    cell.links, cell.inside = len(certificate.links), certificate.inside
    cell.undecided, cell.entries = len(certificate.undecided), certificate.entries
    cell.share, cell.properties = certificate.share, certificate.properties
    if worst := certificate.worst:
        cell.proven, cell.fewest = worst.digits, worst.name
    proofs = certificate.end_to_end
    cell.end_to_end, cell.decided = len(proofs), sum(x.verdict != "undecided" for x in proofs)
    cell.chain = chain(certificate)


def chain(certificate: Certificate) -> list[list[Any]]:
    """Return for each link: name, verdict, share of the ball used, proof, entries, worst entry.

    The proof is what a link inside proves: a number of digits, or "cancels"; None of any other. An
    infinite share is None, and the worst entry "" where none is known. A link that is not inside
    also has the sentence about it.
    """
    return [
        [
            link.name,
            link.verdict,
            float(f"{link.share:.3g}") if math.isfinite(link.share) else None,
            _proof(link),
            link.entries,
            "" if math.isnan(link.seen) and link.verdict == "inside" else f"{link.seen:.9g}",
            *([] if link.verdict == "inside" else [certificate.said(link)]),
        ]
        for link in (*certificate.links, *certificate.end_to_end)
    ]


def _proof(link: Link) -> float | str | None:
    if link.verdict != "inside":
        return None
    return "cancels" if link.cancels else math.floor(link.digits * 10) / 10


def as_dict(cell: Cell) -> dict[str, Any]:
    """Return a cell's fields by name."""
    found = {field.name: getattr(cell, field.name) for field in fields(cell)}
    return found | {"causes": [asdict(one) for one in cell.causes]}


def in_order(
    cells: Iterable[Mapping[str, Any]], order: Mapping[str, Iterable[Any]]
) -> list[Mapping[str, Any]]:
    """Return cells, as dicts, in the order of some of their fields, then by name.

    order: field -> its values, first to last; a value that is not among them comes after them all.
    """
    places = {
        field: {value: place for place, value in enumerate(dict.fromkeys(values))}
        for field, values in order.items()
    }
    names = ("adapter", "network", "iteration", "against", "quantity")

    def key(cell: Mapping[str, Any]) -> tuple[Any, ...]:
        known = (place.get(cell[field], len(place)) for field, place in places.items())
        return (*known, *(cell[name] for name in names))

    return sorted(cells, key=key)
