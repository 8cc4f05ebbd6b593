"""Your own adapter has columns for its variants, its methods and its libraries of optimizers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backproof.adapters import frameworks
from backproof.adapters.column import Column
from backproof.adapters.isolation import isolated
from backproof.plugin import ADAPTERS
from backproof.reference.article.figures import Article
from backproof.reference.verdict.passes import certify_passes
from backproof.report.cells import Cell, RefutedError
from backproof.running.certificates import in_precision, replayed, traced
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge
from backproof.running.options import TIME_LIMIT
from backproof.running.trainings import Trainings
from backproof.scenarios import trainings, variants
from backproof.verification.conftest import ask_own_adapters

MINE = """
from dataclasses import replace
from backproof.adapters.training import Library
from tests.verifier.complex_step import adapter as right

def start(optimizer, parameters, options):
    b = {name: 0 * w for name, w in parameters.items()}
    def step(gradients):
        for name, w in parameters.items():
            b[name] = options.get("momentum", 0) * b[name] + gradients[name]
            parameters[name] = w - {factor} * options["lr"] * b[name]
        return {"b": dict(b), "w": dict(parameters)}
    return step

library = Library("1.0", {"sgd": "sgd"}, start, dict.fromkeys({lacks}, "not written yet"))
wrong = replace(right, ops={**right.ops, "sigmoid": lambda z: z})
adapter = replace(right, libraries={"plain": library})
variants = {"same": right, "wrong": wrong}
"""
LACKS = [*trainings.RULES - {"sgd"}, "sgd weight_decay", "sgd maximize"]


def mine(path: Path, factor: int = 1) -> Path:
    """Write an adapter with two variants and a library; factor: of its learning rate."""
    text = MINE.replace("{factor}", str(factor)).replace("{lacks}", repr(sorted(LACKS)))
    path.write_text(text, encoding="utf-8")
    return path


def test_variants_and_libraries_become_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked for when tests are collected; an adapter that dies is asked once."""
    monkeypatch.setattr(frameworks, "OWN", {})
    (tmp_path / "dead.py").write_text("import os; os._exit(1)", encoding="utf-8")
    own = {"mine": mine(tmp_path / "mine.py"), "dead": tmp_path / "dead.py"}
    config: Any = SimpleNamespace(stash={ADAPTERS: own}, getoption=lambda _: 60)
    ask_own_adapters(config)

    assert {str(one.values[0]) for one in variants.parameters([*own], large=False)} == {
        "mine.same",
        "mine.wrong",
    }
    assert [str(one.values[0]) for one in trainings.libraries([*own])] == ["mine.plain"]
    assert frameworks.OWN["dead"] == frameworks.Framework(module="")


@pytest.mark.parametrize(("variant", "holds"), [("same", True), ("wrong", False)])
def test_a_variant_of_your_own_is_run(
    article: Article, tmp_path: Path, variant: str, *, holds: bool
) -> None:
    """The variant's own numbers are certified, and not those of the plain adapter."""
    implementations = Implementations(article, {"mine": mine(tmp_path / "mine.py")})
    leaves, shapes = in_precision(article.network, "float64")
    column = Column("mine", variant)
    passes = traced(implementations, column, article.network, leaves, shapes, 1.0)

    assert certify_passes(replayed(article.network, leaves, *passes, 1.0)).holds == holds


@pytest.mark.parametrize(("factor", "message"), [(1, None), (3, "w of W_h after step")])
def test_a_library_of_your_own_is_run(
    article: Article, tmp_path: Path, factor: int, message: str | None
) -> None:
    """Every step of its optimizers is certified: one with three times the rate is refuted."""
    shown: list[Cell] = []
    implementations = Implementations(article, {"mine": mine(tmp_path / "mine.py", factor)})
    judge = Judge(implementations, (), "again", shown.append)
    asked = ("article", "sgd", {"lr": 0.5, "momentum": 0.9}, 4)
    _, cell, check = Trainings(Column("mine", "plain"), "float64", judge).certified("sgd", *asked)

    assert (cell.version, [*shown]) == ("1.0", [cell])
    if message is None:
        check()
        assert np.isfinite(cell.proven or np.nan)
        return
    with pytest.raises(RefutedError, match=message):
        check()


def test_a_process_ends_when_nobody_has_a_use_for_its_adapter(tmp_path: Path) -> None:
    """It keeps its memory no longer than that."""
    process = isolated("mine", mine(tmp_path / "mine.py"), TIME_LIMIT).process
    was_alive = process.is_alive()
    isolated.cache_clear()
    process.join(TIME_LIMIT)

    assert was_alive
    assert not process.is_alive()
