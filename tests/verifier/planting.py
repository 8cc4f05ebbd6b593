"""Faults planted in the reference, posing as a framework, and the suite's verdicts on them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from backproof.reference.article.figures import load
from backproof.reference.backprop import backprop
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.training import iterations
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import Fault, catalogue
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.passes import certify
from backproof.reference.verdict.replay import Replay, Update
from tests.verifier import small
from tests.verifier.networks import shared

ETA = 0.5


def zeros() -> Network:
    """Return a ReLU network with many net inputs that are exactly zero."""
    x = [[0.0, 1.0, -1.0], [2.0, 0.0, 0.0], [0.0, -3.0, 0.5]]
    network = mlp((3, 3, 2), "relu", "mean_squared_error", seed=6, inputs=x)
    parameters = {**network.parameters, "W1": np.eye(3), "b1": np.zeros(3)}
    return replace(network, parameters=parameters, trained=frozenset({"W2", "b2"}))


NETWORKS = {
    "article": load().network,
    "sigmoid": mlp((3, 5, 4, 2), "sigmoid", "half_squared_error", batch=4, seed=1),
    "tanh": mlp((4, 6, 3, 2), "tanh", "mean_squared_error", batch=3, seed=2),
    "relu": mlp((4, 7, 5, 3), "relu", "softmax_cross_entropy", batch=5, seed=3),
    "shared": shared(),
    "zeros": zeros(),
    "images": small.images(),
    "pools": small.pools(),
    "activations": small.activations(),
    "arithmetic": small.arithmetic(),
    "detector": small.detector(),
    "gpt": small.transformer("composed"),
    "gpt-fused": small.transformer("fused"),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault planted in the second of two steps, with its certificate and its diagnoses."""

    fault: Fault
    replay: Replay
    certificate: Certificate
    found: list[Diagnosis]

    @property
    def red(self) -> list[Quantity]:
        """The quantities of the links that are judged and not inside."""
        wrong = (link for link in self.certificate.links if link.verdict != "inside")
        return [link.quantity for link in wrong if not link.is_not_judged]

    @property
    def is_located(self) -> bool:
        """Whether the first link that is not inside is one that the fault changes."""
        return bool(self.red) and self.red[0] in self.changed

    @property
    def is_named(self) -> bool:
        """Whether the diagnosis of that link names the fault among the first two."""
        return bool(self.found) and self.fault.name in self.found[0].faults[:2]

    @property
    def changed(self) -> list[Quantity]:
        """The quantities that the fault computes differently."""
        network = self.replay.network
        every = [link.quantity for link in self.certificate.links]
        return [quantity for quantity in every if self.fault.changes(network, quantity)]


@cache
def plant_all(name: str) -> list[Planted]:
    """Return every fault of the catalogue, planted in the reference posing as a framework.

    name: of the network, a key of NETWORKS.
    """
    network = NETWORKS[name]
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
    replay = Replay(network, leaves, trace, FLOAT64, None, update)
    found = list(diagnose(replay, certificate, faults.values()))
    return Planted(fault, replay, certificate, found)
