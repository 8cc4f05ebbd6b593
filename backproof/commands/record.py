"""`backproof record`: one pass of a framework over a case becomes the files of a trace."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.commands.endings import refuse
from backproof.running.record import recorded
from backproof.traces.files import TraceError
from backproof.traces.writing import write


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    found = argparse.ArgumentParser(
        prog="backproof record",
        description="Record one pass over a case, with probes and without.",
        epilog="exit status: 0, or 2 if nothing is recorded",
    )
    found.add_argument("implementation", help="a framework, a variant of one, or your own adapter")
    found.add_argument(
        "case", help="a case of `verify`, a network or an op, such as article, gpt or conv/ordinary"
    )
    found.add_argument("trace", type=Path, help="a new or empty folder, or a new archive: a.zip")
    found.add_argument("--precision", default="float32", help="%(default)s by default")
    found.add_argument("--seed", type=int, default=0, help="of the numbers (default: %(default)s)")
    own = found.add_mutually_exclusive_group()
    own.add_argument("--adapter", type=Path, metavar="FILE", help="the file of your own adapter")
    own.add_argument(
        "--adapter-command",
        type=_words,
        dest="adapter",
        metavar="COMMAND",
        help="the command of your own adapter",
    )
    return found


def run(arguments: Sequence[str]) -> int:
    """Record one pass of an implementation."""
    asked = parser().parse_args(arguments)
    of_pass = (asked.implementation, asked.case, asked.precision, asked.seed, asked.adapter)
    try:
        write(recorded(*of_pass), asked.trace)
    except (AdapterError, TraceError, Unsupported, ValueError) as error:
        return refuse(error)
    return 0


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a command. Raises ArgumentTypeError."""
    words = (*shlex.split(text),)
    if not words or not which(words[0]):
        raise argparse.ArgumentTypeError(f"there is no program {text!r}")
    return words
