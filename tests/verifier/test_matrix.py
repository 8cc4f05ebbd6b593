"""The matrix of frameworks, the picture in the README, and the lists that name every framework."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from backproof import command
from backproof.adapters import TABLE
from backproof.adapters.frameworks import package
from backproof.report.cells import Cell
from backproof.report.document import to_json
from backproof.report.matrix import KINDS, WIDTH, Matrix, matrix, of_picture, to_svg
from tests.verifier import sample
from tests.verifier.sandbox import ROOT

PICTURE = ROOT / "docs" / "frameworks.svg"


def cells() -> list[Cell]:
    """Return cells of four verdicts, and some that are no part of the matrix."""
    (right, *_), (known, *_), (red, *_), (left, *_) = (
        [*sample.certified(["torch"], verdict)]
        for verdict in ("agrees", "known", "refuted", "unsupported")
    )
    known.network, red.network, left.network = "gpt", "yolo", "resnet-20"
    drawn = sample.certified(["torch.vmap"], "refuted")
    return [right, known, red, left, *drawn, *sample.compared(["jax"], "agrees")]


def counted(of: Matrix) -> set[tuple[str, str, str, tuple[int, ...]]]:
    """Return framework, part, precision and counts of each entry."""
    return {
        (x.framework, x.part, x.precision, tuple(x.counts[kind] for kind in KINDS))
        for x in of.entries
    }


def test_every_cell_is_counted_once() -> None:
    """Cells are counted by their verdict; variants and pairs are no part of the matrix."""
    article = sum(one.precision == "float64" for one in sample.compared(["jax"], "agrees"))

    assert counted(matrix(sample.of(cells()))) == {
        ("torch", "article", "float64", (1, 0, 0, 0)),
        ("torch", "networks", "float64", (0, 1, 1, 1)),
        ("jax", "article", "float64", (article, 0, 0, 0)),
        ("jax", "article", "float32", (article, 0, 0, 0)),
    }


def test_a_picture_says_what_its_report_says() -> None:
    """Every count and version stands in the picture, in words; another count is another picture."""
    found, other = (matrix(sample.of(some)) for some in (cells(), cells()[1:]))

    assert of_picture(to_svg(found)) == found
    assert of_picture(to_svg(other)) != found


def test_the_bars_of_an_entry_add_up() -> None:
    """The bars stand side by side, as wide as their shares, and fill the whole."""
    for one in matrix(sample.of(cells())).entries:
        kinds = [kind for kind in KINDS if one.counts[kind]]
        widths = [WIDTH * one.counts[kind] / sum(one.counts.values()) for kind in kinds]
        starts = [sum(widths[:n]) for n in range(len(widths))]
        expected = zip(kinds, starts, widths, strict=True)

        assert [*one.bars] == [(k, round(x, 1), round(w, 1)) for k, x, w in expected]
        assert sum(widths) == pytest.approx(WIDTH)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the table, writes the picture, and fails where the report is not green."""
    report, svg = tmp_path / "a.json", tmp_path / "a.svg"
    report.write_text(to_json(sample.of(cells())), encoding="utf-8")

    assert command.run(["report", "matrix", str(report), "--svg", str(svg)]) == 1
    assert "0/2 1 RED" in capsys.readouterr().out
    assert of_picture(svg.read_text(encoding="utf-8")) == matrix(sample.of(cells()))
    report.write_text(to_json(sample.of(cells()[:2])), encoding="utf-8")
    assert command.run(["report", "matrix", str(report)]) == 0


def pinned() -> Iterator[tuple[str, str]]:
    """Yield package and version of all constraints."""
    for path in ROOT.glob("constraints*.txt"):
        yield from re.findall(r"^([\w.-]+)==(\S+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_picture_of_the_readme() -> None:
    """It is what today's code draws of its counts; it is of the verified versions, and not red."""
    svg = PICTURE.read_text(encoding="utf-8")
    shown = of_picture(svg)

    assert f"({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert to_svg(shown) == svg
    assert not shown.is_red
    assert {*shown.versions} == {"reference", *TABLE}
    versions = {k: v.partition("+")[0] for k, v in shown.versions.items() if k != "reference"}
    verified = [*pinned()]  # paddlepaddle installs paddle
    for name, version in versions.items():
        assert any(one.startswith(package(name)) and version == of for one, of in verified), name


def test_every_framework_is_installed_and_verified_everywhere() -> None:
    """Each framework is an extra, a job of the workflow, and a part of `make verify-all`."""
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    jobs = re.findall(r"framework: \[(.*)\]", workflow)[0].split(", ")
    lists = dict(re.findall(r"^(LIGHT|TOGETHER|HEAVY) =(.*)$", makefile, re.MULTILINE))
    made = re.findall(r"\w+", lists["TOGETHER"].replace("$(LIGHT)", lists["LIGHT"]))

    assert sorted(jobs) == sorted(TABLE)
    assert sorted([*made, *lists["HEAVY"].split()]) == sorted(TABLE)
    assert {name.replace("_", "-") for name in TABLE} <= {*project["optional-dependencies"]}
