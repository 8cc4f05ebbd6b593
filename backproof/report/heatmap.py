"""The matrix network x adapter x precision: what each entry says, and how strong its colour is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backproof.reference.numbers.precision import PRECISIONS
from backproof.report.cells import CERTIFIED, NETWORKS, OPS_ALONE, PAIRS, RANDOM, Cell
from backproof.report.tables import ABBREVIATED

ARTICLE = "the article"
WARMTHS = 5
SIGNS = {"agrees": "✓", "known": "◆", "refuted": "✗", "unsupported": "-"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the matrix: all cells of a row and a column.

    number: its place among the entries of all tables; links use it. cells: each with its number.
    """

    number: int
    cells: Sequence[tuple[int, Cell]]

    @property
    def verdict(self) -> str:
        """The worst verdict of its cells; unsupported only where all of them are."""
        found = {cell.verdict for _, cell in self.cells}
        return next(v for v in ("refuted", "known", "agrees", "unsupported") if v in found)

    @property
    def share(self) -> float | None:
        """The largest share of a ball that was used."""
        return max((c.share for _, c in self.cells if c.share is not None), default=None)

    @property
    def digits(self) -> float | None:
        """The fewest digits of agreement."""
        return min((c.digits for _, c in self.cells if c.digits is not None), default=None)

    @property
    def text(self) -> str:
        """Sign and number."""
        sign = SIGNS[self.verdict]
        if self.verdict == "known":
            return f"{sign} known"
        if self.verdict == "unsupported":
            return sign
        if self.verdict == "refuted":
            links = sum(c.links for _, c in self.cells)
            inside = sum(c.inside for _, c in self.cells)
            if links:
                return f"{sign} {links - inside}/{links}"
            return f"{sign} {sum(c.verdict == 'refuted' for _, c in self.cells)}/{len(self.cells)}"
        if self.share is not None:
            return f"{sign} {math.floor(self.share * 100) / 100:.2f}"
        return sign if self.digits is None else f"{sign} {math.floor(self.digits * 10) / 10:.1f}"

    @property
    def spoken(self) -> str:
        """The text in words."""
        words, number = self.verdict, self.text.partition(" ")[2]
        if not number or number == words:
            return words
        if self.verdict == "refuted":
            return f"{words}, {number.replace('/', ' of ')}"
        return f"{words}, {number} {'of the ball' if self.share is not None else 'digits'}"

    @property
    def warmth(self) -> int:
        """0 to 4: for the share of the ball that is used, or of the digits that are lost."""
        part = self.share
        if part is None and self.digits is not None:
            (_, cell), *_ = self.cells
            part = 1 - self.digits / -math.log10(PRECISIONS[cell.precision].u)
        return max(0, min(WARMTHS - 1, int((part or 0.0) * WARMTHS)))


@dataclass(frozen=True, slots=True)
class Heatmap:
    """One table of the matrix.

    title:     the group.
    certified: whether its numbers are shares of a ball; otherwise they are digits.
    columns:   adapter -> its precisions.
    rows:      name -> entries, None where there is no cell.
    """

    title: str
    certified: bool
    columns: dict[str, list[str]]
    rows: dict[str, list[Entry | None]]


def heatmaps(cells: Sequence[Cell]) -> list[Heatmap]:
    """Return the tables: the article's quantities and parts, the pairs, each group of networks."""
    tables: dict[str, dict[str, dict[tuple[str, str], list[tuple[int, Cell]]]]] = {}
    for numbered in enumerate(cells):
        title, row, column = _place(numbered[1])
        rows = tables.setdefault(title, {})
        rows.setdefault(row, {}).setdefault(column, []).append(numbered)
    adapters = list(dict.fromkeys([*(c.adapter for c in cells), *(c.against for c in cells)]))
    precisions = [*PRECISIONS, "any"]
    found: list[Heatmap] = []
    number = 0
    for title, named in sorted(tables.items(), key=lambda item: _place_of(item[0])):
        places = {column for row in named.values() for column in row}
        order = sorted(places, key=lambda at: (adapters.index(at[0]), precisions.index(at[1])))
        rows_of: dict[str, list[Entry | None]] = {}
        for name, in_row in named.items():
            rows_of[name] = []
            for column in order:
                rows_of[name].append(Entry(number, in_row[column]) if column in in_row else None)
                number += column in in_row
        columns: dict[str, list[str]] = {}
        for adapter, precision in order:
            columns.setdefault(adapter, []).append(ABBREVIATED.get(precision, precision))
        found.append(Heatmap(title, title in (*CERTIFIED, RANDOM), columns, rows_of))
    return found


def _place_of(title: str) -> int:
    """Return where a table stands: networks first, the longest table last."""
    return {NETWORKS: 0, ARTICLE: 2, PAIRS: 3, OPS_ALONE: 4}.get(title, 1)


def _place(cell: Cell) -> tuple[str, str, tuple[str, str]]:
    """Return the table, the row and the column in which a cell stands."""
    column = (cell.adapter, cell.precision)
    if cell.group in CERTIFIED:
        # A campaign's cells have the precision "any", a column that no other network has.
        return (RANDOM if cell.network == RANDOM else cell.group), cell.network, column
    if cell.group == PAIRS:
        return PAIRS, cell.adapter, (cell.against, cell.precision)
    return ARTICLE, cell.group, column
