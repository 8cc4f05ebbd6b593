"""How a run begins and ends, as a plugin of pytest: nothing that it found is lost.

The tables are printed first, then the reports are written, each for itself. A run that is
interrupted, or told to end, prints what it has.
"""

import signal
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from backproof.reference.files import UNWRITTEN, FileError, write
from backproof.report.document import to_json
from backproof.report.markdown import markdown
from backproof.running.options import ABOVE_ZERO, REPORTS

DOCUMENT = pytest.StashKey[Mapping[str, Any]]()
"""The document of the run, from when its tables are printed."""


def page(document: Mapping[str, Any]) -> str:
    """Return the page of a document."""
    from backproof.report import page as pages  # noqa: PLC0415 jinja2, for the page alone

    return pages.page(document)


WRITERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "--report-json": to_json,
    "--report-md": markdown,
    "--report": page,
}
"""Option -> what makes the text of its report."""


def check(config: pytest.Config) -> None:
    """Raise UsageError where a number is out of range, or a report has no place to be written."""
    for option in ABOVE_ZERO:
        number = config.getoption(option)
        if number is not None and not number > 0:  # nor NaN
            raise pytest.UsageError(f"{option}: {number:g} is not above zero")
    if (seed := config.getoption("--seed")) < 0:
        raise pytest.UsageError(f"--seed: {seed} is below zero")
    for option in REPORTS:
        if path := config.getoption(option):
            try:
                check_place(Path(path))
            except FileError as error:
                raise pytest.UsageError(f"{option}: {error}") from None


def check_place(path: Path) -> None:
    """Raise FileError where no file can be written."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise FileError(f"no folder {folder}; create it")
    if path.is_dir():
        raise FileError(f"{path} is a folder; name a file")


def pytest_sessionstart() -> None:
    """Let SIGTERM interrupt the run as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Refuse -k and -m that select nothing; workers of xdist leave that to their controller."""
    nothing = not items and not session.testsfailed
    if nothing and not hasattr(session.config, "workerinput") and (asked := selection(session)):
        raise pytest.UsageError(asked)


def selection(session: pytest.Session) -> str:
    """Return that -k and -m select nothing, in words; empty where neither is given."""
    asked = {flag: session.config.getoption(flag) for flag in ("-k", "-m")}
    given = " ".join(f"{flag} {text!r}" for flag, text in asked.items() if text)
    return f"{given}: selects none of the tests" * bool(given)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, Any, Any]:
    """Write the reports after the tables; what cannot be written is one line, and the status."""
    result = yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or DOCUMENT not in session.config.stash:
        return result
    if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        if asked := selection(session):  # with xdist
            terminal.write_line(f"ERROR: {asked}", red=True)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
    elif session.exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR):
        terminal.write_line("This run is not complete: it ended before its last test.", red=True)
    for option, made in WRITERS.items():
        if path := session.config.getoption(option):
            try:
                write(Path(path), made(session.config.stash[DOCUMENT]))
            except FileError as error:
                terminal.write_line(f"{option}: {error}", red=True)
                if session.exitstatus == pytest.ExitCode.OK:
                    session.exitstatus = UNWRITTEN
    return result
