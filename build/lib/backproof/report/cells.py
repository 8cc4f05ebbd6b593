"""What a run found: one cell a comparison, as tests make them and reports read them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from backproof.reference.article.figures import Article
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.verdict.certificate import Certificate

FIVE_DECIMALS = Fraction(1, 2 * 10**5)
"""Half a unit of the fifth decimal: what the mission asks of every pair."""


class RefutedError(AssertionError):
    """A number is wrong. The message is all that a reader needs, and shown without a traceback."""


@dataclass(slots=True)
class Cell:
    """One comparison of two numbers.

    network:   the network's name.
    adapter:   whose number it is; of a pair, the first.
    against:   what it is compared with: "proven", a printed figure's id, or another adapter.
    version:   of what computed it; None where it could not be loaded.
    precision: by name; "any" of a campaign of random networks.
    iteration: 1 or 2.
    quantity:  an expression over the trace.
    group:     the row of the matrix.
    verdict:   "agrees", "refuted", "known" (refuted, and a recorded finding), or "unsupported".
    digits:    significant decimal digits of agreement, at most what the precision can hold;
               None where there was no number.
    message:   why it is not "agrees"; None where it is.
    value:     the number itself, where it is one.

    Of a certificate (against: "its own numbers"; iteration: the seed; digits: agreement of all
    gradients with those of the implementations before it):

    links, inside, entries: how many links, how many inside their balls, how many numbers.
    share:      the worst share of a ball used.
    properties: what the implementation was seen doing.
    known:      the causes of the recorded findings that were seen.
    chain:      every link, as `chain` writes it.
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
    entries: int = 0
    share: float | None = None
    properties: Sequence[str] = ()
    known: Sequence[str] = ()
    value: float | None = None
    chain: Sequence[Sequence[Any]] = ()


PAIRS = "pairs"
NETWORKS = "networks"
OPS_ALONE = "ops alone"
VARIANTS = "variants"
DERIVATIVES = "forward mode and second order"
OPTIMIZERS = "optimizers"
CERTIFIED = (OPS_ALONE, NETWORKS, VARIANTS, DERIVATIVES, OPTIMIZERS)
RANDOM = "random networks"
VERDICTS = {"passed": "agrees", "failed": "refuted", "skipped": "unsupported"}


def group(article: Article, quantity: str) -> str:
    """Return the row of the matrix in which a quantity of the trace stands."""
    at = article.addresses[quantity]
    if at.kind != "gradients":
        return {"values": "node values", "updated": "updated weights"}.get(at.kind, at.kind)
    if at.array in article.network.inputs:
        return "gradients of inputs"
    return f"gradients of {'weights' if at.array in article.network.trained else 'biases'}"


def groups(article: Article) -> list[str]:
    """Return the rows of the matrix: groups of quantities, then the article's parts."""
    quantities = [group(article, quantity) for quantity in article.addresses]
    parts = [figure.part for figure in article.figures]
    return list(dict.fromkeys([*sorted(quantities), *parts, PAIRS, *CERTIFIED]))


def digits(value: float, expected: str | float, precision: str) -> float:
    """Return to how many significant decimal digits `value` agrees, -log10 of its error.

    The error is relative to the expected value, or absolute where that is zero. No number of a
    precision can be better than its unit roundoff: 15.95 digits for float64, 7.22 for float32.
    """
    exact = Fraction(expected)
    error = abs(Fraction(value) - exact) / (abs(exact) if exact else Fraction(1))
    return -math.log10(max(float(error), PRECISIONS[precision].u))


def chain(certificate: Certificate) -> list[list[Any]]:
    """Return the links: name, verdict, share of the ball used, entries, what the worst of them is.

    Then, of a link that is not inside, the sentence on it. A share without bound is None.
    """
    return [
        [
            link.name,
            link.verdict,
            float(f"{link.share:.3g}") if math.isfinite(link.share) else None,
            link.entries,
            f"{link.seen:.9g}",
            *([] if link.verdict == "inside" else [str(link)]),
        ]
        for link in certificate.links
    ]


def as_dict(cell: Cell) -> dict[str, Any]:
    """Return a cell's fields by name."""
    return {field.name: getattr(cell, field.name) for field in fields(cell)}
