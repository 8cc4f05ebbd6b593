"""Any worked example: what is stated in its file is proven, audited and explained."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backproof.command import run
from backproof.reference.article import audit as audits
from backproof.reference.article import golden
from backproof.reference.article.figures import Article, load, shipped
from backproof.report.cells import Cell, RefutedError
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge
from backproof.verification.test_worked import test_example as check

NOTES = """
title = "Two samples, two outputs, biases that are updated"
[network]
inputs = { x = [["x11", "x12"], ["x21", "x22"]], t = [["t11", "t12"], ["t21", "t22"]] }
parameters.W = [["w1", "w3"], ["w2", "w4"]]
parameters.b = ["b1", "b2"]
parameters.V = [["v1", "v3"], ["v2", "v4"]]
trained = ["W", "b", "V"]
nodes = [
  { name = "z", op = "dense", inputs = ["x", "W", "b"] },
  { name = "h", op = "leaky_relu", inputs = ["z"], options = { negative_slope = 0.25 } },
  { name = "y", op = "dense", inputs = ["h", "V"] },
  { name = "E", op = "softmax_cross_entropy", inputs = ["y", "t"] },
]
[network.given]
x11 = "1"
x12 = "-2"
x21 = "3"
x22 = "1"
t11 = "1"
t12 = "0"
t21 = "0"
t22 = "1"
w1 = "0.5"
w2 = "0.25"
w3 = "-1"
w4 = "2"
b1 = "0.5"
b2 = "-0.5"
v1 = "1"
v2 = "-1"
v3 = "0.5"
v4 = "0.25"
eta = "0.1"
[[step]]
name = "First pass"
figures = [
  { quantity = "z_1_1", printed = "0.5" },
  { quantity = "h_1_2", printed = "-1.375" },
  { quantity = "dE_db1", printed = "DB1" },
  { quantity = "b1_new", printed = "B1" },
]
[[step]]
name = "Fourth pass"
iteration = 4
figures = [{ quantity = "E", printed = "LOSS" }]
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The notes' file, with the right figures."""
    path = tmp_path / "notes.toml"
    path.write_text(NOTES.replace("DB1", "1").replace("B1", "1").replace("LOSS", "1"), "utf-8")
    right = {f.quantity: f.corrected or f.printed for f in audits.audit(load(path))}
    text = NOTES.replace('"DB1"', f'"{right["dE_db1"]}"').replace('"B1"', f'"{right["b1_new"]}"')
    path.write_text(text.replace('"LOSS"', f'"{right["E"]}"'), "utf-8")
    return path


def test_ones_own_notes(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Right notes have no errata; a wrong figure is listed with its correction."""
    assert run(["audit", str(notes)]) == 0
    assert "Errata" not in capsys.readouterr().out
    notes.write_text(notes.read_text("utf-8").replace('"-1.375"', '"-1.475"'), "utf-8")
    assert run(["audit", str(notes)]) == 0
    out = capsys.readouterr().out

    assert "5 figures: 4 holds, 1 slip." in out
    errata = out.partition("Errata:\n")[2].splitlines()
    assert errata[2].split()[:7] == ["First", "pass,", "h_1_2", "h_1_2", "-1.475", "-1.375", "not"]


def test_golden_values_of_ones_own(notes: Path, tmp_path: Path) -> None:
    """All values of the passes that figures belong to are written, and can be read again."""
    path = tmp_path / "golden.json"
    assert run(["audit", str(notes), "--golden", str(path)]) == 0
    article = load(notes)
    found = golden.read(article, path)

    assert set(found.iterations) == {1, 4}
    assert all(set(values) == set(article.addresses) for values in found.iterations.values())
    assert found.iterations[1]["b1_new"] != found.iterations[1]["b1"]
    assert float(found.iterations[1]["h_1_2"]) == -1.375


def test_mazur() -> None:
    """The audit names the fault that some printed figures carry, and the pass of another."""
    found = {f.id: f for f in audits.audit(load(shipped()["mazur"]))}
    wrong = {f.id: (f.corrected, f.why) for f in audits.errata(found.values())}
    moved = "dense: weights updated before they propagate gives it"

    assert wrong == {
        "dE_o2_dout_h1": ("-0.019049118", "one unit of its last place off"),
        "E-1": ("0.291027774", moved),
        "E-10000": ("0.0000351019", "the right value one pass earlier gives it"),
        "out_o1-10000": ("0.015913620", moved),
        "out_o2-10000": ("0.984064274", moved),
    }


@pytest.mark.parametrize(
    ("eta", "printed", "why"),
    [
        ("0.1", "0.291027774", "not the value given"),
        ("0.5", "0.280471447", "not the value given"),
        ("0.5", "0.298371109", "dense: weight gradient forgotten or gradient of zeros gives it"),
        ("0.5", "0.285750887", "every parameter updated gives it"),
    ],
    ids=["nothing", "biases-apart", "too-early", "biases-updated"],
)
def test_explanations(eta: str, printed: str, why: str) -> None:
    """A wrong figure is explained by what gives it, and by nothing else."""
    article = load(shipped()["mazur"])
    figures = tuple(replace(f, printed=printed) for f in article.figures if f.iteration == 2)
    found = audits.audit(replace(article, eta=eta, figures=figures))

    assert [f.why for f in found] == [why]


@pytest.mark.parametrize("rate", ["0.1", "0.5", "0.9"])
def test_the_fault_is_made_at_the_examples_own_rate(rate: str) -> None:
    """Weights that are updated before they propagate are named whatever the learning rate."""
    article = load(shipped()["mazur"])
    moved = {"0.1": "0.296908094", "0.5": "0.291027924", "0.9": "0.285105983"}
    figures = tuple(replace(f, printed=moved[rate]) for f in article.figures if f.iteration == 2)
    found = audits.audit(replace(article, eta=rate, figures=figures))

    assert found[0].why == "dense: weights updated before they propagate gives it"


@pytest.mark.parametrize("name", ["article", "cs231n", "micrograd"])  # mazur above
def test_shipped(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shipped example is audited by its name, as it is recorded."""
    assert run(["audit", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    recorded = audits.recorded(audits.file(name))

    assert {f["id"]: f["verdict"] for f in found} == {k: f["verdict"] for k, f in recorded.items()}


def test_a_wrong_number_of_an_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is off in the places printed is refuted, in the figure that states it."""
    implementations = Implementations(load(), {})
    worked = load(shipped()["mazur"])
    one = implementations.of(worked)
    right = one.value
    cell = Cell("mazur", "reference", "", None, "float32", 1, "", "")
    judge = Judge(implementations, (), reproduce="", show=lambda _: None)
    check("reference", "float32", worked, implementations, cell, judge)

    def wrong(*asked: Any) -> float:
        return right(*asked) * (1 + 1e-4 * (asked[2] == 10_001))

    monkeypatch.setattr(one, "value", wrong)
    with pytest.raises(RefutedError, match=r"^out_o1-10000, out_o1: proven 0\.0159136204.*outside"):
        check("reference", "float32", worked, implementations, cell, judge)


def test_what_cannot_be_proven_is_said(notes: Path) -> None:
    """Where the network has no finite value, each figure that states one is undecided."""
    text = notes.read_text("utf-8").replace("leaky_relu", "log")
    notes.write_text(text.replace(", options = { negative_slope = 0.25 }", ""), "utf-8")
    found = {f.quantity: f for f in audits.audit(load(notes))}

    assert found["z_1_1"].verdict == "holds"
    assert all(found[q].verdict == "undecided" for q in ("h_1_2", "b1_new", "E"))
    assert "not finite" in found["E"].why


def test_the_first_is_the_article(article: Article) -> None:
    """The first of the worked examples is the article that all frameworks are held to."""
    assert [*shipped()] == ["article", "cs231n", "mazur", "micrograd"]
    assert article.name == "article"
