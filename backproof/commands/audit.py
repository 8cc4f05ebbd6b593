"""`backproof audit`: every figure that a worked example prints is audited."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from backproof.commands.endings import refuse, written
from backproof.reference.article import audit, figures, golden
from backproof.reference.files import FileError


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(
        prog="backproof audit",
        description="Audit a worked example of backpropagation: is each printed figure right?",
        epilog="exit status: 0, 2 if the file is not a worked example, 6 if FILE cannot be written",
    )
    found.add_argument(
        "example",
        nargs="?",
        default="article",
        help="your own file (docs/worked-examples.md), or the name of one that is shipped: "
        f"{', '.join(figures.shipped())} (default: %(default)s)",
    )
    found.add_argument("--json", action="store_true", help="print JSON: an array of objects")
    found.add_argument(
        "--golden", type=Path, metavar="FILE", help="write all values, proven to 40 digits, as JSON"
    )
    return found


def run(arguments: Sequence[str]) -> int:
    """Print the audit of a worked example: every figure, the errata, the count of each verdict."""
    asked = parser().parse_args(arguments)
    try:
        article = figures.load(figures.shipped().get(asked.example, Path(asked.example)))
        findings = audit.audit(article)
        print(audit.to_json(findings) if asked.json else audit.to_text(findings))
        return written(asked.golden, golden.generate(article)) if asked.golden else 0
    except FileError as error:
        return refuse(error)
