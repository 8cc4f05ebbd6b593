"""The matrix network x adapter x precision: what each entry says, and how strong its colour is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from backproof.reference.numbers.precision import PRECISIONS
from backproof.report.cells import CERTIFIED, NETWORKS, OPS_ALONE, PAIRS, RANDOM, RED, Cell
from backproof.report.tables import ABBREVIATED

ARTICLE = "the article"
WARMTHS = 5
SIGNS = {
    "refuted": "✗",
    "undecided": "?",
    "not run": "!",
    "known": "◆",
    "agrees": "✓",
    "unsupported": "-",
}
"""Verdict -> its sign, the worst first."""


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
        return next(verdict for verdict in SIGNS if verdict in found)

    @property
    def share(self) -> float | None:
        """The largest share of a ball that was used."""
        return max((c.share for _, c in self.cells if c.share is not None), default=None)

    @property
    def digits(self) -> float | None:
        """The fewest digits of agreement."""
        return min((c.digits for _, c in self.cells if c.digits is not None), default=None)

    @property
    def proven(self) -> float | None:
        """The fewest digits that are proven."""
        return min((c.proven for _, c in self.cells if c.proven is not None), default=None)

    @property
    def numbers(self) -> list[tuple[str, str]]:
        """What it says beside its verdict: each number, and what it is in words."""
        cells, verdict = [cell for _, cell in self.cells], self.verdict
        if verdict in RED:
            right, of = sum(c.inside for c in cells), sum(c.links for c in cells)
            if not of or right == of:
                right, of = sum(not c.is_red for c in cells), len(cells)
            return [(f"{right}/{of}", f"{right} of {of} right")]
        if verdict != "agrees":
            return []
        if self.share is None:
            return [] if self.digits is None else [_said(self.digits, 1, "digits")]
        proven = [] if self.proven is None else [_said(self.proven, 1, "digits proven")]
        return [*proven, _said(self.share, 2, "of the ball")]

    @property
    def text(self) -> str:
        """Sign and numbers."""
        numbers = ["known"] if self.verdict == "known" else [shown for shown, _ in self.numbers]
        return " ".join([SIGNS[self.verdict], *numbers])

    @property
    def spoken(self) -> str:
        """The text in words."""
        return ", ".join([self.verdict, *(words for _, words in self.numbers)])

    @property
    def warmth(self) -> int:
        """0 to 4: how many of the digits that the precision has are proven, or agree."""
        found = self.digits if self.proven is None else self.proven
        (_, cell), *_ = self.cells
        if found is None or cell.precision not in PRECISIONS:
            return 0
        part = found / -math.log10(PRECISIONS[cell.precision].u)
        return min(WARMTHS - 1, int(part * WARMTHS))


def _said(number: float, decimals: int, of: str) -> tuple[str, str]:
    """Return a number, rounded down, and the same in words."""
    shown = f"{math.floor(number * 10**decimals) / 10**decimals:.{decimals}f}"
    return shown, f"{shown} {of}"


@dataclass(frozen=True, slots=True)
class Heatmap:
    """One table of the matrix.

    title:     the group.
    certified: whether its numbers are shares of a ball and digits proven; otherwise they are
               digits of agreement.
    columns:   adapter -> its precisions.
    rows:      name -> entries, None where there is no cell.
    """

    title: str
    certified: bool
    columns: dict[str, list[str]]
    rows: dict[str, list[Entry | None]]

    @property
    def labels(self) -> list[str]:
        """The name of each column, in words."""
        return [f"{name} {p}" for name, precisions in self.columns.items() for p in precisions]


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
