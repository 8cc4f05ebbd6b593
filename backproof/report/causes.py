"""The causes of a run: every red cell is counted under what is wrong in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backproof.report.cause import Cause, error
from backproof.report.cells import CERTIFIED, OPS_ALONE, PAIRS, RED, Cell


@dataclass(frozen=True, slots=True)
class Found:
    """One cause, and all that follows from it.

    adapter, name: whose it is, and what. verdict: of its cells.
    first:  the cause in the cell that shows it most simply. cell: that cell.
    cells:  the numbers of all its cells. seen_in: network -> how many of these cells.
    links:  how many red links of certificates it explains.
    """

    adapter: str
    name: str
    verdict: str
    first: Cause
    cell: Cell
    cells: Sequence[int]
    seen_in: Counter[str]
    links: int

    @property
    def title_of(self) -> str:
        """Whose it is, and what it is."""
        return f"{self.adapter}: {self.name}"

    @property
    def title(self) -> str:
        """The same, and how many cells follow from it."""
        return f"{self.title_of}: {_count(len(self.cells), 'cell')}"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What is known of it: names and texts, without those that are empty."""
        cell, one = self.cell, self.first
        precision = "" if cell.precision == "any" else f", {cell.precision}"
        where = f"{cell.network}{precision}, seed {cell.iteration}"
        several = len(self.cells) > 1
        counted = [f"{name} {n:,}" for name, n in self.seen_in.most_common(SHOWN)]
        more = len(self.seen_in) - SHOWN
        counted += [f"{more} more"] if more > 0 else []
        found = {
            "first link": f"{one.link} in {where}" if one.link else "",
            "expected": one.expected,
            "found": one.found,
            "off by": one.off,
            "diagnosis": one.diagnosis,
            "cells": ", ".join(counted) if several else "" if one.link else where,
            "red links": f"{self.links:,}" if self.links > 1 else "",
            "reproduce": one.command,
        }
        return [(name, text) for name, text in found.items() if text]


SHOWN = 4
"""How many networks are named in which a cause is seen."""


def causes(cells: Sequence[Cell]) -> list[Found]:
    """Return the causes of the red cells, refuted ones first, then those of most cells."""
    every = [(n, cell, one) for n, cell in enumerate(cells) for one in of(cell)]
    # Of the faults that would explain a link, the one is likeliest that explains most cells.
    counts = Counter((_framework(one), name) for _, _, one in every for name in one.named)
    first = Counter((_framework(one), one.named[0]) for _, _, one in every)

    def likelihood(adapter: str, name: str) -> tuple[int, int, str]:
        return counts[adapter, name], first[adapter, name], name

    groups: dict[tuple[str, str, str], list[tuple[int, Cell, Cause]]] = {}
    for n, cell, one in every:
        adapter = _framework(one)
        name = max(likelihood(adapter, name) for name in one.named)[-1]
        groups.setdefault((adapter, name, cell.verdict), []).append((n, cell, one))
    found = [_found(*key, own) for key, own in groups.items()]
    return sorted(found, key=lambda one: (RED.index(one.verdict), -len(one.cells)))


def of(cell: Cell) -> Iterator[Cause]:
    """Yield the causes of a cell: those that its test names, or its message."""
    if not cell.is_red:
        return
    if cell.causes:
        yield from cell.causes
        return
    yield Cause(cell.charged, error(cell.message or cell.verdict))


def _found(adapter: str, name: str, verdict: str, own: Sequence[tuple[int, Cell, Cause]]) -> Found:
    _, cell, first = min(own, key=_simplicity)
    seen_in = Counter(c.network for _, c, _ in own)
    links = sum(one.links for _, c, one in own if c.links)
    return Found(adapter, name, verdict, first, cell, [n for n, *_ in own], seen_in, links)


def _simplicity(one: tuple[int, Cell, Cause]) -> tuple[int, bool, int, int]:
    """Return how simply a cell shows a cause: an op alone first, a pair last; zeros tell less."""
    number, cell, cause = one
    order = (OPS_ALONE, *CERTIFIED)
    place = order.index(cell.group) if cell.group in order else len(order) + (cell.group == PAIRS)
    return place, cause.expected.startswith(("0.0 ", "-0.0 ")), cell.links, number


def _framework(one: Cause) -> str:
    """Return the adapter whose variant a column is."""
    return one.adapter.partition(".")[0]


def text(found: Sequence[Found], width: int = 10) -> str:
    """Return one paragraph for each cause: its title, and what is known of it, aligned."""
    return "\n\n".join(
        "\n".join([one.title, *(f"  {name:<{width}}  {said}" for name, said in one.lines)])
        for one in found
    )


def title(found: Sequence[Found]) -> str:
    """Return how many causes there are."""
    return _count(len(found), "cause")


def _count(n: int, of: str) -> str:
    return f"{n:,} {of}{'' if n == 1 else 's'}"
