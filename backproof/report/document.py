"""The report of a run as data: `--report-json` writes it, and all other reports are made of it.

backproof/running/make_document.py makes it, and fixtures/report.schema.json says what is in it. A
change that readers of earlier versions would misread gets a new VERSION, there and here.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from backproof.reference.files import FileError
from backproof.reference.files import read as read_file
from backproof.report import causes
from backproof.report.cause import Cause
from backproof.report.cells import RED, Cell

Made = TypeVar("Made")

SCHEMA = "backproof/report.schema.json"
VERSION = 4
OUTCOMES = ("agrees", "known", "refuted", "undecided", "not run", "unsupported")
"""The verdicts of a cell, in the order in which they are counted."""

ReportError = FileError
"""A report cannot be read: the message names the file and what is wrong with it."""


def to_json(report: Mapping[str, Any]) -> str:
    """Return the report as JSON: one line per key, and one line per cell."""
    lines = [f'"{key}": {_line(value)}' for key, value in report.items() if key != "cells"]
    cells = ",\n".join(map(_line, report["cells"]))
    return ",\n".join(["{" + lines[0], *lines[1:], f'"cells": [\n{cells}\n]}}\n'])


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def read(path: Path) -> dict[str, Any]:
    """Return the report of a file. Raises ReportError."""
    found: dict[str, Any] = read_file(path, "report")
    return found


def verdict_of(counts: Mapping[str, int], failed: Sequence[str], *, complete: bool) -> str:
    """Return "red", "incomplete", "empty" or "green": the first that applies."""
    if any(counts[verdict] for verdict in RED) or failed:
        return "red"
    if not complete:
        return "incomplete"
    return "green" if counts["agrees"] or counts["known"] else "empty"


def shown(path: Path, made: Callable[[dict[str, Any]], Made]) -> Made:
    """Return what is made of the report of a file, such as its page. Raises ReportError.

    A report may be as its schema says, and its parts may still contradict each other.
    """
    report = read(path)
    try:
        return made(report)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        said = f"its parts contradict each other: {type(error).__name__}: {error}"
        raise ReportError(f"{path}: {said}") from None


def cells_of(report: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of a report."""
    return [
        Cell(**{**content, "causes": [Cause(**one) for one in content["causes"]]})
        for content in report["cells"]
    ]


def headline(report: Mapping[str, Any]) -> str:
    """Return the verdict in one line."""
    counts, total = report["counts"], sum(report["counts"].values())
    others = {name: counts[name] for name in ("known", "unsupported")}
    each = [f"{counts['agrees']:,} of {total:,} cells agree"]
    each += [f"{count:,} {name}" for name, count in others.items() if count]
    if report["verdict"] != "red":
        start = {
            "green": "✓ Nothing refuted",
            "incomplete": "… Not finished",
            "empty": "… Nothing was verified",
        }
        return f"{start[report['verdict']]}: {', '.join(each)}"
    cells = cells_of(report)
    red = []
    for verdict in RED:
        whose = Counter(cell.charged for cell in cells if cell.verdict == verdict)
        by = ", ".join(f"{name} {count:,}" for name, count in whose.most_common())
        red += [f"{counts[verdict]:,} of {total:,} cells {verdict} ({by})"] if by else []
    if failed := len(report["failed"]):
        red.append(f"{failed} other {'test' if failed == 1 else 'tests'} failed")
    found = [causes.title(causes.causes(cells))] if any(cell.is_red for cell in cells) else []
    return f"✗ Red: {': '.join([*found, ' and '.join(red)])}"
