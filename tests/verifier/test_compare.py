"""Two reports compared: each kind of planted change is found, and judged as worse or not."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backproof import command
from backproof.report.cells import Cell
from backproof.report.compare import KEY, WORSE, compare, said
from backproof.report.document import ReportError, to_json
from tests.verifier import sample
from tests.verifier.sandbox import ROOT

CELL = next(sample.certified(["torch"], "agrees"))
OTHER = replace(CELL, precision="float32")
RED = replace(CELL, verdict="refuted", inside=CELL.links - 1)
KNOWN = replace(RED, verdict="known")
OPEN = replace(CELL, verdict="undecided", inside=CELL.links - 2, undecided=2)
NONE = replace(CELL, verdict="unsupported")
LEFT = replace(CELL, verdict="not run", version=None)

CHANGES = {
    "nothing": (CELL, CELL, None),
    "turned red": (CELL, RED, "turned red"),
    "known turned red": (KNOWN, RED, "turned red"),
    "turned known": (CELL, KNOWN, "turned known"),
    "recorded": (RED, KNOWN, None),
    "turned undecided": (CELL, OPEN, "turned undecided"),
    "known turned undecided": (KNOWN, OPEN, "turned undecided"),
    "undecided at least": (RED, OPEN, None),
    "not even undecided": (OPEN, RED, "turned red"),
    "undecided recorded": (OPEN, KNOWN, None),
    "not run": (CELL, LEFT, "not run"),
    "run again": (LEFT, CELL, "turned green"),
    "turned green": (RED, CELL, "turned green"),
    "decided": (OPEN, CELL, "turned green"),
    "known turned green": (KNOWN, CELL, "turned green"),
    "no longer supported": (CELL, NONE, "no longer supported"),
    "now supported": (NONE, CELL, "now supported"),
    "supported but red": (NONE, RED, "turned red"),
    "lost digits": (CELL, replace(CELL, digits=15.49), "lost digits"),
    "lost all digits": (CELL, replace(CELL, digits=None), "lost digits"),
    "less than is shown": (CELL, replace(CELL, digits=15.51), None),
    "won digits": (CELL, replace(CELL, digits=15.6), "won digits"),
    "more links outside": (KNOWN, replace(KNOWN, inside=KNOWN.inside - 1), "more links outside"),
    "fewer links outside": (KNOWN, replace(KNOWN, inside=KNOWN.links), "fewer links outside"),
    "one refuted link more": (RED, replace(RED, inside=RED.inside - 1), "more links outside"),
    "more undecided": (OPEN, replace(OPEN, inside=0, undecided=OPEN.links), "more links undecided"),
    "fewer undecided": (
        replace(OPEN, inside=0, undecided=OPEN.links),
        OPEN,
        "fewer links undecided",
    ),
    "refuted no more": (RED, replace(RED, undecided=1), "more links undecided"),
    "fewer digits proven": (CELL, replace(CELL, proven=10.0), "proves fewer digits"),
    "no digits proven": (CELL, replace(CELL, proven=None), "proves fewer digits"),
    "more digits proven": (CELL, replace(CELL, proven=15.9), "proves more digits"),
    "fewer decided": (CELL, replace(CELL, decided=1), "fewer decided end to end"),
    "more decided": (replace(CELL, decided=1), CELL, "more decided end to end"),
    "worse counts more": (
        OPEN,
        replace(OPEN, inside=OPEN.links, undecided=0, digits=1.0),
        "lost digits",
    ),
    "more links": (CELL, replace(CELL, inside=CELL.inside + 1, links=CELL.links + 1), None),
    "appeared": (None, CELL, "appeared"),
    "appeared red": (None, RED, "appeared red"),
    "appeared undecided": (None, OPEN, "appeared undecided"),
    "appeared known": (None, KNOWN, "appeared known"),
    "appeared unsupported": (None, NONE, "appeared unsupported"),
    "vanished": (CELL, None, "vanished"),
    "vanished red": (RED, None, "vanished"),
}


def both(old: Cell | None, new: Cell | None) -> list[dict[str, Any]]:
    """Return the two reports; each also has a cell that stays the same."""
    return [sample.of([*([one] if one else []), OTHER]) for one in (old, new)]


@pytest.mark.parametrize(("old", "new", "kind"), CHANGES.values(), ids=CHANGES)
def test_change(old: Cell | None, new: Cell | None, kind: str | None) -> None:
    """If one cell changed, that change alone is reported."""
    key = tuple(getattr(CELL, name) for name in KEY)

    assert ({kind: [key]} if kind else {}) == compare(*both(old, new))


@pytest.mark.parametrize(("old", "new", "kind"), CHANGES.values(), ids=CHANGES)
def test_exit_status(tmp_path: Path, old: Cell | None, new: Cell | None, kind: str | None) -> None:
    """The exit status is 1 where something got worse, else 0."""
    status, text = run(tmp_path, *map(to_json, both(old, new)))

    assert int(kind in WORSE) == status
    assert (kind or "nothing changed") in text


@pytest.mark.parametrize(
    "bad", ["", "{}", '{"schema": "backproof/report.schema.json", "version": 7}']
)
def test_no_report(tmp_path: Path, bad: str) -> None:
    """The exit status is 2, with one line of output, where a file is no readable report."""
    status, text = run(tmp_path, to_json(sample.of([CELL])), bad)

    assert status == 2
    assert text.startswith(f"backproof: {tmp_path / '1.json'}")
    assert len(text.splitlines()) == 1


def test_a_test_without_a_cell(tmp_path: Path) -> None:
    """A test that fails only in the new report is worse; one that failed before is no change."""
    old, new = both(CELL, CELL)
    new["failed"] = ["tests/test_one.py::test_one"]

    assert compare(new, new) == {}
    assert compare(old, new) == {"another test fails": [("tests/test_one.py::test_one",)]}
    status, text = run(tmp_path, to_json(old), to_json(new))
    assert status == 1
    assert "another test fails (worse): 1\ntests/test_one.py::test_one" in text


def test_versions_are_told() -> None:
    """The first line names the packages whose versions changed."""
    old, new = both(CELL, CELL)
    new["versions"] = {**old["versions"], "torch": "1.1"}

    assert said(old, new, {}).startswith("versions: torch 1.0 -> 1.1\n")


def test_two_cells_of_one_key() -> None:
    """A report with two cells of the same key is refused."""
    with pytest.raises(ReportError, match="two cells are the same: networks, article, torch"):
        compare(sample.of([CELL, CELL]), sample.of([CELL]))


def run(folder: Path, *reports: str) -> tuple[int, str]:
    """Return exit status and output of the command on some reports."""
    paths = [folder / f"{n}.json" for n in range(len(reports))]
    for path, text in zip(paths, reports, strict=True):
        path.write_text(text, encoding="utf-8")
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-m", "backproof", "compare", *map(str, paths)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_page_replaces_no_report(tmp_path: Path) -> None:
    """The page of a report is not written over the report."""
    path = tmp_path / "report.json"
    path.write_text(to_json(sample.report()), encoding="utf-8")
    before = path.read_text(encoding="utf-8")

    assert command.run(["report", "html", str(path), str(path)]) == 2
    assert before == path.read_text(encoding="utf-8")
