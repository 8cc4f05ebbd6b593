"""The report as data, as a page and as a summary: of one framework, of all, with all refuted."""

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from backproof.reference.article.audit import audit
from backproof.reference.article.figures import load
from backproof.reference.fixtures import FIXTURES
from backproof.report.cells import NETWORKS, Cell
from backproof.report.document import OUTCOMES, ReportError, headline, read, to_json
from backproof.report.markdown import markdown
from backproof.report.page import page
from backproof.report.summary import sections
from backproof.report.tables import UNDECIDED, unsupported
from tests.verifier import sample
from tests.verifier.sandbox import ROOT, Sandbox

SCHEMA = json.loads((FIXTURES / "report.schema.json").read_text(encoding="utf-8"))
VALID = Draft202012Validator(SCHEMA)
HEAD = "backproof/report.schema.json"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A report as it is read from a file."""
    found: dict[str, Any] = json.loads(to_json(sample.report()))
    return found


def test_a_run_writes_all_three(tmp_path: Path) -> None:
    """A real run's JSON satisfies the schema; its page and its summary state its verdict."""
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
    assert found["command"].startswith("backproof verify -v ")
    assert f"<title>{headline(found)}" in html.read_text(encoding="utf-8")
    assert md.read_text(encoding="utf-8").startswith(f"# {headline(found)}\n")


@pytest.mark.parametrize("verdict", OUTCOMES)
def test_samples_are_valid(verdict: str) -> None:
    """The reports that the other tests are made with are as the schema says."""
    VALID.validate(json.loads(to_json(sample.report(verdict=verdict))))
    assert SCHEMA["required"] == [*SCHEMA["properties"]]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"verdict": "fine"},
        {"more": 1},
        {"cells": [{}]},
        {"counts": {**dict.fromkeys(OUTCOMES, 0), "agrees": -1}},
        {"seeds": ["0"]},
        {"article": {}},
        {"networks": {"net": []}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_schema_refuses(report: dict[str, Any], change: dict[str, Any]) -> None:
    """The schema refuses another version, an unknown verdict, an extra key, an empty cell, etc."""
    with pytest.raises(ValidationError):
        VALID.validate({**report, **change})


@pytest.mark.parametrize(
    "link",
    [
        ["net", "fine", 0.5, 7.2, 1, "1"],
        ["net", "inside", -1, 7.2, 1, "1"],
        ["net", "inside", 0.5, "fine", 1, "1"],
        ["net", "inside", 0.5, 1, "1"],
    ],
    ids=["verdict", "share", "proof", "of version 2"],
)
def test_the_schema_refuses_a_link(report: dict[str, Any], link: list[Any]) -> None:
    """The schema refuses a link of an unknown verdict, a negative share, no proof, or too short."""
    cell = {**report["cells"][0], "chain": [link]}
    with pytest.raises(ValidationError):
        VALID.validate({**report, "cells": [cell]})


NO_REPORTS: dict[str, tuple[Any, str]] = {
    "json": ("{", "not JSON"),
    "bare": ("[]", "[] is not of type 'object'"),
    "schema": (
        {"schema": "mine", "version": 4},
        "schema: 'mine': expected a report of this schema",
    ),
    "version": ({"schema": HEAD, "version": 0}, "version: 0: expected version 4 of the schema"),
    "before": ({"schema": HEAD, "version": 2}, "version: 2: expected version 4 of the schema"),
    "keys": ({"schema": HEAD, "version": 4}, "'command' is a required property"),
    "null": ({"cells": None}, "cells: None is not of type 'array'"),
    "cell": ({"cells": [{"network": "n"}]}, "cells 1: 'adapter' is a required property"),
    "verdict": (
        {"verdict of a cell": "fine"},
        "cells 1: verdict: 'fine' is not one of ['agrees', ",
    ),
    "inf": ('{"cells": 1e999}', "not JSON: 1e999 is no finite number"),
    "nan": ('{"cells": NaN}', "not JSON: NaN is no finite number"),
    "deep": ("[" * 100_000, "nested too deeply to be read"),
}
"""What a file holds that is no report, and what is said of it."""


@pytest.mark.parametrize(("content", "message"), NO_REPORTS.values(), ids=NO_REPORTS)
def test_a_file_that_is_no_report(
    tmp_path: Path, report: dict[str, Any], content: Any, message: str
) -> None:
    """The error names the file and what is wrong with it."""
    if isinstance(content, dict) and "schema" not in content:
        cells = [{**report["cells"][0], "verdict": content.get("verdict of a cell", "agrees")}]
        content = {**report, "cells": content.get("cells", cells)}
    path = tmp_path / "report.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(ReportError, match=re.escape(f"{path}: {message}")):
        read(path)


def test_read_gives_what_was_written(tmp_path: Path, report: dict[str, Any]) -> None:
    """A report that is written and read again is unchanged."""
    path = tmp_path / "report.json"
    path.write_text(to_json(report), encoding="utf-8")

    assert read(path) == report


CELL = next(sample.certified(["torch"], "agrees"))
ONE = "1 of 2 cells"
KNOWN, RED, OPEN, LEFT, NONE = (replace(CELL, verdict=v) for v in OUTCOMES[1:])


@pytest.mark.parametrize(
    ("cells", "given", "verdict", "first"),
    [
        ([CELL], {}, "green", "✓ Nothing refuted: 1 of 1 cells agree"),
        ([KNOWN], {}, "green", "✓ Nothing refuted: 0 of 1 cells agree, 1 known"),
        ([CELL, RED], {}, "red", f"✗ Red: 1 cause: {ONE} refuted (torch 1)"),
        ([CELL, OPEN], {}, "red", f"✗ Red: 1 cause: {ONE} undecided (torch 1)"),
        ([CELL, LEFT], {}, "red", f"✗ Red: 1 cause: {ONE} not run (torch 1)"),
        ([OPEN, RED], {}, "red",
         f"✗ Red: 2 causes: {ONE} refuted (torch 1) and {ONE} undecided (torch 1)"),
        ([CELL], {"failed": ["a", "b"]}, "red", "✗ Red: 2 other tests failed"),
        ([CELL], {"complete": False}, "incomplete", "… Not finished: 1 of 1 cells agree"),
        ([], {}, "empty", "… Nothing was verified: 0 of 0 cells agree"),
        ([NONE], {}, "red", "✗ Red: 1 other test failed"),
    ],
    ids=["green", "known", "red", "open", "not run", "both", "failed", "incomplete", "empty",
         "unsupported"],
)  # fmt: skip
def test_the_verdict(cells: list[Cell], given: dict[str, Any], verdict: str, first: str) -> None:
    """A refuted or undecided cell or a failed test makes a report red; of nothing it is empty."""
    found = sample.of(cells, **given)

    assert verdict == found["verdict"]
    assert first == headline(found)


@pytest.mark.parametrize("names", [["torch"], ["reference", "torch", "jax"]], ids=["one", "all"])
def test_the_page_has_all_parts(names: list[str]) -> None:
    """The page has every figure in order, corrections, all columns, the loss and the command."""
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
    """The page has no address except XML namespaces, and loads nothing from elsewhere."""
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


def test_what_was_not_verified_is_not_shown() -> None:
    """A report without cells of the article has no article, and none of its readers shows one."""
    cells = sample.certified(["torch"], "agrees")
    without = sample.of([cell for cell in cells if cell.network != "article"])
    text = str([*sections(without)])

    VALID.validate(json.loads(to_json(without)))
    assert without["article"] is None
    assert "errata" not in text
    assert "figures: " not in markdown(without)
    assert 'id="article"' not in page(without)
    assert 'id="article"' in page(sample.report())


READ = """
import sys
from backproof.reference.fixtures import FIXTURES

def refuse(event, arguments):
    path = str(arguments[0]) if event == "open" else ""
    if path.startswith(str(FIXTURES)) and not path.endswith(".schema.json"):
        raise PermissionError(f"reads {arguments[0]}")

sys.addaudithook(refuse)
PROBE
from pathlib import Path
from backproof.report.document import read
from backproof.report.markdown import markdown
from backproof.report.page import page
from backproof.report.summary import sections
found = read(Path(sys.argv[1]))
for path, text in zip(sys.argv[2:], (page(found), markdown(found), str([*sections(found)]))):
    Path(path).write_text(text, encoding="utf-8")
"""
"""Makes every report of a file, in a process that cannot open any fixture."""


def written_apart(folder: Path, report: dict[str, Any], probe: str = "") -> list[str]:
    """Return page, Markdown and sections as another process makes them of a report's JSON."""
    paths = [folder / name for name in ("report.json", "page", "markdown", "sections")]
    paths[0].write_text(to_json(report), encoding="utf-8")
    subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", READ.replace("PROBE", probe), *map(str, paths)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path.read_text(encoding="utf-8") for path in paths[1:]]


def test_a_report_reads_its_document_alone(tmp_path: Path, report: dict[str, Any]) -> None:
    """What is made of the file, where no fixture can be read, is what the run itself made."""
    assert [page(report), markdown(report), str([*sections(report)])] == written_apart(
        tmp_path, report
    )


def test_a_reader_of_fixtures_is_refused(tmp_path: Path, report: dict[str, Any]) -> None:
    """Reading today's article there, planted, ends that process."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        written_apart(
            tmp_path, report, "from backproof.reference.article import figures as f; f.load()"
        )

    assert "article.toml: cannot be read" in caught.value.stderr


def test_a_report_shows_the_article_of_its_day(report: dict[str, Any]) -> None:
    """Planted in the document: another figure, loss, node, finding. The page shows those."""
    old = copy.deepcopy(report)
    article = old["article"]
    figure = next(one for one in article["figures"] if one["verdict"] == "slip")
    figure.update(printed="0.4711", why="as it was then")
    article["counts"] = "132 figures."
    article["losses"][-1]["E"] = "0.00004712"
    next(one for one in article["quantities"] if one["name"] == "E")["proven"] = "0.4713"
    old["networks"]["saturated-tanh"][0]["op"] = "op-of-then"
    html, shown = page(old), markdown(old)
    today = next(one for one in report["article"]["figures"] if one["id"] == figure["id"])

    assert f"<del>0.4711</del> <ins>{today['corrected']}</ins>" in html
    assert f"<del>{today['printed']}</del>" not in _row(html, figure["id"])
    for text in ("as it was then", "132 figures.", "0.00004712", "0.4713", "op-of-then"):
        assert text in html, text
        assert text not in page(report), text
    assert "132 figures." in shown
    assert "132 figures." in dict(sections(old))["backproof: the article's printed figures"]


def _row(html: str, figure: str) -> str:
    return html[(start := html.index(f'id="f-{figure}"')) : html.index("</tr>", start)]


def test_what_is_unsupported_for_one_reason_is_one_line() -> None:
    """What an adapter declares is listed by its reason, in each precision."""
    cell = Cell("n", "mine", "its own numbers", "1", "float32", 0, "q", NETWORKS, "unsupported")
    said = ["exp: not yet", "log: not yet", "exp: not yet", "conv groups=4: no: never"]
    cells = [replace(cell, message=f"declared unsupported: {one}") for one in said]

    assert unsupported(cells).splitlines() == [
        "mine float32: declared unsupported: exp, log: not yet",
        "mine float32: declared unsupported: conv groups=4: no: never",
    ]


def test_in_short() -> None:
    """The summary counts by implementation, shows causes, and names the command and its date."""
    green, red = sample.report(), sample.report(verdict="refuted")
    jax = sum(cell["adapter"] == "jax" for cell in green["cells"])

    assert f"| jax | {jax} | 0 | 0 | 0 | 0 | 0 |" in markdown(green)
    assert "| jax | 0 | 0 | 0 | 0 | 0 | 0 |" not in markdown(red)
    assert f"| jax | 0 | 0 | {jax} | 0 | 0 | 0 |" in markdown(red)
    assert "<details open><summary>What failed" in markdown(red)
    assert "What failed" not in markdown(green)
    assert f"<code>{green['command']}</code>, 2026-01-02T03:04:05+00:00, 67.8 s; seeds" in markdown(
        green
    )


def test_undecided_links_are_shown() -> None:
    """An undecided cell is red, counted apart, and explained in every reader of the document."""
    cells = [*sample.certified(["torch"], "agrees"), *sample.certified(["jax"], "undecided")]
    found = sample.of(cells)
    links = sum(cell.links for cell in cells if cell.network == "article")
    inside = sum(cell.inside for cell in cells if cell.network == "article")
    text, html, shown = dict(sections(found)), page(found), markdown(found)
    row = ["article", f"{inside}/{links}", "RED", f"{links - inside}", "-"]
    table = text["backproof: certificates, every link of the chain rule"]
    said = text["backproof: 1 cause"]

    assert found["verdict"] == "red"
    assert found["counts"]["undecided"] == len(cells) // 2
    assert next(one.split() for one in table.splitlines() if "article" in one)[:5] == row
    assert [*text][-1] == "backproof: 1 cause"
    assert said.count("is undecided") == 1  # what all cells say
    assert "\n| jax | 0 | 0 | 0 | 6 | 0 | 0 |\n" in shown
    assert "<details open><summary>What failed" in shown
    assert all(UNDECIDED in one for one in (said, shown, html))
    assert UNDECIDED not in page(sample.report(["torch"]))
    assert f">? 0/{inside // 2}</a>" in html
    assert "← first undecided" in html


def test_an_undecided_link_is_a_cell_of_its_own_verdict(tmp_path: Path) -> None:
    """Planted: no ball with a radius decides. The run fails and says why, without a diagnosis."""
    sandbox = Sandbox(tmp_path / "suite")
    file = "tests/verification/test_networks.py"
    sandbox.write(file, (ROOT / file).read_text(encoding="utf-8"))
    deciding = "reference/verdict/deciding.py"
    sandbox.edit("reference/verdict/evidence.py", "DIGIT = 1 / 10", "DIGIT = 1e-300")
    sandbox.edit(deciding, "size / 2 < np.inf", "0")
    outcome = sandbox.run("test_networks.py", "--frameworks", "reference", "-k", "article-0-float")
    (cell,) = (cell for cell in outcome.cells if cell["precision"] == "float64")

    assert outcome.status == 1
    assert cell["verdict"] == "undecided"
    assert (cell["links"], cell["undecided"], cell["fewest"]) == (16, 15, "dE/dE")
    assert "2/32 RED      30" in outcome.text
    assert "net_h[0, 0]: undecided: " in cell["message"]
    assert "Rounding to float64 may leave no digit of the numbers" in cell["message"]
    assert "diagnosis" not in cell["message"]


def test_a_refuted_proof_is_shown() -> None:
    """A gradient that is refuted end to end alone is marked in its entry and in its drawing."""
    cell = next(sample.certified(["torch"], "agrees"))
    *others, last = cell.chain
    name, _, _, _, n, _ = last
    said = [name, "refuted", 9.5, None, n, "0.5", f"{name}: refuted"]
    found = page(sample.of([replace(cell, verdict="refuted", chain=[*others, said])]))

    assert name == "dE/db_o end to end"
    assert 'aria-label="refuted, 0 of 1 right">✗ 0/1</a>' in found
    assert 'data-key="dE/db_o" class="refuted">✗ 0.5 · 9.50 ← first refuted</tspan>' in found


def test_entries_say_what_is_proven() -> None:
    """An entry of the matrix has the share of the ball and the digits proven, and says so aloud."""
    cells = list(sample.certified(["torch"], "agrees"))
    html = page(sample.of([replace(cells[1], share=0.678, proven=6.29)]))

    assert 'aria-label="agrees, 6.2 digits proven, 0.67 of the ball">✓ 6.2 0.67</a>' in html
    assert 'aria-label="undecided, 0 of 16 right">? 0/16</a>' in page(
        sample.of([sample.spoiled(cells[0], "undecided")])
    )
