"""What a run found, for people (the matrix, the errata) and for machines (JSON)."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from fractions import Fraction

from reference.article import Article
from reference.numbers.precision import PRECISIONS
from reference.table import table

ABBREVIATED = {"float64": "f64", "float32": "f32"}


@dataclass(slots=True)
class Cell:
    """One comparison of two numbers.

    network:   the network's name.
    adapter:   whose number it is; of a pair, the first.
    against:   what it is compared with: "proven", a printed figure's id, or another adapter.
    version:   of what computed it; None where it could not be loaded.
    precision: "float64" or "float32".
    iteration: 1 or 2.
    quantity:  an expression over the trace.
    group:     the row of the matrix.
    verdict:   "agrees", "refuted", or "unsupported".
    digits:    significant decimal digits of agreement, at most what the precision can hold;
               None where there was no number.
    message:   why it is not "agrees"; None where it is.
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

    @property
    def is_pair(self) -> bool:
        """Whether it compares two implementations."""
        return self.group == PAIRS


PAIRS = "pairs"
VERDICTS = {"passed": "agrees", "failed": "refuted", "skipped": "unsupported"}
as_dict = asdict


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
    return list(dict.fromkeys([*sorted(quantities), *parts, PAIRS]))


def digits(value: float, expected: str | float, precision: str) -> float:
    """Return to how many significant decimal digits `value` agrees, -log10 of its error.

    The error is relative to the expected value, or absolute where that is zero. No number of a
    precision can be better than its unit roundoff: 15.95 digits for float64, 7.22 for float32.
    """
    exact = Fraction(expected)
    error = abs(Fraction(value) - exact) / (abs(exact) if exact else Fraction(1))
    return -math.log10(max(float(error), PRECISIONS[precision].u))


def matrix(cells: Iterable[Cell]) -> str:
    """Return rows of quantities by columns of implementations: agreeing/total, fewest digits."""
    of_one = [cell for cell in cells if not cell.is_pair]
    columns = list(dict.fromkeys((cell.adapter, cell.precision) for cell in of_one))
    groups = list(dict.fromkeys(cell.group for cell in of_one))
    head = ["", *(f"{adapter} {ABBREVIATED[precision]}" for adapter, precision in columns)]
    rows = [
        [
            group,
            *(
                summary(c for c in of_one if (c.group, c.adapter, c.precision) == (group, *column))
                for column in columns
            ),
        ]
        for group in groups
    ]
    return table(head, rows)


def pairs(cells: Iterable[Cell]) -> str:
    """Return the pairs of implementations by precision: agreeing/total, fewest digits."""
    of_two = [cell for cell in cells if cell.is_pair]
    if not of_two:
        return ""
    precisions = list(dict.fromkeys(cell.precision for cell in of_two))
    names = list(dict.fromkeys((cell.adapter, cell.against) for cell in of_two))
    rows = [
        [
            f"{one} - {other}",
            *(
                summary(c for c in of_two if (c.adapter, c.against, c.precision) == (one, other, p))
                for p in precisions
            ),
        ]
        for one, other in names
    ]
    return table(["", *(ABBREVIATED[p] for p in precisions)], rows)


def summary(cells: Iterable[Cell]) -> str:
    """Return "agreeing/total  fewest digits" of some cells; red ones are marked."""
    found = list(cells)
    if not found:
        return ""
    if all(cell.verdict == "unsupported" for cell in found):
        return "unsupported"
    agreeing = sum(cell.verdict == "agrees" for cell in found)
    known = [cell.digits for cell in found if cell.digits is not None]
    fewest = f"{math.floor(min(known) * 10) / 10:.1f}" if known else "-"
    return f"{agreeing}/{len(found)} {fewest}{' RED' if agreeing < len(found) else ''}"


def unsupported(cells: Iterable[Cell]) -> str:
    """Return what was declared unsupported, a line each with its reason; empty where nothing."""
    declared = [cell for cell in cells if cell.verdict == "unsupported"]
    return "\n".join(dict.fromkeys(f"{c.adapter} {c.precision}: {c.message}" for c in declared))


def to_json(cells: Iterable[Cell]) -> str:
    """Return the cells as a JSON list."""
    return json.dumps([as_dict(cell) for cell in cells], indent=1) + "\n"
