"""Optimizers: every step of every training, from the framework's own gradient and state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.training import train
from backproof.reference.article.figures import Article
from backproof.reference.article.golden import Golden
from backproof.reference.findings import KnownFinding
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.optimizers import OPTIMIZERS
from backproof.reference.training import Record
from backproof.reference.verdict.faults.optimizers import named
from backproof.reference.verdict.training import Steps, certify_training
from backproof.report.cells import OPTIMIZERS as GROUP
from backproof.report.cells import Cell, digits
from backproof.running.implementations import Runs, guarded
from backproof.running.report_verdict import settle
from backproof.scenarios.trainings import ADAM, NETWORKS, OPTIONS, STEPS, TEXT, speller


@dataclass(slots=True)
class Trainings:
    """Trains with a library of optimizers, and certifies every step."""

    library: Column
    precision: str
    runs: Runs
    known: tuple[KnownFinding, ...]
    new_cell: Callable[..., Cell]
    reproduce: str

    def certified(
        self, case: str, network: str, optimizer: str, options: Mapping[str, Any], steps: int
    ) -> tuple[Record, Cell, Callable[[], None]]:
        """Return the record, its cell, and what settles it: raises where a step is not right."""
        framework = self.library.framework
        adapter = self.runs.adapter(Column(framework))
        own = adapter.libraries[self.library.variant]
        cell = self.new_cell(case, self.library, self.precision, GROUP)
        cell.version = own.version
        definition = OPTIMIZERS[own.claimed(optimizer, options)](**options)
        of, leaves, gradient = differentiated(framework, network, self.precision)
        record = guarded(
            f"{self.library}, {self.precision}, {case}",
            lambda: train(adapter, own, of, leaves, optimizer, options, steps, gradient),
        )

        def check() -> None:
            certificate = certify_training(of.name, definition, record, self.precision)

            def explain() -> str:
                if certificate.inside == len(certificate.links) or certificate.links[-1].problem:
                    return ""
                steps = Steps(definition, record, PRECISIONS[self.precision])
                faults = named(steps, own.claims[optimizer], options)
                return f"diagnosis: {' or '.join(faults[:2]) or 'no known fault'}"

            settle(certificate, cell, self.known, self.reproduce, explain)

        return record, cell, check


@pytest.fixture
def trainings(
    library: Column,
    precision: str,
    runs: Runs,
    known: tuple[KnownFinding, ...],
    new_cell: Callable[..., Cell],
    reproduce: str,
) -> Trainings:
    """Trainings of one library in one precision."""
    return Trainings(library, precision, runs, known, new_cell, reproduce)


@cache
def differentiated(framework: str, network: str, precision: str) -> tuple[Any, ...]:
    """Return a network, its leaves, and a framework's gradient of it, compiled once."""
    of = speller() if network == "gpt" else NETWORKS[network]()
    leaves = of.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
    return of, leaves, adapters.load(framework).differentiated(of, leaves)


def test_optimizer(optimizer: str, network: str, trainings: Trainings) -> None:
    """Every state and parameter after each of 100 steps is what its definition gives."""
    case = f"{optimizer}/{network}"
    _, _, check = trainings.certified(case, network, *OPTIONS[optimizer], STEPS)

    check()


def test_the_article_in_10_000_steps(
    trainings: Trainings, article: Article, golden: Golden
) -> None:
    """Every update is right; the cell says to how many digits the losses are the proven ones."""
    options = {"lr": float(article.eta)}
    steps = max(golden.trajectory) + 1
    record, cell, check = trainings.certified(
        "10,000 steps/article", "article", "sgd", options, steps
    )
    cell.digits = min(
        digits(float(record.losses[n]), proven["E"], trainings.precision)
        for n, proven in golden.trajectory.items()
    )

    check()


def test_a_gpt_learns_a_sentence(trainings: Trainings) -> None:
    """Every step of AdamW is right, and the loss falls: below its start, and below a guess."""
    options = {**ADAM, "weight_decay": 0.01}
    record, _, check = trainings.certified("gpt", "gpt", "adamw", options, STEPS)

    check()
    assert np.mean(record.losses[-10:]) < np.mean(record.losses[:10])
    assert np.mean(record.losses[-10:]) < np.log(len(set(TEXT)))
