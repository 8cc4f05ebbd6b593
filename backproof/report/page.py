"""The report as a page: one HTML file that needs nothing else, made from a document.

The text is in web/report.html.jinja, its looks in web/report.css. What opens on demand (the links
of a cell, a drawing's other columns) travels compressed in the page, and is shown by
web/report.js.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backproof.reference.article import audit as audits
from backproof.reference.article.audit import Finding
from backproof.reference.article.figures import Article, Figure, load
from backproof.reference.article.golden import read as read_golden
from backproof.reference.article.golden import trajectory
from backproof.report import tables
from backproof.report.cells import CERTIFIED, NETWORKS, Cell
from backproof.report.document import cells_of, headline
from backproof.report.drawing import Drawing
from backproof.report.graph import graph
from backproof.report.heatmap import SIGNS, Heatmap, heatmaps
from backproof.report.units import units
from backproof.scenarios.networks import CASES

WEB = Path(__file__).parent / "web"
LARGEST = 80
"""Nodes: a network with more is not drawn."""

SHOWN = 10
"""Of what is red, so much stands open; the rest behind one line."""

STEPS = sorted({0, *(round(10 ** (n / 12)) for n in range(49))})
"""Updates after which the loss is drawn: twelve a decade, up to 10,000."""

MARKED = (0, 1, 10, 100, 1_000, 10_000)
"""Of them, those that stand in a table too."""


@cache
def proven_losses() -> tuple[str, dict[int, dict[str, str]]]:
    """Return the curve of the article's loss, and the losses after STEPS: the same on all pages."""
    from backproof.report.picture import loss_curve  # noqa: PLC0415 matplotlib, for a page alone

    losses = trajectory(load(), STEPS)
    return loss_curve(losses), losses


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a document."""
    cells = cells_of(report)
    article = load()
    maps = heatmaps(cells)
    drawings = [units(article, read_golden(article).iterations[0], cells), *networks(cells)]
    curve, losses = proven_losses()
    environment = Environment(
        loader=FileSystemLoader(WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    audit = audits.audit(article)
    return environment.get_template("report.html.jinja").render(
        report=report,
        headline=headline(report),
        maps=maps,
        signs=SIGNS,
        drawings=drawings,
        parts=parts(article, audit, cells),
        columns=columns(cells),
        abbreviated=tables.ABBREVIATED,
        counts=audits.counts(audit),
        loss=curve,
        losses={n: losses[n] for n in MARKED},
        red=red(cells, maps),
        seen_in=seen_in(maps),
        undrawn=undrawn(cells, drawings),
        shown=SHOWN,
        properties=tables.properties(cells),
        unsupported=tables.unsupported(cells),
        css=(WEB / "report.css").read_text(encoding="utf-8"),
        js=(WEB / "report.js").read_text(encoding="utf-8"),
        data=packed(report["cells"], maps, drawings),
    )


def networks(cells: Sequence[Cell]) -> list[Drawing]:
    """Return drawings of the networks that were certified, those small enough to be read."""
    names = dict.fromkeys(cell.network for cell in cells if cell.group == NETWORKS and cell.chain)
    drawn = []
    for name in names:
        own = [cell for cell in cells if cell.group == NETWORKS and cell.network == name]
        # A value and a cotangent of each node at least: what has more links has more nodes.
        if name in CASES and len(own[0].chain) <= 8 * LARGEST:
            network = CASES[name].network()
            if len(network.nodes) <= LARGEST:
                drawn.append(replace(graph(network, own), name=name))
    return drawn


def undrawn(cells: Sequence[Cell], drawings: Sequence[Drawing]) -> list[str]:
    """Return the names of the networks that were certified and are not drawn."""
    drawn = {drawing.name for drawing in drawings}
    names = dict.fromkeys(cell.network for cell in cells if cell.group == NETWORKS and cell.chain)
    return [name for name in names if name in CASES and name not in drawn]


def seen_in(maps: Sequence[Heatmap]) -> dict[str, list[tuple[int, str]]]:
    """Return cause of a known finding -> where it was seen: a cell of the matrix, and its name."""
    found: dict[str, list[tuple[int, str]]] = {}
    for entry in (entry for one in maps for row in one.rows.values() for entry in row if entry):
        for cell in (cell for _, cell in entry.cells):
            precision = tables.ABBREVIATED.get(cell.precision, cell.precision)
            for cause in cell.known:
                place = (entry.number, f"{cell.adapter}, {cell.network}, {precision}")
                if place not in found.setdefault(cause, []):
                    found[cause].append(place)
    return found


@dataclass(frozen=True, slots=True)
class Row:
    """A printed figure, what the audit says of it, and the value of each column."""

    figure: Figure
    finding: Finding
    values: Sequence[Cell | None]


def columns(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Return the implementations and precisions that the article's figures were held to."""
    of_figures = [cell for cell in cells if _is_of_figure(cell)]
    return list(dict.fromkeys((cell.adapter, cell.precision) for cell in of_figures))


def parts(
    article: Article, audit: Sequence[Finding], cells: Sequence[Cell]
) -> list[tuple[str, list[Row]]]:
    """Return the article's parts in its own order, each with its figures."""
    found = {(c.against, c.adapter, c.precision): c for c in cells if _is_of_figure(c)}
    places = columns(cells)
    rows = [
        Row(figure, finding, [found.get((figure.id, *place)) for place in places])
        for figure, finding in zip(article.figures, audit, strict=True)
    ]
    return [(part, list(of)) for part, of in groupby(rows, key=lambda row: row.figure.part)]


def _is_of_figure(cell: Cell) -> bool:
    return cell.group not in CERTIFIED and cell.group.startswith(("Setup", "Part "))


@dataclass(frozen=True, slots=True)
class Red:
    """What one implementation does wrong on one network: the first message, and how many cells."""

    cell: Cell
    entry: int
    also: int


def red(cells: Sequence[Cell], maps: Sequence[Heatmap]) -> list[Red]:
    """Return what is refuted, one an implementation and network, each with its first cell."""
    entry_of = {
        number: entry.number
        for one in maps
        for row in one.rows.values()
        for entry in row
        if entry
        for number, _ in entry.cells
    }
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, cell in enumerate(cells):
        if cell.verdict == "refuted":
            groups.setdefault((cell.adapter, cell.group, cell.network), []).append(number)
    return [Red(cells[ns[0]], entry_of[ns[0]], len(ns) - 1) for ns in groups.values()]


def packed(
    cells: Sequence[Mapping[str, Any]], maps: Sequence[Heatmap], drawings: Sequence[Drawing]
) -> str:
    """Return what the page shows on demand, compressed, as text without a character of HTML's."""
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
