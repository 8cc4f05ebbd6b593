"""Compares two reports: what got worse, and what better, with an upgrade of a framework."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from backproof.reference.table import table
from backproof.report.cells import Cell
from backproof.report.document import ReportError, cells_of

KEY = ("group", "network", "adapter", "against", "precision", "iteration", "quantity")
"""The fields by which a cell of one report is found in the other."""

SIZES: Mapping[tuple[str, str], Callable[[Cell], float]] = {
    ("more links outside", "fewer links outside"): lambda cell: cell.outside,
    ("more links undecided", "fewer links undecided"): lambda cell: cell.undecided,
    ("fewer decided end to end", "more decided end to end"): lambda cell: -cell.decided,
    ("lost digits", "won digits"): lambda cell: -shown(cell.digits),
    ("proves fewer digits", "proves more digits"): lambda cell: -shown(cell.proven),
}
"""What happened to a cell of the same verdict if a size grew, and if it fell -> the size."""

WORSE = (
    "turned red",
    "turned undecided",
    "not run",
    "turned known",
    "no longer supported",
    *(worse for worse, _ in SIZES),
    "appeared red",
    "appeared undecided",
    "vanished",
    "another test fails",  # a test without a cell
)
NEITHER = ("appeared known", "appeared unsupported")
BETTER = ("turned green", "now supported", *(better for _, better in SIZES), "appeared")
Key = tuple[Any, ...]


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Key]]:
    """Return kind of change -> the cells that changed in this way.

    Raises ReportError where two cells of one report have the same key.
    """
    before, after = keyed(old), keyed(new)
    changes: dict[str, list[Key]] = {kind: [] for kind in (*WORSE, *NEITHER, *BETTER)}
    for key in {**before, **after}:
        if kind := change(before.get(key), after.get(key)):
            changes[kind].append(key)
    changes["another test fails"] = [(test,) for test in new["failed"] if test not in old["failed"]]
    return {kind: keys for kind, keys in changes.items() if keys}


def whole(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report whose cells all have keys of their own. Raises ReportError."""
    keyed(report)
    return report


def keyed(report: Mapping[str, Any]) -> dict[Key, Cell]:
    """Return key -> cell."""
    cells: dict[Key, Cell] = {}
    for cell in cells_of(report):
        key = tuple(getattr(cell, name) for name in KEY)
        if key in cells:
            raise ReportError(f"two cells are the same: {', '.join(map(str, key))}")
        cells[key] = cell
    return cells


def change(old: Cell | None, new: Cell | None) -> str | None:
    """Return what happened to a cell; None where nothing did."""
    if new is None:
        return "vanished"
    if old is None:
        return {"refuted": "appeared red", "agrees": "appeared", "not run": "not run"}.get(
            new.verdict, f"appeared {new.verdict}"
        )
    if old.verdict != new.verdict:
        return {
            "refuted": "turned red",
            "agrees": "now supported" if old.verdict == "unsupported" else "turned green",
            "undecided": "turned undecided" if old.verdict != "refuted" else None,
            "not run": "not run",
            "known": None if old.is_red else "turned known",
            "unsupported": "no longer supported",
        }[new.verdict]
    grown = {names: size(new) - size(old) for names, size in SIZES.items()}
    worse = [name for (name, _), by in grown.items() if by > 0]
    better = [name for (_, name), by in grown.items() if by < 0]
    return next(iter([*worse, *better]), None)


def shown(digits: float | None) -> int:
    """Return tenths of a digit, rounded down, as tables show them; 0 where there is no number."""
    return 0 if digits is None else math.floor(digits * 10)


def said(old: Mapping[str, Any], new: Mapping[str, Any], changes: Mapping[str, list[Key]]) -> str:
    """Return the comparison as text: versions that changed, then a table for each kind."""
    before, after = keyed(old), keyed(new)
    parts = [f"versions: {', '.join(upgrades(old, new)) or 'the same'}"]
    for kind, keys in changes.items():
        mark = " (worse)" if kind in WORSE else " (better)" if kind in BETTER else ""
        if kind == "another test fails":
            listed = "\n".join(test for (test,) in keys)
        else:
            rows = [(*key, state(before.get(key)), state(after.get(key))) for key in keys]
            listed = table((*KEY, "old", "new"), rows)
        parts.append(f"{kind}{mark}: {len(keys)}\n{listed}")
    return "\n\n".join(parts if changes else [*parts, "nothing changed"])


def upgrades(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the versions that changed, in words."""
    return [
        f"{name} {old['versions'].get(name, '-')} -> {new['versions'].get(name, '-')}"
        for name in {**old["versions"], **new["versions"]}
        if old["versions"].get(name) != new["versions"].get(name)
    ]


def state(cell: Cell | None) -> str:
    """Return what a comparison says of a cell: its verdict, and its numbers."""
    if cell is None:
        return "-"
    found = [cell.verdict]
    found += [f"{cell.inside}/{cell.links}"] if cell.links else []
    found += [f"{cell.undecided} undecided"] if cell.undecided else []
    found += [f"end to end {cell.decided}/{cell.end_to_end}"] if cell.end_to_end else []
    found += [] if cell.digits is None else [f"{shown(cell.digits) / 10:.1f}"]
    found += [] if cell.proven is None else [f"proves {shown(cell.proven) / 10:.1f}"]
    return " ".join(found)
