"""The article's network drawn unit by unit, from left to right, each weight on its line."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backproof.report.cells import CERTIFIED, Cell
from backproof.report.drawing import MARGIN, Box, Drawing, Edge, Labels, Numbers

WIDTH, BETWEEN, BEFORE_LOSS, BELOW = 190, 170, 60, 48
"""Pixels: width of a box, between layers, before the last layer, between boxes."""

AT = 0.3
"""Where on its line a weight stands, as a fraction of the line's length."""

Symbols = Mapping[str, Mapping[tuple[int, ...], str]]
"""Array -> index -> the symbol there."""


def units(article: Mapping[str, Any], cells: Sequence[Cell]) -> Drawing:
    """Return the drawing: one column of proven numbers, one per implementation and precision.

    article: the document's article; its quantities say where in the network each number stands.
    cells:   the cells of all groups.
    """
    quantities = article["quantities"]
    symbols: dict[str, dict[tuple[int, ...], str]] = {}
    for one in quantities:
        if one["kind"] in ("leaves", "values"):
            symbols.setdefault(one["array"], {})[tuple(one["index"])] = one["name"]
    layers, joined = _layers(article["nodes"], symbols)
    _place(layers)
    boxes = [box for layer in layers for box in layer]
    unit = {name: box for box in boxes for name, _ in box.labels}
    edges = [_edge(unit[one], unit[other], weight) for one, other, weight in joined]
    drawing = Drawing("article", boxes, edges)
    proven = {one["name"]: (f"{float(one['proven']):.8g}", "") for one in quantities}
    drawing.fill("proven", proven, "agrees")
    given = {one["name"]: proven[one["name"]] for one in quantities if one["kind"] == "leaves"}
    for column, found in _columns(quantities, cells).items():
        numbers = {**given, **found}
        refuted = any(verdict == "refuted" for _, verdict in numbers.values())
        drawing.fill(column, numbers, "refuted" if refuted else "agrees")
    return drawing


def _layers(
    nodes: Sequence[Mapping[str, Any]], symbols: Symbols
) -> tuple[list[list[Box]], list[tuple[str, str, str]]]:
    """Return the units, layer by layer, and what joins them: from, to, weight."""
    layers = [_boxes(symbols["x"], "input")]
    joined: list[tuple[str, str, str]] = []
    for node in nodes:
        own = symbols[node["name"]]
        if node["op"] == "dense":
            x, W, b = node["inputs"]
            layers[-1] += _boxes(symbols[b], "bias")
            layers.append(_boxes(own, "unit"))
            for (row, j), name in own.items():
                weights = [(i, weight) for (i, k), weight in symbols[W].items() if k == j]
                joined += [(symbols[x][row, i], name, weight) for i, weight in weights]
                joined.append((symbols[b][()], name, ""))
        elif node["op"] == "sigmoid":
            for box, name in zip(layers[-1], own.values(), strict=True):
                box.name, box.kind = f"{box.name}, {name}", "sigmoid"
                box.labels = [*box.labels, *_labels(name)]
        else:
            y, t = node["inputs"]
            layers[-1] += _boxes(symbols[t], "target")
            layers.append(_boxes(own, "loss"))
            joined += [(name, node["name"], "") for k in (y, t) for name in symbols[k].values()]
    return layers, joined


def _columns(quantities: Sequence[Mapping[str, Any]], cells: Sequence[Cell]) -> dict[str, Numbers]:
    """Return column -> its numbers in the first iteration, in the order of the chain rule."""
    order = {name: place for place, name in enumerate(_chain(quantities))}
    of_first = [
        cell
        for cell in cells
        if cell.against == "proven" and cell.iteration == 1 and cell.group not in CERTIFIED
    ]
    found: dict[str, Numbers] = {}
    for cell in sorted(of_first, key=lambda cell: order.get(cell.quantity, len(order))):
        text = "" if cell.value is None else f"{cell.value:.8g}"
        column = found.setdefault(f"{cell.adapter} {cell.precision}", {})
        column[cell.quantity] = (text, cell.verdict)
    return found


def _chain(quantities: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the values from first to last, then cotangents and gradients from last to first."""
    for kinds, step in ((("values",), 1), (("cotangents", "gradients"), -1)):
        yield from [one["name"] for one in quantities if one["kind"] in kinds][::step]


def _labels(name: str) -> Labels:
    return [(name, name), (f"dE_d{name}", f"∂E/∂{name}")] if name else []


def _boxes(symbols: Mapping[tuple[int, ...], str], kind: str) -> list[Box]:
    return [Box(name, kind, _labels(name), WIDTH) for name in symbols.values()]


def _place(layers: Sequence[Sequence[Box]]) -> None:
    """Set each layer beside the one before, centred."""
    heights = [sum(box.height + BELOW for box in layer) - BELOW for layer in layers]
    x = float(MARGIN)
    for i, (layer, height) in enumerate(zip(layers, heights, strict=True)):
        y = MARGIN + (max(heights) - height) / 2
        for box in layer:
            box.x, box.y = x, y
            y += box.height + BELOW
        x += WIDTH + (BEFORE_LOSS if i == len(layers) - 2 else BETWEEN)


def _edge(source: Box, target: Box, weight: str) -> Edge:
    """Return a line from the right of a box to the left of another."""
    x, y = source.x + WIDTH, source.y + source.height / 2
    end = target.y + target.height / 2
    place = x + 6, y + AT * (end - y) - 4
    return Edge(f"M{x} {y} L{target.x} {end}", _labels(weight), *place)
