"""A bar for long runs: how far the run is, what is being certified, the time left.

It stands in pytest's last line in place of the dots, and is redrawn in pytest's own hooks, where
no output is captured. It is shown only on a terminal, and neither in CI nor with -q or -v.
"""

import os
import shutil
import sys
import time
from collections.abc import Generator
from typing import Any

import pytest

WIDTH = 20
CLEAR = "\r\x1b[K"
SECONDS = 0.1
"""The least time between two drawings."""


def wanted(config: pytest.Config) -> bool:
    """Return whether someone watches this run at a terminal."""
    worker = hasattr(config, "workerinput")
    return (
        not worker
        and "CI" not in os.environ
        and sys.stderr.isatty()
        and sys.stdout.isatty()
        and config.get_verbosity() == 0
        and not config.option.collectonly
    )


class Progress:
    """A plugin of pytest that draws the bar."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        self.done = self.total = self.red = 0
        self.start = self.drawn = time.monotonic()
        self.terminal: Any = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Replace the dots."""
        self.terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        self.terminal.showfspath = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn how many tests there are; with pytest-xdist, the workers report it."""
        self.total, self.start = len(session.items), time.monotonic()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn from a worker how many tests there are."""
        self.total, self.start = len(ids), time.monotonic()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, Any, Any]:
        """Print no letter; the words of the summary stay."""
        status = yield
        return (status[0], "", status[2]) if status else status

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say what is being certified."""
        self.draw(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the test, and whether it failed."""
        self.red += report.failed
        if report.when == "teardown":
            self.done += 1
            self.draw(report.nodeid, last=self.done == self.total)

    def draw(self, nodeid: str, *, last: bool = False) -> None:
        """Draw the bar, at most once in SECONDS; after the last test, remove it."""
        now = time.monotonic()
        if last:
            sys.stderr.write(CLEAR)
        elif now - self.drawn >= SECONDS:
            self.drawn = now
            columns = shutil.get_terminal_size().columns - 1
            sys.stderr.write(CLEAR + self.line(now - self.start, nodeid)[:columns])
        sys.stderr.flush()

    def line(self, elapsed: float, nodeid: str) -> str:
        """Return the bar as text, `elapsed` seconds after the start."""
        share = self.done / self.total if self.total else 0.0
        filled = round(share * WIDTH)
        left = _minutes(elapsed / share - elapsed) if share else "-:--"
        red = f", {self.red} red" if self.red else ""
        bar = "━" * filled + "╌" * (WIDTH - filled)
        return f"{bar} {self.done:,}/{self.total:,}{red}, {left} left  {nodeid.rpartition('::')[2]}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
