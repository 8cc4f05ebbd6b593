"""`backproof campaign`: random networks of many seeds are certified."""

import argparse
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor

from backproof.adapters import TABLE
from backproof.adapters.protocol import AdapterError
from backproof.campaign.campaign import columns
from backproof.campaign.seeds import campaigns, to_text
from backproof.commands.endings import refuse
from backproof.commands.processes import add_executor, count, executor_of
from backproof.reference.fixtures import FixtureError


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(
        prog="backproof campaign",
        description="Certify random networks of many seeds, and print what is new.",
        epilog="exit status: 0 if nothing new was found, 1 if something was, 2 if it cannot run",
    )
    found.add_argument(
        "columns", nargs="+", metavar="COLUMN", help="a framework, or FRAMEWORK.VARIANT"
    )
    found.add_argument(
        "--seeds", type=count, default=20, metavar="N", help="how many (default: %(default)s)"
    )
    found.add_argument(
        "--networks",
        type=count,
        default=1000,
        metavar="N",
        help="how many networks of each seed (default: %(default)s)",
    )
    add_executor(found, "share the seeds")
    return found


def run(arguments: Sequence[str]) -> int:
    """Certify random networks; print each new finding as it comes, and the table of counts."""
    asked = parser().parse_args(arguments)
    known = [*map(str, columns([*TABLE]))]
    if wrong := [name for name in asked.columns if name not in known]:
        return refuse(f"no column {wrong[0]}; there are {', '.join(known)}")
    rows = []
    try:
        with executor_of(asked) as executor:
            for row, texts in campaigns(asked.columns, asked.seeds, asked.networks, executor):
                rows.append(row)
                print(*texts, sep="\n\n", end="\n" * bool(texts), flush=True)
    except (AdapterError, FixtureError, OSError, BrokenExecutor) as error:
        return refuse(error)
    print(to_text(rows))
    if idle := [row.column for row in rows if not row.links]:
        return refuse(
            f"{idle[0]} certifies nothing: all of these networks are declared unsupported"
        )
    return 1 if any(row.new for row in rows) else 0
