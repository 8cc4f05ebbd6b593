"""`backproof compare`: what changed from one JSON report to another."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from backproof.commands.endings import refuse, written
from backproof.report.compare import WORSE, compare, said, whole
from backproof.report.compare_page import compare_page
from backproof.report.document import ReportError, shown


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(
        prog="backproof compare",
        description="Show what changed between two reports of `verify --report-json`.",
        epilog="exit status: 0 if nothing got worse, 1 if something did, 2 if a file is not a "
        "report, 6 if the page cannot be written",
    )
    found.add_argument("old", type=Path, help="the report before")
    found.add_argument("new", type=Path, help="the report after")
    found.add_argument("--html", type=Path, metavar="FILE", help="also write a page")
    return found


def run(arguments: Sequence[str]) -> int:
    """Print what changed, and write the page of it."""
    asked = parser().parse_args(arguments)
    try:
        old, new = shown(asked.old, whole), shown(asked.new, whole)
    except ReportError as error:
        return refuse(error)
    changes = compare(old, new)
    print(said(old, new, changes))
    status = 1 if changes.keys() & set(WORSE) else 0
    if asked.html:
        status = written(asked.html, compare_page(old, new, changes)) or status
    return status
