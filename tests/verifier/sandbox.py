"""A copy of the package in a folder of its own, to be broken and run there as its users run it."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PLACES = {
    "backproof": "backproof",
    "adapters": "backproof/adapters",
    "fixtures": "backproof/fixtures",
    "reference": "backproof/reference",
    "tests/verification": "backproof/verification",
}
"""Folder of a clone -> where it is when it is installed."""

LONG = ["test_trajectory", "test_after_thousands_of_updates", "test_loss_falls_towards_zero"]
"""Tests of the reference alone that take seconds: nothing that is broken here can affect them."""

KEPT = ["test_article.py", "test_figures.py", "test_golden.py"]
"""The tests of the article; the certificates of other networks are large and tested elsewhere."""

COMPLEX_STEP = ROOT / "tests" / "verifier" / "complex_step.py"
"""A right adapter that needs no framework."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run of pytest.

    status: its exit status. text: all that it printed. red: the ids of the tests that failed,
    without the file and the prefix test_. cells: the cells that --report-json wrote.
    """

    status: int
    text: str
    red: list[str]
    cells: list[dict[str, Any]]


class Sandbox:
    """A copy of the package under `folder`, laid out as it is installed."""

    def __init__(self, folder: Path) -> None:
        """Copy the package."""
        self.folder = folder
        for part in PLACES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, self.path(part), ignore=ignored)
        for test in self.path("tests/verification").glob("test_*.py"):
            if test.name not in KEPT:
                test.unlink()

    def path(self, file: str) -> Path:
        """Return where a clone's file or folder is here; other paths are relative to the copy."""
        for part, place in PLACES.items():
            if file == part or file.startswith(f"{part}/"):
                return self.folder / f"{place}{file.removeprefix(part)}"
        return self.folder / file

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that occurs exactly once in a file."""
        text = self.path(file).read_text(encoding="utf-8")
        assert text.count(old) == 1, (file, old, text.count(old))
        self.path(file).write_text(text.replace(old, new), encoding="utf-8")

    def write(self, file: str, text: str) -> Path:
        """Write a file."""
        path = self.path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, *arguments: str | Path, path: Path | None = None) -> Outcome:
        """Run `backproof verify` in the copy; `path` becomes PYTHONPATH."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "backproof", "verify", "-v", "--tb=short"]
        command += ["-p", "no:cacheprovider", "-k", f"not ({' or '.join(LONG)})"]
        done = subprocess.run(  # noqa: S603 our own command
            [*command, "--report-json", str(report), *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(path or "")},
            capture_output=True,
            text=True,
            check=False,
        )
        text = done.stdout + done.stderr
        red = re.findall(r"^(?:FAILED|ERROR) \S+?::(?:test_)?(\S+)", text, re.MULTILINE)
        found = json.loads(report.read_text(encoding="utf-8"))["cells"] if report.exists() else []
        return Outcome(done.returncode, text, red, found)
