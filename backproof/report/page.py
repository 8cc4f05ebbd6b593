"""The report as a page: one HTML file that needs nothing else, made of a document alone.

The text is in web/report.html.jinja, its looks are in web/report.css. What opens on demand (the
links of a cell, a drawing's other columns) travels compressed in the page; web/report.js shows it.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backproof.report import causes, tables
from backproof.report.cells import NETWORKS, Cell
from backproof.report.curve import MARKED, loss_curve
from backproof.report.document import cells_of, headline
from backproof.report.drawing import Drawing
from backproof.report.figures import figures
from backproof.report.graph import Node, graph
from backproof.report.heatmap import SIGNS, Heatmap, heatmaps
from backproof.report.units import units

WEB = Path(__file__).parent / "web"
LARGEST = 80
"""The number of nodes of the largest network that is drawn."""

SHOWN = 10
"""How many causes are shown at first; one line opens the others."""


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a document."""
    cells, article = cells_of(report), report["article"]
    maps, found = heatmaps(cells), causes.causes(cells)
    drawings = [units(article, cells)] if article else []
    drawings += networks(report["networks"], cells)
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            headline=headline(report),
            maps=maps,
            signs=SIGNS,
            drawings=drawings,
            undrawn=[name for name, nodes in report["networks"].items() if len(nodes) > LARGEST],
            figures=figures(article, cells) if article else None,
            abbreviated=tables.ABBREVIATED,
            curve=loss_curve(article["losses"]) if article else None,
            marked=MARKED,
            red=found,
            causes=causes.title(found),
            entry_of=entries(maps),
            took=duration(report["seconds"]),
            undecided=tables.UNDECIDED if any(x.verdict == "undecided" for x in found) else None,
            seen_in=seen_in(maps),
            shown=SHOWN,
            properties=tables.properties(cells),
            unsupported=tables.unsupported(cells),
            css=(WEB / "report.css").read_text(encoding="utf-8"),
            js=(WEB / "report.js").read_text(encoding="utf-8"),
            data=packed(report["cells"], maps, drawings),
        )
    )


def environment() -> Environment:
    """Return what fills the templates: all text is escaped."""
    return Environment(
        loader=FileSystemLoader(WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def networks(certified: Mapping[str, Sequence[Node]], cells: Sequence[Cell]) -> list[Drawing]:
    """Return drawings of the networks that were certified, those small enough to be read."""
    return [
        graph(name, nodes, [c for c in cells if c.group == NETWORKS and c.network == name])
        for name, nodes in certified.items()
        if len(nodes) <= LARGEST
    ]


def seen_in(maps: Sequence[Heatmap]) -> dict[str, list[tuple[int, str]]]:
    """Return cause of a known finding -> where it was seen: cell of the matrix, and its name."""
    found: dict[str, list[tuple[int, str]]] = {}
    for entry in (entry for one in maps for row in one.rows.values() for entry in row if entry):
        for cell in (cell for _, cell in entry.cells):
            precision = tables.ABBREVIATED.get(cell.precision, cell.precision)
            for cause in cell.known:
                place = (entry.number, f"{cell.adapter}, {cell.network}, {precision}")
                if place not in found.setdefault(cause, []):
                    found[cause].append(place)
    return found


def entries(maps: Sequence[Heatmap]) -> dict[int, int]:
    """Return number of a cell -> its place in the matrix."""
    every = (entry for one in maps for row in one.rows.values() for entry in row if entry)
    return {number: entry.number for entry in every for number, _ in entry.cells}


def duration(seconds: float) -> str:
    """Return a time in words."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def packed(
    cells: Sequence[Mapping[str, Any]], maps: Sequence[Heatmap], drawings: Sequence[Drawing]
) -> str:
    """Return what the page shows on demand, compressed, in base64, which HTML need not escape."""
    entries = [
        [number for number, _ in entry.cells]
        for one in maps
        for row in one.rows.values()
        for entry in row
        if entry
    ]
    drawn = [{"columns": one.columns, "first": one.first} for one in drawings]
    content = json.dumps({"cells": cells, "entries": entries, "drawings": drawn})
    return base64.b64encode(gzip.compress(content.encode(), 6, mtime=0)).decode()
