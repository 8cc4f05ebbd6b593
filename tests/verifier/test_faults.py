"""No classical mistake gets past the certificate, and each is called by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reference.article import Article
from reference.backprop import RIGHT, Rules, backprop
from reference.network import Network
from reference.networks import mlp
from reference.numbers.exact import exact, workprec
from reference.numbers.precision import FLOAT64, Precision
from reference.training import iterations
from reference.verdict.certificate import Certificate, Replay, Update, certify
from reference.verdict.diagnosis import Diagnosis, diagnose
from reference.verdict.faults import Fault, catalogue
from tests.verifier.difference import close
from tests.verifier.networks import shared

ETA = 0.5
NETWORKS = {
    "article": None,
    "sigmoid": mlp((3, 5, 4, 2), "sigmoid", "half_squared_error", batch=4, seed=1),
    "tanh": mlp((4, 6, 3, 2), "tanh", "mean_squared_error", batch=3, seed=2),
    "relu": mlp((4, 7, 5, 3), "relu", "softmax_cross_entropy", batch=5, seed=3),
    "shared": shared(),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault planted in the second of two steps, and what the suite says of it."""

    fault: Fault
    replay: Replay
    certificate: Certificate
    found: list[Diagnosis]

    @property
    def red(self) -> list[str]:
        """Names of the links that are not inside."""
        return [link.name for link in self.certificate.links if link.verdict != "inside"]

    @property
    def changed(self) -> list[str]:
        """Names of the links that the fault computes otherwise."""
        network = self.replay.network
        return [ln.name for ln in self.certificate.links if self.fault.changes(network, ln.name)]


def plant_all(network: Network) -> list[Planted]:
    """Return every fault of the catalogue, planted in the reference posing as a framework."""
    leaves = network.leaves(lambda a: np.asarray(a).astype(float))
    first = next(iterations(network, leaves, ETA))
    gradients = {f"dE/d{name}": g for name, g in first.trace.gradients.items()}
    faults = catalogue(network, {**first.leaves, **first.trace.values, **gradients})
    second = {**first.leaves, **first.updated}
    return [plant(network, second, fault, faults) for fault in faults.values()]


def plant(
    network: Network, leaves: Mapping[str, Any], fault: Fault, faults: Mapping[str, Fault]
) -> Planted:
    """Plant one fault, certify, diagnose."""
    trace = backprop(network, leaves, fault.rules)
    updated = {
        name: fault.update(leaves[name], trace.gradients[name], ETA)
        for name in sorted(network.trained)
    }
    update = Update(updated, ETA)
    certificate = certify(network, leaves, trace, "float64", None, update)
    replay = Replay(network, leaves, trace, FLOAT64, {}, update)
    found = list(diagnose(replay, certificate, faults.values()))
    return Planted(fault, replay, certificate, found)


@pytest.fixture(scope="module", params=NETWORKS)
def planted(request: pytest.FixtureRequest, article: Article) -> list[Planted]:
    """Every fault, planted on one network."""
    network = NETWORKS[request.param] or article.network
    return plant_all(network)


class OverBalls(Replay):
    """Replays links over Arb balls: what they give exactly, for what the framework says."""

    def operand(self, name: str, p: Precision) -> Any:  # noqa: ARG002 no precision: exactly
        """Return a framework's number, exactly."""
        return exact(self.leaves[name] if name in self.leaves else self.seen(name))


def is_invisible(planted: Planted, link: str) -> bool:
    """Return whether wrong and right give the same at a link, proven in Arb balls."""
    of = planted.replay
    replay = OverBalls(of.network, of.leaves, of.trace, of.precision, of.plain, of.update)

    def gives(rules: Rules, **update: Any) -> Any:
        return replay.ball(link, FLOAT64, rules, **update)

    with workprec():
        return close(gives(RIGHT), gives(planted.fault.rules, update=planted.fault.update))


def test_no_fault_gets_past(planted: list[Planted]) -> None:
    """Every link that a fault changes is refuted, or is proven to be unchanged by it.

    And no other link is: a fault is refuted where it is, not downstream.
    """
    for one in planted:
        assert set(one.red) <= set(one.changed), one.fault.name
        if any(link.problem for link in one.certificate.links):
            continue  # NaN: the certificate ends there
        for link in one.changed:
            assert link in one.red or is_invisible(one, link), (one.fault.name, link)


def test_faults_are_located_and_named(planted: list[Planted]) -> None:
    """Of the visible faults at least 95% are located, and 90% named among the first two."""
    visible = [one for one in planted if one.red]
    located = [one for one in visible if one.found[0].link.name == one.red[0]]
    named = [one for one in visible if one.fault.name in one.found[0].faults[:2]]
    missed = [one.fault.name for one in visible if one not in named]

    assert len(located) >= 0.95 * len(visible)
    assert len(named) >= 0.9 * len(visible), missed


def test_one_fault_is_one_finding(planted: list[Planted]) -> None:
    """The links that a fault explains are its own: no second finding for the same fault."""
    several = [one.fault.name for one in planted if len(one.found) > 1]

    assert several == []


def test_the_catalogue_is_large(article: Article) -> None:
    """Forty faults or more, every one with a sentence and a source."""
    found = {}
    for network in NETWORKS.values():
        found |= catalogue(network or article.network, {})

    assert len(found) >= 40
    assert all(fault.gives and fault.source for fault in found.values())
