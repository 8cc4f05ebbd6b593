"""Campaigns of many seeds: the same on any executor, and red where something is wrong."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from backproof import adapters, command
from backproof.adapters.column import Column
from backproof.campaign.campaign import Campaign
from backproof.campaign.seeds import campaigns
from backproof.reference.article.figures import load
from backproof.report.cells import NETWORKS, RANDOM
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge


def test_an_executor_tells_the_same() -> None:
    """The counts are those of this process, in the order of the seeds."""
    asked = (["torch"], 2, 3)
    with ThreadPoolExecutor(1) as executor:
        found = [*campaigns(*asked, executor)]

    assert found == [*campaigns(*asked)]
    assert [row.seed for row, _ in found] == [0, 1]
    assert all(row.links and not texts for row, texts in found)


def test_a_wrong_op_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A product that is one percent too large is printed as a program, and the status is 1."""
    ops = adapters.load("torch").ops
    right = ops["multiply"]
    monkeypatch.setitem(ops, "multiply", lambda a, b: 1.01 * right(a, b))

    status = command.run(["campaign", "torch", "--seeds", "1", "--networks", "2"])
    printed = capsys.readouterr().out

    assert status == 1
    assert "refuted" in printed
    assert "import torch" in printed
    assert printed.splitlines()[-1].split()[:3] == ["torch", "0", "2"]


FEW = """
from dataclasses import replace
from backproof.adapters.pytorch_autograd import adapter as torch
ops = {name: torch.ops[name] for name in ("add", "multiply", "sum", "tanh")}
adapter = replace(torch, ops=ops, unsupported={"float16": "too narrow"}, lacks="not written yet")
"""


def test_your_own_adapter_is_asked_for_what_it_has(tmp_path: Path) -> None:
    """Networks for an adapter with a few ops are made of these, and all of them are certified."""
    path, column = tmp_path / "mine.py", Column("mine")
    path.write_text(FEW)
    own = Implementations(load(), {"mine": path})
    cell = Judge(own, (), reproduce="", show=lambda _: None).cell(RANDOM, column, "any", NETWORKS)
    campaign = Campaign(own, column, (), cell)

    assert not [*campaign.findings(islice(campaign.graphs(0), 4))]
    assert (campaign.coverage.graphs, campaign.left_out) == (4, {})


def test_a_column_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no column is refused in one line that has those there are."""
    assert command.run(["campaign", "torhc"]) == 2
    assert "no column torhc; there are torch, torch.compile, jax, " in capsys.readouterr().err


def test_a_column_that_certifies_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no network can be run, nothing is green: one line says so, and the status is 2."""
    monkeypatch.setattr(Campaign, "judged", lambda *_: None)

    assert command.run(["campaign", "torch", "--seeds", "1", "--networks", "2"]) == 2
    assert "torch certifies nothing" in capsys.readouterr().err
