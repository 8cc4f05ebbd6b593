"""A network as a drawing: boxes for its nodes, lines for the values between them, numbers at both.

A drawing names its numbers by key (a link of a certificate, or a quantity of the article). An
implementation in a precision is one column of numbers; the same drawing serves all columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from backproof.report.cells import RED

HEAD, LINE, FOOT = 30, 17, 6
"""Pixels: height of a box's head, of a line of text, space below the last line."""

MARGIN = 12
Labels = Sequence[tuple[str, str]]
"""Numbers that stand one below the other: key and name of each."""

Numbers = dict[str, tuple[str, str]]
"""Key -> the text that stands there, and its verdict."""


@dataclass(slots=True)
class Box:
    """A node or a unit: its name, its kind, its numbers; x and y of its corner, in pixels."""

    name: str
    kind: str
    labels: Labels
    width: int
    x: float = 0
    y: float = 0

    @property
    def height(self) -> int:
        """In pixels."""
        return HEAD + LINE * len(self.labels) + FOOT


@dataclass(frozen=True, slots=True)
class Edge:
    """A line: its path as SVG writes it, its numbers, and where they stand."""

    path: str
    labels: Labels
    x: float
    y: float


@dataclass(slots=True)
class Drawing:
    """A network as boxes and lines.

    name:    the network's name.
    right:   pixels that lines need on the right of all boxes.
    columns: name -> its numbers.
    first:   column -> key of the first link that is refuted or, where none is, undecided.
    verdict: the worst verdict of its cells.
    """

    name: str
    boxes: Sequence[Box]
    edges: Sequence[Edge]
    right: int = 0
    columns: dict[str, Numbers] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    verdict: str = "agrees"

    def fill(self, column: str, numbers: Numbers, verdict: str) -> None:
        """Add a column of numbers, in the order of the chain rule, and its verdict."""
        self.columns[column] = numbers
        for red in RED:
            for key in [key for key, (_, found) in numbers.items() if found == red][:1]:
                self.first.setdefault(column, key)
        order = ("agrees", "known", *reversed(RED))
        self.verdict = max(self.verdict, verdict, key=order.index)

    @property
    def shown(self) -> str:
        """The column that is shown first: the first one with a first link, if there is any."""
        return next(iter([*self.first, *self.columns]))

    @property
    def width(self) -> float:
        """In pixels."""
        return max(box.x + box.width for box in self.boxes) + self.right + MARGIN

    @property
    def height(self) -> float:
        """In pixels."""
        return max(box.y + box.height for box in self.boxes) + MARGIN
