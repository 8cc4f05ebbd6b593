"""Optimizers: every step of every training, from the framework's own gradient and state."""

import numpy as np
import pytest

from backproof.adapters.column import Column
from backproof.reference.article.figures import Article
from backproof.reference.article.golden import Golden
from backproof.report.cells import digits
from backproof.running.judge import Judge
from backproof.running.trainings import Trainings
from backproof.scenarios.trainings import ADAM, OPTIONS, RULES, SENTENCE_STEPS, STEPS, TEXT


@pytest.fixture
def trainings(library: Column, precision: str, judge: Judge) -> Trainings:
    """Trainings of one library in one precision."""
    return Trainings(library, precision, judge)


def test_optimizer(optimizer: str, network: str, trainings: Trainings) -> None:
    """Every state and parameter after each step is what its definition gives.

    Options change the gradients less than steps do: with options, the last pass is certified.
    """
    passes = () if optimizer in RULES else (STEPS - 1,)
    case = f"{optimizer}/{network}"
    _, _, check = trainings.certified(case, network, *OPTIONS[optimizer], STEPS, passes)

    check()


def test_the_article_in_10_000_steps(
    trainings: Trainings, article: Article, golden: Golden
) -> None:
    """Every update is right. The cell's digits are the losses' agreement with the proven ones."""
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
    """Every AdamW step is right; the loss falls below its start and that of a uniform guess."""
    options = {**ADAM, "weight_decay": 0.01}
    record, _, check = trainings.certified("gpt", "gpt", "adamw", options, SENTENCE_STEPS)

    check()
    assert np.mean(record.losses[-10:]) < np.mean(record.losses[:10])
    assert np.mean(record.losses[-10:]) < np.log(len(set(TEXT)))
