"""The figures that the article prints, each beside what the implementations compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from backproof.report.cells import Cell


@dataclass(frozen=True, slots=True)
class Row:
    """A figure as the document has it, and its cell in each column; None if a column has none."""

    figure: Mapping[str, Any]
    cells: Sequence[Cell | None]


@dataclass(frozen=True, slots=True)
class Figures:
    """The article's parts, in its own order, each with the rows of its figures.

    columns: the implementations and precisions whose numbers were held to the figures.
    """

    columns: Sequence[tuple[str, str]]
    parts: Sequence[tuple[str, Sequence[Row]]]


def figures(article: Mapping[str, Any], cells: Sequence[Cell]) -> Figures:
    """Return the figures of a document's article, and what its cells say about them."""
    parts = {figure["part"] for figure in article["figures"]}
    found = {(c.adapter, c.precision, c.against): c for c in cells if c.group in parts}
    columns = list(dict.fromkeys((adapter, precision) for adapter, precision, _ in found))
    rows = [
        Row(figure, [found.get((*column, figure["id"])) for column in columns])
        for figure in article["figures"]
    ]
    by_part = groupby(rows, key=lambda row: row.figure["part"])
    return Figures(columns, [(part, list(of)) for part, of in by_part])
