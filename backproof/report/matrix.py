"""The matrix of frameworks: of the article, the ops alone and the networks, how much is right.

It is a table for the terminal, and a picture (web/matrix.svg.jinja). A picture says all of its
counts in words, one title an entry, so that a later one can be compared with it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backproof.reference.table import table
from backproof.report.cells import NETWORKS, OPS_ALONE, PAIRS, RANDOM, RED, Cell
from backproof.report.document import cells_of
from backproof.report.page import environment
from backproof.report.tables import ABBREVIATED

PARTS = ("article", "ops alone", "networks")
KINDS = ("passed", "known", "unsupported", "red")
"""What is counted of cells: right, wrong as recorded, left out with a reason, and wrong."""

WIDTH = 58
"""Pixels of a bar: all cells of an entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One framework, part and precision: kind -> how many cells."""

    framework: str
    part: str
    precision: str
    counts: Mapping[str, int]

    @property
    def shown(self) -> str:
        """The passed of all that is supported, and how many are red."""
        passed, total = self.counts["passed"], sum(self.counts.values())
        supported = total - self.counts["unsupported"]
        red = f" {self.counts['red']} RED" if self.counts["red"] else ""
        return f"{passed}/{supported}{red}" if supported else "-"

    @property
    def words(self) -> str:
        """The title of the entry, which `of_picture` reads."""
        counts = ", ".join(f"{self.counts[kind]} {kind}" for kind in KINDS)
        return f"{self.framework}, {self.part}, {self.precision}: {counts}"

    @property
    def bars(self) -> Iterator[tuple[str, float, float]]:
        """The kinds that occur, each with the place and the width of its bar, in pixels."""
        total, at = sum(self.counts.values()), 0.0
        for kind in KINDS:
            if width := WIDTH * self.counts[kind] / total:
                yield kind, round(at, 1), round(width, 1)
                at += width


@dataclass(frozen=True, slots=True)
class Matrix:
    """The versions of the frameworks, one row each, and the entries."""

    versions: Mapping[str, str]
    entries: tuple[Entry, ...]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Part and precision of each column."""
        found = {(one.part, one.precision) for one in self.entries}
        return [(part, p) for part in PARTS for p in ABBREVIATED if (part, p) in found]

    @property
    def is_red(self) -> bool:
        """Whether anything is wrong that is not recorded."""
        return any(one.counts["red"] for one in self.entries)


def matrix(report: Mapping[str, Any]) -> Matrix:
    """Return the matrix of a report: its reference and its frameworks, without their variants."""
    found: dict[tuple[str, str, str], Counter[str]] = {}
    cells = cells_of(report)
    for cell in cells:
        if cell.precision in ABBREVIATED and (part := part_of(cell)):
            found.setdefault((cell.adapter, part, cell.precision), Counter())[kind_of(cell)] += 1
    names = dict.fromkeys(name for name, *_ in found)
    own = {c.adapter: c.version for c in cells if c.version}
    return Matrix(
        {name: str(own.get(name, "")).removeprefix(f"{name} ") for name in names},
        tuple(Entry(*at, {k: counts[k] for k in KINDS}) for at, counts in found.items()),
    )


def part_of(cell: Cell) -> str | None:
    """Return the part that a cell belongs to; None for pairs, variants and random networks."""
    if "." in cell.adapter or cell.network == RANDOM:
        return None
    if cell.group == OPS_ALONE:
        return "ops alone"
    if cell.network == PARTS[0]:
        return PARTS[0] if cell.group != PAIRS else None
    return "networks" if cell.group == NETWORKS else None


def kind_of(cell: Cell) -> str:
    """Return what a cell counts as."""
    return "red" if cell.verdict in RED else {"agrees": "passed"}.get(cell.verdict, cell.verdict)


def to_text(of: Matrix) -> str:
    """Return the matrix as a table."""
    at = {(one.framework, one.part, one.precision): one.shown for one in of.entries}
    head = ["", *(f"{part} {ABBREVIATED[p]}" for part, p in of.columns)]
    rows = (
        [name, *(at.get((name, *column), "-") for column in of.columns)] for name in of.versions
    )
    return table(head, rows)


def to_svg(of: Matrix) -> str:
    """Return the matrix as a picture."""
    at = {(one.framework, one.part, one.precision): one for one in of.entries}
    rows = {name: [at.get((name, *column)) for column in of.columns] for name in of.versions}
    spans = Counter(part for part, _ in of.columns)
    drawn = environment().get_template("matrix.svg.jinja")
    return drawn.render(of=of, rows=rows, spans=spans, short=ABBREVIATED, kinds=KINDS)


def of_picture(svg: str) -> Matrix:
    """Return the matrix that a picture shows."""
    versions = dict(re.findall(r'<text class="name"[^>]*>(\S+)<tspan[^>]*>([^<]*)</tspan>', svg))
    entries = []
    for name, part, precision, counts in re.findall(
        r"<title>(\S+), ([\w ]+), (\w+): ([\w, ]+)</title>", svg
    ):
        each = (one.split() for one in counts.split(", "))
        entries.append(Entry(name, part, precision, {kind: int(n) for n, kind in each}))
    return Matrix({k: v.strip() for k, v in versions.items()}, tuple(entries))
