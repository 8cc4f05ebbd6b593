"""The diagnosis of a refuted link: a fault's name, a simple relation, or that there is none."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import backprop
from backproof.reference.networks import mlp
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.passes import certify
from backproof.reference.verdict.replay import Replay

NETWORK = mlp((4, 5, 5, 2), "tanh", "mean_squared_error", batch=3, seed=1)


def diagnoses(changes: dict[str, Callable[[Any], Any]]) -> list[Diagnosis]:
    """Return the diagnoses of a trace whose gradients are changed."""
    leaves = NETWORK.leaves(np.asarray)
    trace = backprop(NETWORK, leaves)
    for name, change in changes.items():
        trace.gradients[name] = change(trace.gradients[name])
    certificate = certify(NETWORK, leaves, trace, "float64")
    replay = Replay(NETWORK, leaves, trace, FLOAT64)
    return list(diagnose(replay, certificate, catalogue(NETWORK).values()))


def shaken(g: Any) -> Any:
    """Return the gradient with noise of its own size."""
    return g + np.random.default_rng(0).standard_normal(g.shape)


def set_entries(g: Any) -> Any:
    """Return the gradient with two entries that are wrong."""
    changed = g.copy()
    changed[1, 2], changed[3, 3] = 7.0, -7.0
    return changed


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("W2", lambda g: 3 * g, "dE/dW2 is 3 times what was expected: all 25 of 25 entries"),
        ("W2", lambda g: g / 4, "dE/dW2 is 0.25 times what was expected: all 25 of 25 entries"),
        ("W2", lambda g: -8 * g, "dE/dW2 is -8 times what was expected: all 25 of 25 entries"),
        ("x", lambda g: -g, "dE/dx is what was expected, negated: all 12 of 12 entries"),
        ("W2", lambda g: g.T, "dE/dW2 is dz^T x, read as (I, O): all 25 of 25 entries"),
        ("x", lambda g: g[::-1], "dE/dx is what was expected, rows reversed"),
        ("W3", lambda g: g[:, ::-1], "dE/dW3 is what was expected, columns reversed"),
        ("W2", set_entries, "only 2 of 25 entries are wrong, at [1, 2], [3, 3]: dE/dW2"),
        ("W2", shaken, "no simple relation explains it: dE/dW2"),
        ("W2", lambda g: g * np.where(g == g[0, 0], np.nan, 1), "expected a finite number"),
    ],
)
def test_relation(name: str, change: Callable[[Any], Any], said: str) -> None:
    """The evidence says how the numbers seen are related to the numbers expected."""
    (found,) = diagnoses({name: change})

    assert found.link.name == f"dE/d{name}"
    assert found.evidence.startswith(said)
    assert said.partition(":")[0] in str(found)


def test_the_message() -> None:
    """The message names the link, the fault, its result, and how many entries it explains."""
    (found,) = diagnoses({"b1": lambda g: 2 * g, "b2": lambda g: 2 * g, "b3": lambda g: 2 * g})

    assert str(found) == (
        "dE/db3: dense: bias gradient added twice or gradient accumulated twice: "
        "dE/db3 is twice the sum of dz: all 2 of 2 entries, and likewise dE/db2, dE/db1"
    )


def test_two_faults_are_two_findings() -> None:
    """Links that the first fault does not explain get a finding of their own."""
    found = diagnoses({"W1": lambda g: g / 3, "b2": lambda g: 2 * g})

    assert [one.link.name for one in found] == ["dE/db2", "dE/dW1"]
    assert found[0].faults[0] == "dense: bias gradient added twice"
    assert found[1].faults[0] == "dense: mean for sum over the batch"
