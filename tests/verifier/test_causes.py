"""Causes: every red cell is counted under what is wrong, and charged to whose mistake it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backproof import command
from backproof.reference.article.figures import Article
from backproof.reference.network import Network, Node
from backproof.reference.verdict.diagnosis import Diagnosis
from backproof.reference.verdict.link import Link, Quantity
from backproof.report.cause import Cause, error
from backproof.report.causes import causes, text
from backproof.report.cells import NETWORKS, OPS_ALONE, PAIRS, Cell
from backproof.report.document import headline, read
from backproof.report.markdown import escaped, markdown
from backproof.report.summary import harmless
from backproof.running.article_causes import ArticleCauses
from backproof.running.causes import causes as causes_of
from backproof.running.implementations import Implementations
from tests.verifier import sample
from tests.verifier.documents import blocks

LOST = "sigmoid: lost factor 1 - s"
OWN = Cause("mine", (LOST, "sigmoid: of the logit"), "dE/dz[1]", "0.5 +- 1e-17", "0.25", links=2)
RED = Cell("article", "mine", "its own numbers", "1", "float64", 0, "every link", NETWORKS, links=9)
FOLLOWS = replace(RED, group="cotangents", links=0, causes=[OWN])
ALONE = replace(RED, network="sigmoid/ordinary", group=OPS_ALONE, links=5)


def test_cells_are_counted_under_their_cause() -> None:
    """One fault of three cells is one cause, shown by the op alone, with its numbers aligned."""
    other = replace(OWN, named=("sigmoid: of the logit", LOST), link="dE/dx[0]")
    cells = [
        *[replace(FOLLOWS, quantity=name) for name in ("dE_dw1", "dE_dw2")],
        replace(ALONE, causes=[replace(other, links=1)]),
        replace(RED, causes=[OWN, replace(OWN, named=("dense: wrong derivative",))]),
        replace(RED, verdict="agrees"),
    ]
    first, second = causes(cells)

    assert first.title == f"mine: {LOST}: 4 cells"
    assert second.title == "mine: dense: wrong derivative: 1 cell"
    assert dict(first.lines) == {
        "first link": "dE/dx[0] in sigmoid/ordinary, float64, seed 0",
        "expected": "0.5 +- 1e-17",
        "found": "0.25",
        "cells": "article 3, sigmoid/ordinary 1",
        "red links": "3",
    }
    assert "\n  expected    0.5 +- 1e-17\n  found       0.25\n" in text([first])


def test_a_message_is_a_cause() -> None:
    """Cells without numbers are counted under their message, whatever network it names."""
    names = {"a": "a", "100-layers": "64-64-64", "random networks": "random"}
    said = [
        replace(RED, network=n, message=f"mine, float64, {own}: raised no")
        for n, own in names.items()
    ]
    (found,) = causes(said)

    assert found.title == "mine: raised no: 3 cells"


def test_a_message_without_a_place_is_a_whole_cause() -> None:
    """Of a message, only an adapter, its precision and its network are left out."""
    said = "array: raised ValueError: 1, 2, 3: no"

    assert [error(f"mine, float64, 3-2: {said}"), error(said)] == [(said,), (said,)]


def test_variants_have_their_frameworks_causes() -> None:
    """A fault that is seen in a framework and in its variants is one cause."""
    cells = [replace(RED, causes=[replace(OWN, adapter=x)]) for x in ("jax", "jax.jit", "torch")]

    assert [one.title for one in causes(cells)] == [
        f"jax: {LOST}: 2 cells",
        f"torch: {LOST}: 1 cell",
    ]


def test_what_is_refuted_comes_first() -> None:
    """Then what is undecided, then what was not run, however many cells these have."""
    verdicts = ("not run", "not run", "undecided", "undecided", "refuted")
    cells = [replace(RED, verdict=verdict, message=verdict) for verdict in verdicts]

    assert [one.verdict for one in causes(cells)] == ["refuted", "undecided", "not run"]


def test_a_pair_is_charged_to_the_side_that_is_red() -> None:
    """The headline and the counts name whose mistake it is; where nobody knows, both."""
    pair = replace(FOLLOWS, adapter="reference", against="mine", group=PAIRS)
    unknown = replace(pair, causes=[])
    found = sample.of([pair], adapters=["mine"])

    assert (pair.charged, unknown.charged) == ("mine", "reference and mine")
    assert headline(found) == "✗ Red: 1 cause: 1 of 1 cells refuted (mine 1)"
    assert "\n| mine | 0 | 0 | 1 | 0 | 0 | 0 |" in markdown(found)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter of docs/adapters.md, with a factor of the sigmoid's derivative lost."""
    (source,) = (one.text for one in blocks("docs/adapters.md") if one.file == "mine.py")
    path = tmp_path_factory.mktemp("wrong") / "mine.py"
    path.write_text(source.replace("dy * s * (1 - s)", "dy * s"), encoding="utf-8")
    return path


def test_a_number_follows_from_a_link(article: Article, mine: Path) -> None:
    """A number is charged to its own red link, or to the first before it; others to none."""
    found = ArticleCauses(Implementations(article, {"mine": mine}))

    def links(quantity: str, *names: str) -> list[Any]:
        of = found.of(names, "float64", 1, quantity, "again")
        return [(one.adapter, one.named[0], one.link) for one in of]

    first, own = "dE/dnet_o[0, 0]", "dE/dnet_h[0, 1]"
    assert links("dE_dnet_o1", "mine") == links("dE_dw5", "reference", "mine")
    assert links("eta * dE_dw5", "mine") == [("mine", LOST, first)]
    assert links("dE_dnet_h1", "mine") == [("mine", LOST, own)]
    assert links("dE_dw1", "mine") == [("mine", LOST, first)]
    assert links("net_o1", "mine") == links("dE_dout_o1", "mine") == links("E", "reference") == []


def test_one_wrong_sigmoid(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run ends with one cause, in a few lines, without the failures that follow from it."""
    monkeypatch.chdir(mine.parent)
    few = ["test_article.py", "test_networks.py", "-p", "no:cacheprovider", "-k"]
    own = ["--frameworks", "reference", "--adapter", "mine.py", "--report-json", "report.json"]
    status = command.run(["verify", *few, "article or pair", *own])
    printed = capsys.readouterr().out.splitlines()
    (title,) = (line for line in printed if line.startswith(f"mine: {LOST}: "))
    last = printed[printed.index(title) :]
    counts = read(Path("report.json"))["counts"]

    assert status == pytest.ExitCode.TESTS_FAILED
    assert title == f"mine: {LOST}: {counts['refuted']} cells"
    assert [line.split()[0] for line in last[2:5]] == ["expected", "found", "off"]
    assert last[-2].startswith("  reproduce   backproof verify --frameworks reference --adapter")
    assert len(last) <= 11
    assert not any(line.startswith(("FAILED", "____")) for line in printed)


def test_texts_of_others_are_no_markdown() -> None:
    """A name is neither a column nor an image, and a message is no command of a CI log."""
    name = "a|b<img src=x>"
    found = markdown(sample.of([replace(RED, adapter=name, message="::error::no")]))

    assert escaped("a|b") in found
    assert name not in found.partition("<details")[0]
    assert harmless("::error::no\n  ::group::\na::b ##[error]") == (
        ": :error::no\n  : :group::\na::b ## [error]"
    )


@pytest.mark.parametrize(
    ("quantity", "name"),
    [
        (Quantity("value", "out"), "tanh: wrong value"),
        (Quantity("derivative", "net"), "tanh: wrong derivative"),
        (Quantity("derivative", "out", tangent=True), "sum: wrong tangent of the derivative"),
        (Quantity("update", "W"), "W: wrong update"),
        (Quantity("value", "E", end_to_end=True), "wrong end to end, though every link is inside"),
    ],
)
def test_what_no_fault_explains_is_named_by_its_op(quantity: Quantity, name: str) -> None:
    """It is the op that computed the value, or those through which the derivative came back."""
    nodes = (Node("out", "tanh", ("net",)), Node("E", "sum", ("out",)))
    network = Network("n", {"net": np.ones(2)}, {}, nodes, frozenset())
    ball = {"seen": 0.5, "mid": 0.25, "rad": 0.125}
    link = Link(quantity, "refuted", "float64", (), 4, 3, 2.0, index=(1,), **ball)
    (found,) = causes_of([link], [], network, "mine", "again")

    assert found.named == (name,)
    assert found.off == "0.25, 2 radii; 3 of 4 entries are outside"
    assert (found.expected, found.found) == ("0.25 +- 0.125 (float64)", "0.5")
    assert causes_of([link], [], "sgd", "mine", "")[0].named[0].startswith(("sgd: wrong", "wrong"))


def test_a_diagnosis_names_its_links() -> None:
    """Links that a fault explains are one cause; what is not judged follows from the others."""
    one, other, third = (
        Link(Quantity("value", name), "refuted", "float64", seen=1.0, mid=2.0) for name in "abc"
    )
    unjudged = replace(third, problem="not judged: b is NaN")
    found = Diagnosis(one, ("a fault",), f"all entries: {one}", ("a", "b"))

    (cause,) = causes_of([one, other, unjudged], [found], "gelu", "mine", "")
    assert (cause.named, cause.links, cause.diagnosis) == (("a fault",), 2, "all entries")
