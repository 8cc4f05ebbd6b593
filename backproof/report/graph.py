"""A network's ops drawn from top to bottom, with the links of its certificates."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from backproof.reference.verdict.link import END_TO_END, WITHOUT_PROBES
from backproof.report.cells import Cell
from backproof.report.drawing import HEAD, MARGIN, Box, Drawing, Edge, Numbers

WIDTH, BESIDE, BELOW, PASSING = 236, 36, 44, 90
"""Pixels: width of a box, between boxes, between layers, for lines that go round boxes."""

Node = Mapping[str, Any]
"""A node of a document: its name, its op, its inputs. An input that is no node is a leaf."""


def graph(name: str, nodes: Sequence[Node], cells: Sequence[Cell]) -> Drawing:
    """Return the drawing of a network; each of its cells is one column of numbers."""
    depth = depths(nodes)
    boxes = {node["name"]: _box(node, depth, is_loss=node is nodes[-1]) for node in nodes}
    _place(boxes, depth)
    edges, labelled = [], set()
    for node in nodes:
        for source in dict.fromkeys(k for k in node["inputs"] if k in boxes):
            box, labels = boxes[source], [] if source in labelled else [_cotangent(source)]
            labelled.add(source)
            passes = depth[node["name"]] > depth[source] + 1
            path = (_round if passes else _down)(box, boxes[node["name"]])
            x, y = box.x + WIDTH / 2 + 8, box.y + box.height + 26
            edges.append(Edge(path, labels, x, y))
    drawing = Drawing(name, list(boxes.values()), edges, PASSING)
    for cell in cells:
        column = f"{cell.adapter} {cell.precision}"
        if cell.chain and column not in drawing.columns:  # only the first of several seeds
            drawing.fill(column, numbers(cell), cell.verdict)
    return drawing


def depths(nodes: Sequence[Node]) -> dict[str, int]:
    """Return node -> the length of the longest path to it."""
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node["name"]] = 1 + max((depth.get(k, -1) for k in node["inputs"]), default=-1)
    return depth


def numbers(cell: Cell) -> Numbers:
    """Return what a certificate says about each link: worst entry, share of the ball, verdict."""
    found: Numbers = {}
    refuted = [proof for proof in cell.chain[cell.links :] if proof[1] == "refuted"]
    for name, verdict, share, _, _, seen, *_ in [*cell.chain[: cell.links], *refuted]:
        # Shown only where it alone is not inside:
        key = name.removesuffix(WITHOUT_PROBES).removesuffix(END_TO_END)
        if key not in found or verdict != "inside":
            used = "" if share is None else f" · {share:.2f}" if share < 10 else f" · {share:.1e}"
            found[key] = (f"{float(seen):.5g}{used}" if seen else "", verdict)
    return found


def _cotangent(name: str) -> tuple[str, str]:
    return f"dE/d{name}", f"∂E/∂{name}"


def _box(node: Node, nodes: Container[str], *, is_loss: bool) -> Box:
    """Return a node's box: its value, and the gradients of the leaves that it uses."""
    leaves = [k for k in dict.fromkeys(node["inputs"]) if k not in nodes]
    own = [node["name"]] if is_loss else []
    labels = [(node["name"], "value"), *map(_cotangent, [*own, *leaves])]
    return Box(node["name"], node["op"], labels, WIDTH)


def _place(boxes: dict[str, Box], depth: dict[str, int]) -> None:
    """Set each layer below the one before, centred."""
    layers: dict[int, list[Box]] = {}
    for name, box in boxes.items():
        layers.setdefault(depth[name], []).append(box)
    widest, y = max(map(len, layers.values())), float(MARGIN)
    for _, layer in sorted(layers.items()):
        for i, box in enumerate(layer):
            box.x = MARGIN + (WIDTH + BESIDE) * (i + (widest - len(layer)) / 2)
            box.y = y
        y += max(box.height for box in layer) + BELOW


def _down(source: Box, target: Box) -> str:
    """Return the path from the foot of a box to the head of one in the next layer."""
    x, y = source.x + WIDTH / 2, source.y + source.height
    end, middle = target.x + WIDTH / 2, (y + target.y) / 2
    return f"M{x} {y} C{x} {middle} {end} {middle} {end} {target.y}"


def _round(source: Box, target: Box) -> str:
    """Return the path from the right of a box to the right of one further below."""
    x, y = source.x + WIDTH, source.y + HEAD / 2
    right, end = target.x + WIDTH, target.y + HEAD / 2
    out, middle = max(x, right) + min(76, 20 + (end - y) / 20), (y + end) / 2
    return f"M{x} {y} C{out} {y} {out} {y + 30} {out} {middle} S{out} {end} {right} {end}"
