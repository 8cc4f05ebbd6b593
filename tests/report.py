"""What a run found, for people (the matrix, the errata) and for machines (JSON)."""

import json
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

from reference.article import Article
from reference.findings import KnownFinding
from reference.numbers.precision import PRECISIONS
from reference.table import table

ABBREVIATED = {"float64": "f64", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}

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

    Of a certificate (against: "its own numbers"; iteration: the seed; digits: agreement of all
    gradients with those of the implementations before it):

    links, inside, entries: how many links, how many inside their balls, how many numbers.
    share:      the worst share of a ball used.
    properties: what the implementation was seen doing.
    known:      the causes of the recorded findings that were seen.
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


PAIRS = "pairs"
NETWORKS = "networks"
OPS_ALONE = "ops alone"
CERTIFIED = (OPS_ALONE, NETWORKS)
RANDOM = "random networks"
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
    return list(dict.fromkeys([*sorted(quantities), *parts, PAIRS, *CERTIFIED]))


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
    of_one = [cell for cell in cells if cell.group not in (PAIRS, *CERTIFIED)]
    if not of_one:
        return ""
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
    of_two = [cell for cell in cells if cell.group == PAIRS]
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


def networks(cells: Iterable[Cell]) -> str:
    """Return a line a network: links inside, worst share of a ball, digits of agreement."""
    return certified([cell for cell in cells if cell.group == NETWORKS])


def ops_alone(cells: Iterable[Cell]) -> str:
    """Return a line an op, all its options and points together, likewise."""
    of_ops = [cell for cell in cells if cell.group == OPS_ALONE]
    return certified(
        [replace(c, network=c.network.partition("/")[0].partition("-")[0]) for c in of_ops]
    )


def certified(cells: Iterable[Cell]) -> str:
    """Return a line for each name of a network."""
    of_links = [cell for cell in cells if cell.verdict != "unsupported"]
    if not of_links:
        return ""
    precisions = [p for p in ABBREVIATED if any(c.precision == p for c in of_links)]
    rows = []
    for name in dict.fromkeys(cell.network for cell in of_links):
        own = [cell for cell in of_links if cell.network == name]
        links, inside = sum(c.links for c in own), sum(c.inside for c in own)
        red = any(c.verdict == "refuted" for c in own)
        known = sum(c.links - c.inside for c in own if c.verdict == "known")
        rows.append(
            [
                name,
                f"{inside}/{links}{' RED' if red else ''}",
                known or "-",
                f"{sum(c.entries for c in own):,}",
                _share(c.share for c in own),
                *(_fewest(c.digits for c in own if c.precision == p) for p in precisions),
            ]
        )
    head = [
        "",
        "links inside",
        "known",
        "numbers",
        "worst share",
        *(f"digits {ABBREVIATED[p]}" for p in precisions),
    ]
    return table(head, rows)


def properties(cells: Iterable[Cell]) -> str:
    """Return a line for each property that an implementation was seen to have, and where."""
    seen: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        for name in cell.properties:
            where = seen.setdefault((cell.adapter, name), [])
            where.append(f"{cell.network} {ABBREVIATED[cell.precision]}")
    rows = [
        (adapter, name, _few(list(dict.fromkeys(where)))) for (adapter, name), where in seen.items()
    ]
    return table(("", "property", "seen on"), rows) if rows else ""


def _few(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def findings(cells: Iterable[Cell]) -> str:
    """Return one paragraph per adapter and network that was refuted: the first precision's."""
    red: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.group in CERTIFIED and cell.verdict == "refuted" and cell.links and cell.message:
            red.setdefault((cell.adapter, cell.network), []).append(cell)
    paragraphs = []
    for first, *others in red.values():
        also = dict.fromkeys(c.precision for c in others if c.precision != first.precision)
        more = f"\nalso in {', '.join(also)}" if also else ""
        paragraphs.append(f"{first.message}{more}")
    return "\n\n".join(paragraphs)


def known(cells: Iterable[Cell], recorded: Iterable[KnownFinding]) -> str:
    """Return a paragraph for each recorded finding that was seen, with its reproducer."""
    seen = {cause for cell in cells for cause in cell.known}
    return "\n\n".join(
        f"{one.adapter} {one.version}: {one.cause}\n"
        f"  at {one.point}: seen {one.seen}, proven {one.proven}\n"
        + textwrap.indent(one.reproducer.strip(), "  | ")
        for one in recorded
        if one.cause in seen
    )


def unjudged(cells: Iterable[Cell]) -> str:
    """Return what adapters did instead of computing: a line for each, and in how many cells."""
    seen: dict[tuple[str, str], int] = {}
    for cell in cells:
        if cell.verdict == "refuted" and cell.digits is None and not cell.links and cell.message:
            finding = (cell.adapter, cell.message.partition(f"{cell.network}: ")[2] or cell.message)
            seen[finding] = seen.get(finding, 0) + 1
    rows = [(adapter, count, message) for (adapter, message), count in seen.items()]
    return table(("", "cells", "finding"), rows) if rows else ""


def _share(shares: Iterable[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return f"{math.floor(max(known) * 100) / 100:.2f}" if known else "-"


def _fewest(digits: Iterable[float | None]) -> str:
    known = [d for d in digits if d is not None]
    return f"{math.floor(min(known) * 10) / 10:.1f}" if known else "-"


def summary(cells: Iterable[Cell]) -> str:
    """Return "agreeing/total  fewest digits" of some cells; red ones are marked."""
    found = list(cells)
    if not found:
        return ""
    if all(cell.verdict == "unsupported" for cell in found):
        return "unsupported"
    agreeing = sum(cell.verdict == "agrees" for cell in found)
    fewest = _fewest(cell.digits for cell in found)
    return f"{agreeing}/{len(found)} {fewest}{' RED' if agreeing < len(found) else ''}"


def unsupported(cells: Iterable[Cell]) -> str:
    """Return what was declared unsupported, a line each with its reason; empty where nothing."""
    declared = [cell for cell in cells if cell.verdict == "unsupported"]
    return "\n".join(dict.fromkeys(f"{c.adapter} {c.precision}: {c.message}" for c in declared))


def to_json(cells: Iterable[Cell]) -> str:
    """Return the cells as a JSON list."""
    return json.dumps([as_dict(cell) for cell in cells], indent=1) + "\n"
