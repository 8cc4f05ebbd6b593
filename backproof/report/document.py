"""The report of a run as data: what `--report-json` writes, and what every other report shows.

fixtures/report.schema.json says what is in it. A change that old readers would misread gets a new
VERSION, there and here.
"""

import json
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from backproof.reference.findings import KnownFinding
from backproof.reference.fixtures import FIXTURES
from backproof.report.cells import Cell, as_dict

SCHEMA = "backproof/report.schema.json"
VERSION = 1
OUTCOMES = ("agrees", "known", "refuted", "unsupported")
"""The verdicts of a cell, in the order in which they are counted."""

FIELDS = frozenset(field.name for field in fields(Cell))
KEYS = frozenset(json.loads((FIXTURES / "report.schema.json").read_text("utf-8"))["required"])


class ReportError(ValueError):
    """A report cannot be read: the message names the file and what is wrong with it."""


def document(
    cells: Sequence[Cell],
    *,
    command: str,
    seeds: int,
    versions: Mapping[str, str],
    failed: Sequence[str],
    recorded: tuple[KnownFinding, ...],
    complete: bool,
) -> dict[str, Any]:
    """Return the report of a run.

    command:  what was run. seeds: how many of each network. versions: package -> version.
    failed:   tests that failed and have no cell. recorded: the known findings, seen or not.
    complete: whether the run came to its end.
    """
    seen = {cause for cell in cells for cause in cell.known}
    counts = Counter(cell.verdict for cell in cells)
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "command": command,
        "seeds": list(range(seeds)),
        "machine": machine(),
        "versions": dict(versions),
        "verdict": verdict(counts, failed, complete=complete),
        "counts": {name: counts[name] for name in OUTCOMES},
        "failed": list(failed),
        "findings": [{**asdict(one), "of": one.of} for one in recorded if one.cause in seen],
        "cells": [as_dict(cell) for cell in cells],
    }


def verdict(counts: Mapping[str, int], failed: Sequence[str], *, complete: bool) -> str:
    """Return "red", "incomplete", "empty" or "green": the first of them that is so."""
    if counts.get("refuted") or failed:
        return "red"
    if not complete:
        return "incomplete"
    return "green" if counts.get("agrees") or counts.get("known") else "empty"


def machine() -> dict[str, str | int | None]:
    """Return what ran it, without its name."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()}",
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }


def to_json(report: Mapping[str, Any]) -> str:
    """Return the report as JSON, a line a cell."""
    head = {key: value for key, value in report.items() if key != "cells"}
    lines = ",\n".join(json.dumps(cell, allow_nan=False) for cell in report["cells"])
    return f'{json.dumps(head, indent=1, allow_nan=False)[:-2]},\n "cells": [\n{lines}\n]}}\n'


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


def cells_of(report: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of a report."""
    return [Cell(**content) for content in report["cells"]]


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
    whose = Counter(cell["adapter"] for cell in report["cells"] if cell["verdict"] == "refuted")
    by = ", ".join(f"{name} {count:,}" for name, count in whose.most_common())
    red = [f"{counts['refuted']:,} of {total:,} cells refuted ({by})"] if by else []
    if report["failed"]:
        red.append(f"{len(report['failed'])} other tests failed")
    return f"✗ Red: {' and '.join(red)}"
