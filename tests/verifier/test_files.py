"""Files: what is corrupt gets one line that names file and place; what is written is whole."""

import json
import os
import signal
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backproof.campaign import saved_graphs
from backproof.command import run
from backproof.reference import findings
from backproof.reference.article import audit, figures, golden
from backproof.reference.files import UNWRITTEN, FileError, UnwrittenError, write
from backproof.reference.fixtures import FIXTURES
from backproof.report import document
from backproof.report.compare import compare, said
from backproof.report.document import to_json
from backproof.report.markdown import markdown
from backproof.report.page import page
from tests.verifier import sample
from tests.verifier.sandbox import Sandbox


@cache
def right() -> dict[str, Any]:
    """Return a small report, of which all cells have one kind of verdict."""
    found: dict[str, Any] = json.loads(to_json(sample.report(("reference", "torch"), "refuted")))
    kept = found["cells"][::40] + found["cells"][-3:]
    return {**found, "cells": [{**cell, "chain": cell["chain"][:3]} for cell in kept]}


def shown(path: Path) -> None:
    """Read a report, and make all of its readers read it."""
    for made in (page, markdown, lambda report: said(report, right(), compare(report, right()))):
        assert document.shown(path, made)


@cache
def article() -> figures.Article:
    """Return the first worked example."""
    return figures.load()


def graph() -> Path:
    """Return the file of a finding of a campaign."""
    return next((FIXTURES / "campaign").glob("*.json"))


KINDS: dict[str, tuple[Callable[[], str], Callable[[Path], Any]]] = {
    "article": (
        lambda: (figures.FOLDER / "article.toml").read_text(encoding="utf-8"),
        figures.load,
    ),
    "mazur": (lambda: (figures.FOLDER / "mazur.toml").read_text(encoding="utf-8"), figures.load),
    "findings": (
        lambda: (FIXTURES / "findings.toml").read_text(encoding="utf-8"),
        lambda path: (findings.load(path), findings.load_underflows(path)),
    ),
    "golden": (
        lambda: golden.file(article()).read_text(encoding="utf-8"),
        lambda path: golden.read(article(), path),
    ),
    "audit": (lambda: audit.file("article").read_text(encoding="utf-8"), audit.recorded),
    "campaign": (lambda: graph().read_text(encoding="utf-8"), saved_graphs.load),
    "report": (lambda: json.dumps(right()), shown),
}
"""Kind of file -> the text of a right one, and what reads it."""

STRANGE = [
    None, True, 0, -1, 1, 1e308, 10**30, "", "\ud800", "nan", "9" * 200, "x\ny", [], [[]], {},
    {"": None}, [None], ["x"], json.loads("[" * 400 + "]" * 400),
]  # fmt: skip
"""What a place of a file may hold by mistake."""


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of a content, each by its keys."""
    if not isinstance(content, dict | list):
        return [path]
    keys = content if isinstance(content, dict) else range(len(content))
    return [path, *(place for key in keys for place in places(content[key], (*path, key)))]


def changed(content: Any, place: tuple[Any, ...], how: str, strange: Any) -> Any:
    """Return a content with one place changed: replaced, left out, or misspelled."""
    if not place:
        return strange
    key, *rest = place
    copy = dict(content) if isinstance(content, dict) else list(content)
    if rest or how == "replaced":
        copy[key] = changed(content[key], tuple(rest), how, strange)
    elif how == "misspelled" and isinstance(copy, dict):
        copy[f"{key}x"] = copy.pop(key)
    else:
        del copy[key]
    return copy


def is_told(path: Path, load: Callable[[Path], Any]) -> bool:
    """Return whether a file is refused, in one line that names it; False where it is read."""
    try:
        load(path)
    except FileError as error:
        text = str(error)
        assert text.startswith(str(path)), text
        assert "\n" not in text
        assert text.isprintable()
        assert len(text) < 600
        return True
    return False


QUIET = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
@QUIET
@given(data=st.data())
def test_a_place_that_is_wrong(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    """One place of a file is replaced, left out or misspelled: it is read, or refused in a line."""
    made, load = KINDS[kind]
    text = made()
    content = tomllib.loads(text) if text[0] == "#" else json.loads(text)
    place = data.draw(st.sampled_from(places(content)))
    how = data.draw(st.sampled_from(["replaced", "left out", "misspelled"]))
    wrong = changed(content, place, how, data.draw(st.sampled_from(STRANGE)))
    path = tmp_path / "file.json"
    path.write_text(json.dumps(wrong), encoding="utf-8")

    is_told(path, load)


def test_a_message_quotes_little_of_a_file(tmp_path: Path) -> None:
    """A header may hold anything by mistake: it is refused in one line that is not long."""
    made, load = KINDS["golden"]
    wrong = changed(json.loads(made()), ("header", "bits"), "replaced", STRANGE[-1])
    (tmp_path / "file.json").write_text(json.dumps(wrong), encoding="utf-8")

    assert is_told(tmp_path / "file.json", load)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", KINDS)
@QUIET
@given(data=st.data())
def test_bytes_that_are_wrong(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    """Some bytes of a file are others, or its end is missing: it is read, or refused in a line."""
    made, load = KINDS[kind]
    right_bytes = made().encode()
    start = data.draw(st.integers(0, len(right_bytes)))
    end = data.draw(st.sampled_from([start, start + 1, start + 50, len(right_bytes)]))
    new = data.draw(st.binary(max_size=3))
    path = tmp_path / ("file.json" if right_bytes[:1] == b"{" else "file.toml")
    path.write_bytes(right_bytes[:start] + new + right_bytes[end:])

    is_told(path, load)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_file(kind: str, tmp_path: Path) -> None:
    """A folder, a file that is not there, bad bytes and deep nesting are refused in a line."""
    _, load = KINDS[kind]
    bad = tmp_path / "bad.json"
    bad.write_bytes(b'{"a": "\xff"}')
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000, encoding="utf-8")
    table = tmp_path / "deep.toml"
    table.write_text("a = " + "[" * 100_000, encoding="utf-8")

    for path in (tmp_path, tmp_path / "none.json", bad, deep, table):
        assert is_told(path, load)


def test_a_file_is_written_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing fails, what was there before is there still, and nothing else is."""
    path = tmp_path / "report.json"
    path.write_text("before", encoding="utf-8")
    path.chmod(0o640)
    write(path, "after \ud800")
    assert path.read_text(encoding="utf-8") == "after \\ud800"
    assert path.stat().st_mode & 0o777 == 0o640

    def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(UnwrittenError, match=r"report\.json: cannot be written: No space left"):
        write(path, "later")
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text(encoding="utf-8") == "after \\ud800"


def test_a_link_stays_one(tmp_path: Path) -> None:
    """The file that a link leads to is written."""
    (tmp_path / "there").write_text("before", encoding="utf-8")
    link = tmp_path / "link"
    link.symlink_to("there")
    write(link, "after")

    assert link.is_symlink()
    assert (tmp_path / "there").read_text(encoding="utf-8") == "after"


@pytest.mark.parametrize("place", ["/dev/full", ".", "none/page.html", "file/page.html"])
def test_a_command_whose_report_cannot_be_written(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one line, and an exit status of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    report = tmp_path / "report.json"
    report.write_text(json.dumps(right()), encoding="utf-8")

    assert run(["report", "html", str(report), place]) == UNWRITTEN
    assert run(["audit", "micrograd", "--golden", place]) == UNWRITTEN
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(e.startswith(f"backproof: {place}: cannot be written: ") for e in errors)


def test_the_other_reports_are_still_written(tmp_path: Path) -> None:
    """A run prints its tables, then says which report is not written, and writes the others."""
    sandbox = Sandbox(tmp_path / "suite")
    md = tmp_path / "report.md"
    few = ["--frameworks", "reference", "-k", "in_ball and net_h1"]
    outcome = sandbox.run(*few, "--report", "/dev/full", "--report-md", md)

    assert outcome.status == UNWRITTEN
    assert len(outcome.cells) == 8
    assert "node values" in outcome.text
    assert outcome.text.rstrip().endswith(
        "--report: /dev/full: cannot be written: No space left on device"
    )
    assert md.read_text(encoding="utf-8").startswith("# ")


STOPPED = """
import os
import signal

def test_stop():
    if signal.{name} == signal.SIGINT:  # what runs in the background ignores it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), signal.{name})
    signal.pause()
"""


@pytest.mark.parametrize("name", [signal.SIGINT.name, signal.SIGTERM.name])
def test_a_run_that_is_interrupted(tmp_path: Path, name: str) -> None:
    """It prints and writes what it has, and says that this is not all."""
    sandbox = Sandbox(tmp_path)
    sandbox.write("tests/verification/test_before.py", STOPPED.format(name=name))
    outcome = sandbox.run("test_article.py", "test_before.py", "--frameworks", "reference")

    assert outcome.status == pytest.ExitCode.INTERRUPTED
    assert "node values" in outcome.text
    assert "This run is not complete" in outcome.text
    assert json.loads((sandbox.folder / "report.json").read_text())["verdict"] == "incomplete"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0"], "--seeds: 0 is not above zero"),
        (["--time-limit", "-5"], "--time-limit: -5 is not above zero"),
        (["--examples", "-3"], "--examples: -3 is not above zero"),
        (["--campaign", "-1"], "--campaign: -1 is not above zero"),
        (["--seed", "-1"], "--seed: -1 is below zero"),
        (["--report", "."], "--report: . is a folder; name a file"),
        (["--report-json", "none/report.json"], "--report-json: no folder "),
        (["-k", "nothing"], "-k 'nothing': selects none of the tests"),
    ],
    ids=lambda x: x[0] if isinstance(x, list) else "",
)
def test_options_that_are_refused(
    options: list[str],
    message: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: Any,
    tmp_path: Path,
) -> None:
    """An option out of range, and a selection of nothing, end the run before it begins."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    status = run(["verify", "test_article.py", "--frameworks", "reference", *options])
    signal.signal(signal.SIGTERM, before)

    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}" in "".join(capfd.readouterr())


def test_another_mistake_is_said_first(capfd: pytest.CaptureFixture[str]) -> None:
    """Where a named test is not there, that is what is said, whatever -k selects."""
    assert (
        run(["verify", "test_article.py::test_none", "-k", "x", "--frameworks", "reference"]) == 4
    )
    assert "ERROR: not found: " in "".join(capfd.readouterr())


def test_a_corrupt_finding_of_a_campaign_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A finding that is kept in the working directory is read before the first test."""
    monkeypatch.chdir(tmp_path)
    path = saved_graphs.FOLDER / "torch-mine.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"column": 1}', encoding="utf-8")

    assert run(["verify", "test_article.py", "--frameworks", "reference"]) == 4
    assert f"ERROR: {path}: 'version' is a required property" in "".join(capfd.readouterr())


def test_the_columns_of_the_schema() -> None:
    """The schema of findings names the columns that there are."""
    from backproof.adapters import TABLE  # noqa: PLC0415 for this test alone

    schema = json.loads((FIXTURES / "findings.schema.json").read_text(encoding="utf-8"))
    columns = {"reference", *TABLE} | {
        f"{name}.{one}"
        for name, of in TABLE.items()
        for one in (*of.variants, *of.methods, *of.libraries)
    }

    assert set(schema["$defs"]["column"]["enum"]) == columns


def test_the_temporary_file_has_the_umask(tmp_path: Path) -> None:
    """A new file has the permissions that other programs give it."""
    before = os.umask(0o027)
    try:
        write(tmp_path / "new", "")
    finally:
        os.umask(before)

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
