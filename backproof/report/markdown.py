"""The report in short, for a GitHub step summary."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from backproof.report import causes, tables
from backproof.report.cells import DERIVATIVES, OPTIMIZERS, VARIANTS, Cell
from backproof.report.document import OUTCOMES, cells_of, headline

GROUPS = (VARIANTS, DERIVATIVES, OPTIMIZERS)
OPEN = ("What failed", "Other tests that failed")
"""The sections that say what failed, which come first; the others are folded."""


def markdown(report: Mapping[str, Any]) -> str:
    """Return the verdict, one row per implementation, what failed, and how it was run."""
    cells = cells_of(report)
    red = causes.causes(cells)
    explained = f"{tables.UNDECIDED}\n\n" if any(x.verdict == "undecided" for x in red) else ""
    parts = [f"# {escaped(headline(report))}", by_implementation(cells)]
    for title, text in (
        ("What failed", f"{explained}{causes.text(red)}" if red else ""),
        ("Other tests that failed", "\n".join(report["failed"])),
        ("Article: agreeing / total, fewest digits", tables.matrix(cells)),
        ("Networks: links inside", tables.networks(cells)),
        ("Networks end to end: decided / all, fewest digits", tables.end_to_end(cells)),
        ("Ops alone: links inside", tables.ops_alone(cells)),
        *((f"{g.capitalize()}: links inside", tables.grid(cells, g)) for g in GROUPS),
        ("Known findings", "\n".join(_known(report))),
    ):
        if text:
            parts.append(folded(title, text, is_open=title in OPEN))
    if article := report["article"]:
        parts.append(f"The article: {article['counts']}")
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    known = {name: x for name, x in report["machine"].items() if name != "features"}
    machine = ", ".join(f"{name} {value}" for name, value in known.items())
    run = f"{report['date']}, {report['seconds']:g} s; seeds {report['seeds']}"
    about = escaped(f"{run}; {versions}; {machine}")
    parts.append(f"<code>{escaped(report['command'])}</code>, {about}")
    return "\n\n".join(parts) + "\n"


def by_implementation(cells: Sequence[Cell]) -> str:
    """Return a table of how many cells of each implementation have each verdict."""
    found: dict[str, Counter[str]] = {}
    for cell in cells:
        found.setdefault(cell.charged, Counter())[cell.verdict] += 1
    lines = [
        f"| {escaped(name)} | {' | '.join(f'{verdicts[v]:,}' for v in OUTCOMES)} |"
        for name, verdicts in found.items()
    ]
    head = [
        "| | agree | known | ✗ refuted | ? undecided | ! not run | unsupported |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    return "\n".join(head + lines)


def escaped(text: str) -> str:
    """Return a text, of one line, in which nothing is Markdown or HTML."""
    return re.sub(
        r"[^\w\s.,:;/+=%()'✓✗…-]|(?<!\w)_|_(?!\w)",
        lambda m: f"&#{ord(m[0])};",
        " ".join(text.split()),
    )


def folded(title: str, text: str, *, is_open: bool) -> str:
    """Return a text, unchanged, below its title, in a fence longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    start = "<details open>" if is_open else "<details>"
    return f"{start}<summary>{title}</summary>\n\n{fence}text\n{text}\n{fence}\n\n</details>"


def _known(report: Mapping[str, Any]) -> list[str]:
    return [f"{one['of']}: {one['cause']}" for one in report["findings"]]
