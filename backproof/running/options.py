"""The options that `backproof verify` adds to pytest's own."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backproof import adapters
from backproof.adapters.frameworks import is_installed

REFERENCE = "reference"
"""The name of the hand-written reference among the implementations."""

TIME_LIMIT = 120.0
"""Seconds: the default of --time-limit."""

Settings = dict[str, Any]


def _settings(metavar: str, text: str, **others: Any) -> Settings:
    """Return the settings of an option that takes a value."""
    return {"metavar": metavar, "help": text, **others}


def _by_default() -> list[str]:
    """Return the frameworks that are verified where none is named."""
    return [*filter(is_installed, adapters.DEFAULT)] or [*filter(is_installed, adapters.TABLE)]


REPORTS = {
    "--report": _settings("FILE", "write the report as one HTML file that needs no other file"),
    "--report-md": _settings("FILE", "write a short Markdown report, for a GitHub step summary"),
    "--report-json": _settings(
        "FILE", "write the report as JSON; `backproof compare` compares two of them"
    ),
}
OPTIONS: dict[str, Settings] = {
    "--frameworks": _settings(
        "NAMES",
        "frameworks to verify, separated by commas (default: %(default)s); "
        f"known: {', '.join(adapters.TABLE)}; {REFERENCE} is always verified",
        default=",".join(_by_default()) or REFERENCE,
    ),
    "--adapter": _settings(
        "FILE",
        "your own adapter, a Python file that defines `adapter`; can be repeated",
        action="append",
        default=[],
    ),
    "--adapter-command": _settings(
        "COMMAND",
        "your own adapter in any language: a command that is sent folders "
        "(docs/trace-files.md); can be repeated",
        action="append",
        default=[],
    ),
    "--time-limit": _settings(
        "SECONDS",
        "how long a call of your own adapter may take (default: %(default)g)",
        type=float,
        default=TIME_LIMIT,
    ),
    "--seeds": _settings(
        "N",
        "how many seeds of each network and op to certify (default: %(default)s)",
        type=int,
        default=1,
    ),
    "--examples": _settings(
        "N",
        "how many random networks to certify in each framework; in compiled ones, a fraction of "
        "that (default: %(default)s)",
        type=int,
        default=100,
    ),
    "--seed": _settings(
        "N",
        "the seed that random networks are drawn from (default: %(default)s)",
        type=int,
        default=0,
    ),
    "--campaign": _settings(
        "SECONDS",
        "certify everything, and random networks for this long, in each framework on each xdist "
        "worker; keep the findings in fixtures/campaign/",
        type=float,
    ),
    "--all": {
        "action": "store_true",
        "help": "certify everything, which takes minutes: without it, a run that names no tests, "
        "nor selects them by -k or -m, is short",
    },
    "--large": {
        "action": "store_true",
        "help": "certify everything, larger networks too, and all of them in more precisions: this "
        "takes long, and a few GiB of memory",
    },
    **REPORTS,
}
"""Flag -> its settings for argparse and pytest."""

ABOVE_ZERO = ("--time-limit", "--seeds", "--examples", "--campaign")
"""Options whose value must be above zero: of nothing, nothing would be wrong."""


def is_short(config: Any) -> bool:
    """Return whether a run is the short one: nobody named a test, or asked for all or for more.

    config: pytest's.
    """
    given = ("--all", "--large", "--campaign", "-k", "-m")
    named = any(one.partition("::")[0].endswith(".py") for one in config.args)
    return not named and not any(map(config.getoption, given))


def reproduce(path: Path, test: str, option: Callable[[str], Any]) -> str:
    """Return the command that runs one test again, from the folder where it was run.

    path: the test's file. test: its name, with its parameters. option: flag -> its value.
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
