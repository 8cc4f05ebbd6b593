"""The command `backproof`: each of its commands is a file of `commands`, loaded when it is run."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import backproof

COMMANDS = {
    "verify": "verify frameworks, or your own adapter",
    "campaign": "certify random networks of many seeds, here or on a cluster",
    "record": "record one pass of a framework as the files of a trace",
    "certify": "certify a recorded trace, from its files alone",
    "audit": "audit every figure that a worked example prints",
    "findings": "print what releases get wrong, in Markdown",
    "ops": "list the ops that adapters name, in Markdown",
    "new-adapter": "write the skeleton of an adapter, with every op",
    "report": "make a page, a matrix or one report of JSON reports",
    "compare": "show what changed from one JSON report to another",
}
"""Name -> what it does."""


def main() -> None:
    """Run the command line, and exit with its status."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit status. Raises SystemExit, as argparse does."""
    root = argparse.ArgumentParser(prog="backproof", description="Are these gradients right?")
    root.add_argument("--version", action="version", version=f"backproof {backproof.__version__}")
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for name, does in COMMANDS.items():
        commands.add_parser(name, help=does, add_help=False)
    root.parse_args(arguments[:1])
    module = import_module(f"backproof.commands.{arguments[0].replace('-', '_')}")
    status: int = module.run(arguments[1:])
    return status
