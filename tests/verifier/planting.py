"""Faults planted in the reference, posing as a framework, and the suite's verdicts on them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np

from backproof.reference.article.figures import load
from backproof.reference.backprop import RIGHT, Rules, Trace, backprop
from backproof.reference.network import Network, Node
from backproof.reference.networks import mlp
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.ops import Array, Op
from backproof.reference.optimizers import sgd
from backproof.reference.verdict.balls import Update
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import Diagnosis, diagnose
from backproof.reference.verdict.faults import Fault, catalogue
from backproof.reference.verdict.link import Kind, Link, Quantity
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.ways import Form
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
    "special": small.special(),
    "equations": small.equations(),
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


@dataclass(slots=True)
class Beside(Replay):
    """Replays a pass beside the right one: what follows from the same numbers is made only once.

    right:    the replay of the right pass. verdicts: quantity -> its link there.
    made:     the balls and forms that follow from the right pass's numbers, shared by all passes.
    same:     quantity -> whether both passes have the same array.
    """

    right: Replay = field(kw_only=True)
    verdicts: Mapping[Quantity, Link] = field(kw_only=True)
    made: dict[Any, Any] = field(kw_only=True)
    same: dict[Quantity, bool] = field(default_factory=dict, kw_only=True)

    def link(
        self, quantity: Quantity, needed: Iterable[Quantity], make: Callable[[], Ball]
    ) -> Link:
        """Return the verdict on a link: that on the right pass, where all numbers are the same."""
        needed = [*needed]
        if self.are_same([quantity, *needed]):
            return self.verdicts[quantity]
        return Replay.link(self, quantity, needed, make)

    def ball(
        self, quantity: Quantity, p: Precision, rules: Rules = RIGHT, update: Any = sgd
    ) -> Ball:
        """Return the ball of a quantity; those of the right pass's numbers are made once."""
        nodes = [self.nodes[quantity.of]] if quantity.of in self.nodes else []
        if quantity.kind == "derivative":
            nodes = self.consumers.get(quantity.of, [])
        own = partial(Replay.ball, self, quantity, p, rules, update)
        if quantity.kind == "update" or not self.are_same(self.operands(quantity, nodes)):
            return own()
        return self.once((quantity, p, self.number), (rules, update), own)

    def hands_on(self, node: Node, p: Precision, rules: Rules) -> tuple[Ball, ...]:
        """Return what a node hands on; what follows from the right pass's numbers is made once."""
        own = partial(Replay.hands_on, self, node, p, rules)
        if not self.are_same(self.operands(Quantity("derivative", node.name), [node])):
            return own()
        return self.once((node.name, p, self.number), (rules,), own)

    def rules(self, quantity: Quantity) -> dict[Form, Rules]:
        """Return the rules of each form, made once, so that their balls are."""
        return self.once(quantity, (), partial(Replay.rules, self, quantity))

    def once(self, key: Any, by: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return what was made for a key by some rules, which are told apart by identity."""
        whole = (key, *map(id, by))
        if whole not in self.made:
            self.made[whole] = by, make()  # what is kept keeps its identity
        return self.made[whole][1]

    def operands(self, quantity: Quantity, nodes: Iterable[Node]) -> Iterator[Quantity]:
        """Yield what a quantity is made of by some nodes."""
        for node in nodes:
            yield from (Quantity("value", name) for name in node.inputs)
            if quantity.kind == "derivative":
                yield from (Quantity(kind, node.name) for kind in KINDS)

    def are_same(self, quantities: Iterable[Quantity]) -> bool:
        """Return whether arrays have the same numbers in both passes; NaN is not the same."""
        return all(map(self.is_same, quantities))

    def is_same(self, quantity: Quantity) -> bool:
        """Return whether one array has the same numbers in both passes."""
        if quantity not in self.same:
            self.same[quantity] = np.array_equal(self.seen(quantity), self.right.seen(quantity))
        return self.same[quantity]


KINDS: tuple[Kind, ...] = ("value", "derivative")
"""What a node's backward function takes of it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the faults of one network share.

    faults: name -> fault, of the whole catalogue. right: the replay of the second of two steps,
    without a fault. verdicts: quantity -> its link there. made: see `Beside`.
    """

    faults: Mapping[str, Fault]
    right: Replay
    verdicts: Mapping[Quantity, Link]
    made: dict[Any, Any] = field(default_factory=dict)

    def plant(self, fault: Fault) -> Planted:
        """Plant one fault, certify, diagnose."""
        replay = self.replay(fault)
        certificate = certify_passes(replay)
        found = list(diagnose(replay, certificate, self.faults.values()))
        return Planted(fault, replay, certificate, found)

    def refutes(self, fault: Fault) -> bool:
        """Return whether a link that a fault changes is not inside."""
        replay = self.replay(fault)
        changed = (one for one in self.verdicts if fault.changes(replay.network, one))
        pairs = ((one, replay.ball(one, replay.own(one.of))) for one in changed)
        return any(replay.judge(*pair).verdict != "inside" for pair in pairs)

    def replay(self, fault: Fault) -> Beside:
        """Return the replay of the step with a fault."""
        network, leaves, precision = self.right.network, self.right.leaves, self.right.precision
        parts = step(network, leaves, precision.name, fault)
        return Beside(*parts, right=self.right, verdicts=self.verdicts, made=self.made)


@cache
def plant_all(name: str, precision: str = "float64") -> list[Planted]:
    """Return every fault of the catalogue, planted in the reference posing as a framework.

    name: of the network, a key of NETWORKS. precision: the name of the one it computes in.
    """
    ground = ground_of(name, precision)
    return [ground.plant(fault) for fault in ground.faults.values()]


@cache
def ground_of(name: str, precision: str = "float64") -> Ground:
    """Return a network with its faults, after a first step."""
    network = NETWORKS[name]
    leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
    first, updated = run(network, leaves, precision)
    gradients = {f"dE/d{name}": g for name, g in first.gradients.items()}
    faults = catalogue(network, {**leaves, **first.values, **gradients})
    right = Replay(*step(network, {**leaves, **updated}, precision))
    return Ground(faults, right, {link.quantity: link for link in right.certificate().links})


def step(
    network: Network, leaves: Mapping[str, Any], precision: str, fault: Fault | None = None
) -> tuple[Network, Mapping[str, Any], Trace, Precision, None, Update]:
    """Return what a replay is made of: a step of the reference, with a fault or without."""
    rules, update = (fault.rules, fault.update) if fault else (RIGHT, sgd)
    trace, updated = run(network, leaves, precision, rules, update)
    return network, leaves, trace, PRECISIONS[precision], None, Update(updated, ETA)


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
