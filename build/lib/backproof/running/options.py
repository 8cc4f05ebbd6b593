"""The options that `backproof verify` adds to pytest's own."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backproof import adapters

REFERENCE = "reference"
"""The name of the hand-written reference among the implementations."""

TIME_LIMIT = 120.0
"""Seconds: the default of --time-limit."""

REPORTS: dict[str, dict[str, Any]] = {
    "--report": {
        "metavar": "FILE",
        "help": "write the report as a page: one HTML file that needs nothing else",
    },
    "--report-md": {
        "metavar": "FILE",
        "help": "write the report in short as Markdown: for a GitHub step summary",
    },
    "--report-json": {
        "metavar": "FILE",
        "help": "write the report as JSON; `backproof compare` reads two of them",
    },
}

OPTIONS: dict[str, dict[str, Any]] = {
    "--frameworks": {
        "default": ",".join(adapters.TABLE),
        "metavar": "NAMES",
        "help": "frameworks to verify, separated by commas (default: %(default)s); "
        f"known: {', '.join(adapters.TABLE)}; {REFERENCE} is always verified",
    },
    "--adapter": {
        "action": "append",
        "default": [],
        "metavar": "FILE",
        "help": "your own adapter, a Python file that defines `adapter`; can be repeated",
    },
    "--time-limit": {
        "type": float,
        "default": TIME_LIMIT,
        "metavar": "SECONDS",
        "help": "how long any one call of your own adapter may take (default: %(default)g)",
    },
    "--seeds": {
        "type": int,
        "default": 1,
        "metavar": "N",
        "help": "how many seeds of each network to certify (default: %(default)s)",
    },
    "--examples": {
        "type": int,
        "default": 100,
        "metavar": "N",
        "help": "how many random networks to certify of each framework; of compiled ones, "
        "a share of that number (default: %(default)s)",
    },
    "--seed": {
        "type": int,
        "default": 0,
        "metavar": "N",
        "help": "the seed that random networks are drawn from (default: %(default)s)",
    },
    "--campaign": {
        "type": float,
        "metavar": "SECONDS",
        "help": "certify random networks for so long, in each framework on each xdist worker, and "
        "keep what is found in fixtures/campaign/",
    },
    "--large": {
        "action": "store_true",
        "help": "certify larger networks too, and the others in more precisions: this takes "
        "minutes, and a few GiB of memory",
    },
    **REPORTS,
}
"""Flag -> what argparse and pytest are told of it."""


def reproduce(path: Path, test: str, option: Callable[[str], Any]) -> str:
    """Return the command that runs one test again, from the folder where it was run.

    path: of the test's file. test: its name, with its parameters. option: flag -> what was given.
    """
    words = ["backproof", "verify"]
    for flag, settings in OPTIONS.items():
        given = option(flag)
        if flag in (*REPORTS, "--campaign") or given == settings.get("default", False):
            continue
        if settings.get("action") == "store_true":
            words.append(flag)
        else:
            for value in given if isinstance(given, list) else [given]:
                words += [flag, str(value)]
    return shlex.join([*words, f"{path.name}::{test}"])
