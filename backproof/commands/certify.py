"""`backproof certify`: a recorded trace is certified, from its files alone."""

import argparse
import re
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path

from backproof.commands.endings import refuse, written
from backproof.commands.processes import add_executor, executor_of
from backproof.programs.from_file import TraceError, certify_trace
from backproof.programs.memory import hold_to


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(
        prog="backproof certify",
        description="Certify a recorded trace, link by link, from its files alone.",
        epilog="exit status: 0 if it holds, 1 if it does not, 2 if the files are not a trace or "
        "the memory does not suffice, 6 if a report cannot be written",
    )
    found.add_argument("trace", type=Path, help="the folder of program.json, or the archive")
    add_executor(found, "judge the links")
    found.add_argument(
        "--memory", type=_bytes, metavar="SIZE", help="what each process may use: 500M, 2G"
    )
    found.add_argument(
        "--report", type=Path, metavar="FILE", help="write a page: a table of all links"
    )
    found.add_argument("--json", type=Path, metavar="FILE", help="write all of it as JSON")
    return found


def run(arguments: Sequence[str]) -> int:
    """Print the certificate of a recorded trace, and write its reports."""
    asked = parser().parse_args(arguments)
    try:
        with executor_of(asked, asked.memory) as executor:
            hold_to(asked.memory)
            certificate = certify_trace(asked.trace, executor=executor, memory=asked.memory)
    except MemoryError as error:
        return refuse(f"{asked.trace}: {error}")
    except (TraceError, OSError, BrokenExecutor) as error:
        return refuse(error)
    print(certificate)
    status = 0 if certificate.holds else 1
    for path, text in ((asked.report, certificate.to_html), (asked.json, certificate.to_json)):
        if path:
            status = written(path, text()) or status
    return status


def _bytes(text: str) -> int:
    """Return a number of bytes: "500M" is 500 million. Raises ArgumentTypeError."""
    found = re.fullmatch(r"([1-9]\d*)([KMG])B?", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 500M or 2G")
    return int(found[1]) * 1000 ** (1 + "KMG".index(found[2]))
