"""The loss curve on the page: both of its axes are logarithmic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

MARKED = (0, 1, 10, 100, 1_000, 10_000)
"""The numbers of updates whose losses are labelled, and stand in the table below the curve."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis of whole decades, from pixel `start` to pixel `end`."""

    decades: range
    start: int
    end: int

    @property
    def ticks(self) -> list[tuple[float, float]]:
        """The value and the pixel of each decade."""
        return [(10.0**n, self.at(10.0**n)) for n in self.decades]

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        part = (log10(value) - self.decades[0]) / (len(self.decades) - 1)
        return round(self.start + part * (self.end - self.start), 1)


@dataclass(frozen=True, slots=True)
class Curve:
    """The losses after some numbers of updates, and the axes on which they stand."""

    losses: Mapping[int, float]
    x: Axis
    y: Axis

    @property
    def path(self) -> str:
        """The curve as SVG writes it."""
        return "M" + " L".join(f"{self.x.at(n)} {self.y.at(e)}" for n, e in self.losses.items())


def loss_curve(losses: Sequence[Mapping[str, Any]]) -> Curve:
    """Return the curve of a document's losses. 0 updates have no place on a logarithmic axis."""
    points = {one["updates"]: float(one["E"]) for one in losses if one["updates"]}
    return Curve(points, _axis(points, 76, 812), _axis(points.values(), 312, 14))


def _axis(values: Iterable[float], start: int, end: int) -> Axis:
    """Return the axis of the decades that hold all values."""
    exponents = [log10(value) for value in values]
    return Axis(range(floor(min(exponents)), ceil(max(exponents)) + 1), start, end)
