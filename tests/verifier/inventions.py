"""Invented faults: mistakes that the catalogue does not have, gross and small.

None of them may be given a catalogued fault's name. Each is planted in one array of one pass: the
value of a node, or what a node or leaf receives; or it is an op of other options, or an update.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules, sum_of
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.optimizers import sgd
from backproof.reference.verdict.balls import Update
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.passes import certify
from backproof.reference.verdict.replay import Replay
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.planting import ETA, NETWORKS, run

Change = Callable[[Array, np.random.Generator], Array]


def entry(change: Callable[[Any, np.random.Generator], Any]) -> Change:
    """Return the change of one drawn entry."""

    def changed(a: Array, rng: np.random.Generator) -> Array:
        b = a.copy()
        at = tuple(rng.integers(size) for size in a.shape)
        b[at] = change(a[at], rng)
        return b

    return changed


def mixed(a: Array, rng: np.random.Generator) -> Array:
    """Return an array in which two drawn entries are replaced by their mean."""
    b = a.copy().ravel()
    at = rng.choice(a.size, size=min(2, a.size), replace=False)
    b[at] = np.mean(b[at])
    return b.reshape(a.shape)


def shifted(a: Array, _: np.random.Generator) -> Array:
    """Return an array whose entries are off by one along its last axis."""
    return np.roll(a, 1, axis=-1) if a.ndim else a


def noisy(size: float) -> Change:
    """Return the change of every entry by a relative error of a size."""
    return lambda a, rng: a * (1 + size * rng.standard_normal(a.shape))


ARRAYS: Mapping[str, Change] = {
    "factor of 0.7 to 1.8": lambda a, rng: a * rng.choice([0.71, 0.87, 1.13, 1.37, 1.83]),
    "factor of 1.01": lambda a, _: a * 1.01,
    "factor of 1.001": lambda a, _: a * 1.001,
    "factor of 1 + 1e-6": lambda a, _: a * (1 + 1e-6),
    "factor of 1 + 1e-9": lambda a, _: a * (1 + 1e-9),
    "one entry times 0.5 to 1.9": entry(lambda x, rng: x * rng.uniform(0.5, 1.9)),
    "one entry 1.001 times": entry(lambda x, _: x * 1.001),
    "one entry off by 1e-7": entry(lambda x, _: x * (1 + 1e-7)),
    "one entry another number": entry(lambda _, rng: rng.standard_normal()),
    "two entries mixed": mixed,
    "indices off by one": shifted,
    "noise of 10%": noisy(0.1),
    "noise of 1e-3": noisy(1e-3),
    "noise of 1e-8": noisy(1e-8),
    "constant added": lambda a, _: a + 0.01,
    "cube root": lambda a, _: np.cbrt(a),
    "absolute value, damped": lambda a, _: 0.9 * np.abs(a),
    "decay of 1e-9": lambda a, rng: a + 1e-9 * rng.standard_normal(a.shape),
    "digits cut to 20 bits": lambda a, _: np.trunc(a * 2.0**20) / 2.0**20,
}
"""Name -> what is done to an array."""

OPTIONS: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "eps": {"another eps": lambda eps: 0.37 * eps, "a tenth of eps": lambda eps: eps / 10},
    "negative_slope": {"another slope": lambda slope: 1.07 * slope},
    "alpha": {"another alpha": lambda alpha: 0.93 * alpha},
    "beta": {"another beta": lambda beta: 1.001 * beta},
    "factor": {"another scale": lambda factor: factor + 1e-4},
    "delta": {"another delta": lambda delta: 0.83 * delta},
    "pos_weight": {"another weight": lambda weight: 1.03 * weight},
    "label_smoothing": {"another smoothing": lambda eps: eps + 0.013},
}
"""Option -> name -> the value that it has instead."""

UPDATES: Mapping[str, Callable[..., Any]] = {
    "a decay of 1e-9": lambda w, g, eta: w - eta * (g + 1e-9 * w),
    "decay of 1%": lambda w, g, eta: w - eta * (g + 0.01 * w),
    "rate 1.001 times": lambda w, g, eta: w - 1.001 * eta * g,
    "rate 0.7 times": lambda w, g, eta: w - 0.7 * eta * g,
}
"""Name -> the update."""

KINDS = (*ARRAYS, *(kind for of in OPTIONS.values() for kind in of), *UPDATES)
"""Every kind of invented fault."""

SCENES: Mapping[str, Callable[[], Network]] = {
    **{name: partial(NETWORKS.__getitem__, name) for name in NETWORKS},
    **{
        name: partial(case.network, 0)
        for name, case in OP_CASES.items()
        if name.endswith("/ordinary")
    },
}
"""Name -> the network that a fault is planted in."""


@dataclass(frozen=True, slots=True)
class Off(Rules):
    """Rules under which one node's value is changed."""

    node: str = ""
    change: Callable[[Array], Array] = lambda a: a

    def value(self, node: Node, known: Mapping[str, Any]) -> Any:
        """Return a node's value, changed if it is the one."""
        found = Rules.value(self, node, known)
        return self.change(found) if node.name == self.node else found


@dataclass(frozen=True, slots=True)
class Invention:
    """One invented fault, planted.

    kind: what it is called. scene: the network's name. at: the quantity or the op that is wrong.
    """

    kind: str
    scene: str
    at: str
    certificate: Certificate
    found: list[Diagnosis]

    @property
    def is_seen(self) -> bool:
        """Whether some link is not inside."""
        return any(link.verdict != "inside" for link in self.certificate.links)

    @property
    def is_degraded(self) -> bool:
        """Whether some link is taken for a lower precision's."""
        return any(link.verdict == "degraded" for link in self.certificate.links)

    @property
    def is_related(self) -> bool:
        """Whether some link is said to be related to what was expected."""
        return any("what was expected" in one.evidence for one in self.found)

    @property
    def names(self) -> list[str]:
        """All names that it was given, every one of them false."""
        return [name for one in self.found for name in one.faults]


def inventions(precision: str, n: int) -> Iterator[Invention]:
    """Yield n invented faults, each at a drawn place."""
    options = {kind: (name, change) for name, of in OPTIONS.items() for kind, change in of.items()}
    for i in range(n):
        rng, kind = np.random.default_rng(i), KINDS[i % len(KINDS)]
        scene = str(rng.choice([name for name, network in SCENES.items() if fits(kind, network())]))
        network = SCENES[scene]()
        rules, update, at = RIGHT, sgd, kind
        if kind in ARRAYS:
            at, rules = off(network, partial(changed, ARRAYS[kind], seed=i), rng)
        elif kind in UPDATES:
            update = UPDATES[kind]
        else:
            option, change = options[kind]
            at, rules = other(network, option, change, rng)
        yield planted(kind, scene, at, rules, update, precision)


def fits(kind: str, network: Network) -> bool:
    """Return whether a kind of fault can be planted in a network."""
    asked = [option for option, of in OPTIONS.items() if kind in of]
    return (
        kind in ARRAYS
        or (kind in UPDATES and bool(network.trained))
        or any(has(node, option) for node in network.nodes for option in asked)
    )


def changed(change: Change, a: Array, seed: int) -> Array:
    """Return an array changed, in its own precision."""
    wide = np.asarray(a).astype(float)
    return np.asarray(change(wide, np.random.default_rng(seed))).astype(np.asarray(a).dtype)


def off(
    network: Network, change: Callable[[Array], Array], rng: np.random.Generator
) -> tuple[str, Rules]:
    """Return a drawn quantity, and the rules under which it is changed."""
    nodes = [node.name for node in network.nodes]
    if rng.random() < 1 / 4:
        at = str(rng.choice(nodes))
        return at, Off(node=at, change=change)
    at = str(rng.choice([*nodes, *network.inputs, *network.parameters]))

    def receive(name: str, handed_on: list[Any]) -> Any:
        right = sum_of(handed_on)
        return change(right) if name == at else right

    return f"dE/d{at}", Rules(receive=receive)


FLOOR = ("normalize", "eps")
"""An op and its option that is the least of several numbers: every smaller one gives the same."""


def has(node: Node, option: str) -> bool:
    """Return whether a node's op has an option that is a number, and matters, at this node."""
    if (node.op, option) == FLOOR:
        return False
    found = signature(OPS[node.op].forward).parameters.get(option)
    return found is not None and isinstance(node.options.get(option, found.default), float)


def other(
    network: Network, option: str, change: Callable[[Any], Any], rng: np.random.Generator
) -> tuple[str, Rules]:
    """Return a drawn op that has an option, and the rules under which it has another value."""
    op = str(rng.choice([node.op for node in network.nodes if has(node, option)]))
    right = OPS[op]
    default = signature(right.forward).parameters[option].default

    def given(options: Mapping[str, Any]) -> dict[str, Any]:
        return {**options, option: change(options.get(option, default))}

    wrong = Op(
        lambda *x, **o: right.forward(*x, **given(o)),
        lambda *a, **o: right.backward(*a, **given(o)),
    )
    return op, Rules(ops={**OPS, op: wrong})


def planted(kind: str, scene: str, at: str, rules: Rules, update: Any, precision: str) -> Invention:
    """Plant an invented fault, certify, diagnose."""
    network = SCENES[scene]()
    leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
    trace, updated = run(network, leaves, precision, rules, update)
    own = Update(updated, ETA)
    certificate = certify(network, leaves, trace, precision, None, own)
    replay = Replay(network, leaves, trace, PRECISIONS[precision], None, own)
    found = list(diagnose(replay, certificate, catalogue(network).values()))
    return Invention(kind, scene, at, certificate, found)
