"""`python -m tests.report`: two reports compared, or a page made of one.

    python -m tests.report compare old.json new.json
    python -m tests.report html report.json report.html

Exit status of compare: 0 where nothing got worse, 1 where something did, 2 where a file is no
report.
"""

import argparse
import sys
from pathlib import Path

from tests.report.compare import WORSE, compare, said
from tests.report.document import ReportError, read


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(prog="python -m tests.report", description="Read reports.")
    commands = parser.add_subparsers(dest="command", required=True)
    two = commands.add_parser("compare", help="what got worse, and what better; exit 1 if worse")
    two.add_argument("old", type=Path)
    two.add_argument("new", type=Path)
    one = commands.add_parser("html", help="make the page of a JSON report")
    one.add_argument("report", type=Path)
    one.add_argument("page", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "html":
            from tests.report.page import page  # noqa: PLC0415 jinja2 and matplotlib, for it alone

            arguments.page.write_text(page(read(arguments.report)), encoding="utf-8")
            parser.exit()
        old, new = read(arguments.old), read(arguments.new)
        changes = compare(old, new)
        sys.stdout.write(said(old, new, changes) + "\n")
    except (ReportError, OSError) as error:
        parser.exit(2, f"{error}\n")
    parser.exit(1 if changes.keys() & set(WORSE) else 0)


if __name__ == "__main__":
    main()
