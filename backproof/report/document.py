"""The report of a run as data: `--report-json` writes it, and all other reports are made of it.

backproof/running/make_document.py makes it, and fixtures/report.schema.json says what is in it. A
change that readers of earlier versions would misread gets a new VERSION, there and here.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from backproof.report import causes
from backproof.report.cause import Cause
from backproof.report.cells import RED, Cell

SCHEMA = "backproof/report.schema.json"
VERSION = 4
OUTCOMES = ("agrees", "known", "refuted", "undecided", "not run", "unsupported")
"""The verdicts of a cell, in the order in which they are counted."""

FIELDS = frozenset(field.name for field in fields(Cell))
KEYS = frozenset(
    {
        *("schema", "version", "command", "date", "seconds", "commit", "seeds"),
        *("machine", "versions"),
        *("verdict", "counts", "failed", "findings", "article", "networks", "cells"),
    }
)


class ReportError(ValueError):
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
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ReportError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ReportError(f"{path}: not a report: expected schema {SCHEMA!r}")
    if found.get("version") != VERSION:
        was = found.get("version")
        raise ReportError(f"{path}: a report of version {was!r}; this reads version {VERSION}")
    if missing := sorted(KEYS - found.keys()):
        raise ReportError(f"{path}: lacks {', '.join(missing)}")
    for n, cell in enumerate(found["cells"], start=1):
        if not isinstance(cell, dict) or cell.keys() != FIELDS:
            raise ReportError(f"{path}: cell {n}: expected exactly {', '.join(sorted(FIELDS))}")
        if cell["verdict"] not in OUTCOMES:
            raise ReportError(f"{path}: cell {n}: unknown verdict {cell['verdict']!r}")
    return found


def verdict_of(counts: Mapping[str, int], failed: Sequence[str], *, complete: bool) -> str:
    """Return "red", "incomplete", "empty" or "green": the first that applies."""
    if any(counts[verdict] for verdict in RED) or failed:
        return "red"
    if not complete:
        return "incomplete"
    return "green" if counts["agrees"] or counts["known"] else "empty"


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
