"""Faults planted in the reference, posing as a framework, and the suite's verdicts on them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from backproof.reference.article.figures import load
from backproof.reference.backprop import RIGHT, Rules, Trace, backprop
from backproof.reference.network import Network
from backproof.reference.networks import mlp
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array, Op
from backproof.reference.optimizers import sgd
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
    "adaptive": small.adaptive(),
    "grouped": small.grouped(),
    "moves": small.moves(),
    "elementary": small.elementary(),
    "reductions": small.reductions(),
    "losses": small.losses(),
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
def plant_all(name: str, precision: str = "float64") -> list[Planted]:
    """Return every fault of the catalogue, planted in the reference posing as a framework.

    name: of the network, a key of NETWORKS. precision: the name of the one it computes in.
    """
    network = NETWORKS[name]
    leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
    first, updated = run(network, leaves, precision)
    gradients = {f"dE/d{name}": g for name, g in first.gradients.items()}
    faults = catalogue(network, {**leaves, **first.values, **gradients})
    second = {**leaves, **updated}
    return [plant(network, second, fault, faults, precision) for fault in faults.values()]


def plant(
    network: Network,
    leaves: Mapping[str, Any],
    fault: Fault,
    faults: Mapping[str, Fault],
    precision: str,
) -> Planted:
    """Plant one fault, certify, diagnose."""
    trace, updated = run(network, leaves, precision, fault.rules, fault.update)
    update = Update(updated, ETA)
    certificate = certify(network, leaves, trace, precision, None, update)
    replay = Replay(network, leaves, trace, PRECISIONS[precision], None, update)
    found = list(diagnose(replay, certificate, faults.values()))
    return Planted(fault, replay, certificate, found)


def run(
    network: Network,
    leaves: Mapping[str, Any],
    precision: str,
    rules: Rules = RIGHT,
    update: Any = sgd,
) -> tuple[Trace, dict[str, Array]]:
    """Return the reference's trace and its updated parameters, as computed in a precision.

    In bfloat16 and float16 every op is computed in float32, and its result rounded once.
    """
    p = PRECISIONS[precision]
    wide = (p.accumulator or p).dtype

    def widened(arrays: Any) -> Any:
        return (np.asarray(a).astype(wide) for a in arrays)

    def narrowed(a: Any) -> Array:
        return np.asarray(a).astype(p.dtype)

    def rounding(op: Op) -> Op:
        return Op(
            lambda *x, **o: narrowed(op.forward(*widened(x), **o)),
            lambda *a, **o: tuple(map(narrowed, op.backward(*widened(a), **o))),
        )

    with np.errstate(all="ignore"):
        ops = {name: rounding(op) for name, op in rules.ops.items()}
        own = replace(
            rules, ops=ops, receive=lambda name, d: narrowed(rules.receive(name, list(widened(d))))
        )
        trace = backprop(network, leaves, own)
        updated = {
            name: narrowed(update(*widened([leaves[name], trace.gradients[name]]), ETA))
            for name in sorted(network.trained)
        }
    return trace, updated
