"""`backproof report`: a page, a matrix, or one JSON report, of JSON reports."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backproof.commands.endings import refuse, written
from backproof.report.document import ReportError, headline, read, shown, to_json
from backproof.report.matrix import matrix, to_svg, to_text
from backproof.report.merge import contradicted, merge
from backproof.report.page import page


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(
        prog="backproof report", description="Make a page, a matrix or one report of JSON reports."
    )
    kinds = found.add_subparsers(metavar="KIND", required=True)
    one = _kind(kinds, "html", "make a page of a JSON report", "2 if the file is not a report")
    one.add_argument("report", type=Path, help="the JSON file that `verify --report-json` wrote")
    one.add_argument("page", type=Path, help="the HTML file to write")
    one.set_defaults(make=_page)
    ends = "1 if reports contradict each other, 2 if a file is not a report"
    one = _kind(kinds, "merge", "make one JSON report of several", ends)
    one.add_argument("reports", type=Path, nargs="+", metavar="REPORT", help="the JSON files")
    one.add_argument("--json", type=Path, metavar="FILE", required=True, help="the one to write")
    one.set_defaults(make=_merge)
    does = "print the matrix of a JSON report: what is right in each framework and precision"
    ends = "1 if the report is not green, 2 if the file is not a report"
    one = _kind(kinds, "matrix", does, ends)
    one.add_argument("report", type=Path, help="the JSON file")
    one.add_argument("--svg", type=Path, metavar="FILE", help="also write it as a picture")
    one.set_defaults(make=_matrix)
    return found


def _kind(kinds: Any, name: str, does: str, ends: str) -> argparse.ArgumentParser:
    """Return the parser of one kind. does: what it makes. ends: its exit statuses but 0 and 6."""
    one: argparse.ArgumentParser = kinds.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=f"exit status: 0, {ends}, 6 if a file cannot be written",
    )
    return one


def run(arguments: Sequence[str]) -> int:
    """Make what is asked for, and return the exit status."""
    asked = parser().parse_args(arguments)
    try:
        status: int = asked.make(asked)
    except ReportError as error:
        return refuse(error)
    return status


def _page(asked: argparse.Namespace) -> int:
    """Write the page of a JSON report."""
    if asked.page.resolve() == asked.report.resolve():
        return refuse(f"{asked.page}: the page would replace the report; name another file")
    return written(asked.page, shown(asked.report, page))


def _merge(asked: argparse.Namespace) -> int:
    """Write one report of several, and print what it says, and where they contradict each other."""
    if asked.json.resolve() in [path.resolve() for path in asked.reports]:
        return refuse(f"{asked.json}: would be replaced; name another file")
    merged, contradictions = merge({str(path): read(path) for path in asked.reports})
    print(headline(merged))
    if contradictions:
        print(contradicted(contradictions))
    return written(asked.json, to_json(merged)) or (1 if contradictions else 0)


def _matrix(asked: argparse.Namespace) -> int:
    """Print the matrix of a report, and write its picture."""
    found, verdict, said = shown(
        asked.report, lambda report: (matrix(report), report["verdict"], headline(report))
    )
    print(to_text(found), said, sep="\n\n")
    status = written(asked.svg, to_svg(found)) if asked.svg else 0
    return status or int(verdict != "green")
