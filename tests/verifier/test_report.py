"""The report as data, as a page and in short: with one framework, with all, with everything red."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from backproof.reference.article.audit import audit
from backproof.reference.article.figures import load
from backproof.reference.fixtures import FIXTURES
from backproof.report.cells import Cell
from backproof.report.document import ReportError, headline, read, to_json
from backproof.report.markdown import markdown
from backproof.report.page import page
from tests.verifier import sample
from tests.verifier.sandbox import Sandbox

SCHEMA = json.loads((FIXTURES / "report.schema.json").read_text(encoding="utf-8"))
VALID = Draft202012Validator(SCHEMA)
HEAD = "backproof/report.schema.json"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A report as it is read from a file."""
    found: dict[str, Any] = json.loads(to_json(sample.report()))
    return found


def test_a_run_writes_all_three(tmp_path: Path) -> None:
    """A real run's JSON is as the schema says; its page and its summary say its verdict."""
    sandbox = Sandbox(tmp_path / "suite")
    html, md = tmp_path / "report.html", tmp_path / "report.md"
    few = ["-k", "net_h1 or test_figure", "--frameworks", "torch"]
    outcome = sandbox.run(*few, "--report", html, "--report-md", md)
    found = read(sandbox.folder / "report.json")
    versions = {cell["adapter"]: cell["version"] for cell in found["cells"]}

    assert outcome.status == 0
    assert list(VALID.iter_errors(found)) == []
    assert found["verdict"] == "green"
    assert found["versions"]["torch"] == versions["torch"]
    assert found["command"].startswith("backproof verify -q ")
    assert f"<title>{headline(found)}" in html.read_text(encoding="utf-8")
    assert md.read_text(encoding="utf-8").startswith(f"# {headline(found)}\n")


def test_samples_are_valid(report: dict[str, Any]) -> None:
    """What the other tests show of is a report."""
    VALID.validate(report)
    VALID.validate(json.loads(to_json(sample.report(verdict="refuted"))))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"verdict": "fine"},
        {"more": 1},
        {"cells": [{}]},
        {"counts": {"agrees": -1, "known": 0, "refuted": 0, "unsupported": 0}},
        {"seeds": ["0"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_schema_refuses(report: dict[str, Any], change: dict[str, Any]) -> None:
    """Another version, an unknown verdict, a key too many, an empty cell, and so on."""
    with pytest.raises(ValidationError):
        VALID.validate({**report, **change})


@pytest.mark.parametrize(
    "link",
    [["net", "fine", 0.5, 1, "1"], ["net", "inside", -1, 1, "1"], ["net", "inside", 0.5, 1]],
    ids=["verdict", "share", "short"],
)
def test_the_schema_refuses_a_link(report: dict[str, Any], link: list[Any]) -> None:
    """A link of an unknown verdict, of a negative share, without its worst entry."""
    cell = {**report["cells"][0], "chain": [link]}
    with pytest.raises(ValidationError):
        VALID.validate({**report, "cells": [cell]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", f"not a report: expected schema '{HEAD}'"),
        ({"schema": HEAD, "version": 0}, "a report of version 0; this reads version 1"),
        ({"schema": HEAD, "version": 1}, "lacks cells, command, "),
        ({"cells": [{"network": "n"}]}, "cell 1: expected exactly adapter, "),
        ({"verdict of a cell": "fine"}, "cell 1: unknown verdict 'fine'"),
    ],
    ids=["json", "bare", "version", "keys", "cell", "verdict"],
)
def test_a_file_that_is_no_report(
    tmp_path: Path, report: dict[str, Any], content: Any, message: str
) -> None:
    """One error names the file and what is wrong with it."""
    if isinstance(content, dict) and "schema" not in content:
        cells = [{**report["cells"][0], "verdict": content.get("verdict of a cell", "agrees")}]
        content = {**report, "cells": content.get("cells", cells)}
    path = tmp_path / "report.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(ReportError, match=re.escape(f"{path}: {message}")):
        read(path)


def test_read_gives_what_was_written(tmp_path: Path, report: dict[str, Any]) -> None:
    """Nothing is lost on the way."""
    path = tmp_path / "report.json"
    path.write_text(to_json(report), encoding="utf-8")

    assert read(path) == report


CELL = next(sample.certified(["torch"], "agrees"))
KNOWN, RED, NONE = (replace(CELL, verdict=v) for v in ("known", "refuted", "unsupported"))


@pytest.mark.parametrize(
    ("cells", "given", "verdict", "first"),
    [
        ([CELL], {}, "green", "✓ Nothing refuted: 1 of 1 cells agree"),
        ([KNOWN], {}, "green", "✓ Nothing refuted: 0 of 1 cells agree, 1 known"),
        ([CELL, RED], {}, "red", "✗ Red: 1 of 2 cells refuted (torch 1)"),
        ([CELL], {"failed": ["a", "b"]}, "red", "✗ Red: 2 other tests failed"),
        ([CELL], {"complete": False}, "incomplete", "… Not finished: 1 of 1 cells agree"),
        ([], {}, "empty", "… Nothing was verified: 0 of 0 cells agree"),
        ([NONE], {}, "empty", "… Nothing was verified: 0 of 1 cells agree, 1 unsupported"),
    ],
    ids=["green", "known", "red", "failed", "incomplete", "empty", "unsupported"],
)  # fmt: skip
def test_the_verdict(cells: list[Cell], given: dict[str, Any], verdict: str, first: str) -> None:
    """One red cell, or one failed test, makes it red; nothing verified is not green."""
    found = sample.of(cells, **given)

    assert verdict == found["verdict"]
    assert first == headline(found)


@pytest.mark.parametrize("names", [["torch"], ["reference", "torch", "jax"]], ids=["one", "all"])
def test_the_page_has_all_parts(names: list[str]) -> None:
    """Every figure in its place, errata with their corrections, all columns, the loss, the run."""
    report = sample.report(names)
    html = page(report)
    article = load()
    places = [html.index(f'id="f-{figure.id}"') for figure in article.figures]

    assert places == sorted(places)
    assert html.count("<ins>") == sum(f.corrected is not None for f in audit(article))
    for finding in audit(article):
        assert not finding.origin or f'<a href="#f-{finding.origin}">' in html
    assert all(f'colspan="2">{name}</th>' in html for name in names)
    assert html.count("<svg") == 1 + len(sample.SMALL) + 1  # units, networks, loss
    assert "0.00001844414236791440" in html
    assert report["command"] in html


def test_the_page_needs_nothing_else() -> None:
    """No address but names of XML, no script, style, font or picture from elsewhere."""
    html = page(sample.report(verdict="refuted"))

    assert set(re.findall(r"https?://[^\"' ]+", html)) <= {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    assert re.findall(r"<(?:script|img|iframe|source)[^>]* src=|@import|url\((?!#)", html) == []
    assert re.findall(r"<link [^>]*>", html) == ['<link rel="icon" href="data:,">']


def test_the_page_is_the_same_each_time() -> None:
    """The same report gives the same bytes."""
    assert page(sample.report()) == page(sample.report())


def test_in_short() -> None:
    """The summary counts by implementation, shows what is red, and says how it was run."""
    findings = audit(load())
    green, red = sample.report(), sample.report(verdict="refuted")
    jax = sum(cell["adapter"] == "jax" for cell in green["cells"])

    assert f"| jax | {jax} | 0 | 0 | 0 |" in markdown(green, findings)
    assert f"| jax | 0 | 0 | {jax} | 0 |" in markdown(red, findings)
    assert "<details open><summary>New findings" in markdown(red, findings)
    assert "New findings" not in markdown(green, findings)
    assert f"`{green['command']}`, seeds [0]" in markdown(green, findings)
