"""The ball of each link, made by the reference's own ops of the framework's own numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules, Trace
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import Array
from backproof.reference.optimizers import sgd
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.parts import Parts
from backproof.reference.verdict.room import ENOUGH, Recent, Room, Several


@dataclass(frozen=True, slots=True)
class Update:
    """A framework's parameters after the update that follows the pass.

    updated: every trained parameter -> its next value. eta: the learning rate.
    """

    updated: Mapping[str, Array]
    eta: float


@dataclass(slots=True)
class Balls:
    """The balls of links, made of the framework's own numbers.

    network:   what was run. leaves: every input and parameter, as the framework was given it.
    trace:     what it computed, in the dtype of the precision.
    precision: the one asked for.
    precisions: leaf or node -> its precision, where that is another one.
    radii:     constant that the program computes itself -> how far it may be from its exact value
               when it is computed again, in float64.
    plain:     the trace of a pass without probes, which has no cotangents; None: no such pass was
               run.
    update:    the step after the pass, if it is to be certified too.
    scale:     the loss scale: the derivative of what was differentiated with respect to the loss.
    number:    (array, precision asked for, precision p) -> the array as an operand in p.
    room:      where arrays are kept.
    balls:     the operands that were made last.
    parts:     keeps what nodes hand on, each in each of its forms; None where one form is tried.
    inside:    the precision in which calls of its format work that hand on to a wider array; None:
               the one in which their steps are tried first.
    handed_on: what nodes handed on last, by the form in which they did, while forms were tried.
    nodes:     the network's, by name.
    consumers: leaf or node -> the nodes that it enters.
    """

    network: Network
    leaves: Mapping[str, Array]
    trace: Trace
    precision: Precision
    plain: Trace | None = None
    update: Update | None = None
    scale: float = 1.0
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    radii: Mapping[str, Array] = field(default_factory=dict)
    number: Callable[[Array, Precision, Precision], Any] = field(default_factory=lambda: as_read)
    room: Room = ENOUGH
    balls: dict[tuple[Quantity, Precision], Any] = field(default_factory=Recent)
    parts: Parts | None = None
    inside: Precision | None = None
    handed_on: dict[Any, Several] = field(init=False)
    nodes: dict[str, Node] = field(init=False)
    consumers: dict[str, list[Node]] = field(init=False)

    def __post_init__(self) -> None:
        self.handed_on = self.room.recent()
        self.nodes = {node.name: node for node in self.network.nodes}
        self.consumers = {}
        for node in self.network.nodes:
            for name in dict.fromkeys(node.inputs):
                self.consumers.setdefault(name, []).append(node)

    def of(self, name: str) -> Precision:
        """Return the precision of a leaf or node: of its value, and of what it receives."""
        return self.precisions.get(name, self.precision)

    def own(self, name: str) -> Precision:
        """Return the precision in which the steps that make an array are tried first."""
        return self.of(name).steps

    def steps(self, node: Node, name: str, p: Precision) -> Precision:
        """Return the precision of a node's steps where those that make an input's array are in p.

        It is p, unless the node computes in another precision than the input is in.
        """
        if self.of(node.name) == self.of(name):
            return p
        own = self.own(node.name)
        if self.inside and self.inside.name == self.of(node.name).name:
            own = self.inside
        return own.zeroing() if p.zeroes else own.flushing() if p.flushes else own

    def ball(
        self, quantity: Quantity, p: Precision, rules: Rules = RIGHT, update: Any = sgd
    ) -> Ball:
        """Return the ball of a quantity in a precision, by some rules and some update rule."""
        if quantity.kind == "update":
            return self.next(quantity.of, p, update)
        if quantity.kind == "derivative":
            return self.receives(quantity.of, p, rules)
        return self.value(quantity.of, p, rules)

    def seen(self, quantity: Quantity) -> Any:
        """Return the framework's array of a quantity; None where there is none."""
        name = quantity.of
        if quantity.kind == "update":
            return self.update.updated.get(name) if self.update else None
        trace = self.trace if quantity.probes or self.plain is None else self.plain
        if quantity.kind == "value":
            return self.leaves[name] if name in self.leaves else trace.values.get(name)
        known = trace.cotangents if name in self.nodes else trace.gradients
        return known.get(name)

    def value(self, name: str, p: Precision, rules: Rules = RIGHT) -> Ball:
        """Return the ball of a node's value."""
        node = self.nodes[name]
        return self.rounded(rules.value(node, self.values_of(node.inputs, p)), self.of(name))

    def hands_on(self, node: Node, p: Precision, rules: Rules) -> tuple[Ball, ...]:
        """Return the balls of what a node hands on to its inputs, in their order."""
        dy = self.operand(Quantity("derivative", node.name), p)
        handed_on = rules.hands_on(node, dy, self.known(node, p))
        own, pairs = self.of(node.name), zip(node.inputs, handed_on, strict=True)
        return tuple(self.arrived(d, own, self.of(name), p) for name, d in pairs)

    def hands_on_once(self, node: Node, p: Precision, rules: Rules) -> Sequence[Ball]:
        """Return the same; while forms are tried, it is kept for the node's other inputs."""
        if self.parts is None:
            return self.hands_on(node, p, rules)
        key = node.name, p, rules.op(node).backward, type(rules), self.inside
        if key not in self.handed_on:
            self.handed_on[key] = Several(self.hands_on(node, p, rules))
        return self.handed_on[key]

    def arrived(self, d: Any, own: Precision, of: Precision, p: Precision) -> Any:
        """Return what a node of a precision hands on, as an input of another one receives it.

        p: the precision of the node's steps.
        """
        d = self.rounded(d, own)
        if own == of or not isinstance(d, Ball):
            return d
        of = of.flushing() if p.flushes else of
        return d.into(of) if own.digits > of.digits else Ball(d.mid, d.rad, of)

    def known(self, node: Node, p: Precision) -> dict[str, Ball]:
        """Return the values that a node's backward function takes: its own, and its inputs'."""
        return self.values_of((node.name, *node.inputs), p)

    def values_of(self, names: Iterable[str], p: Precision) -> dict[str, Ball]:
        """Return the values of nodes and leaves, as operands."""
        return {name: self.operand(Quantity("value", name), p) for name in names}

    def rounded(self, result: Any, own: Precision) -> Any:
        """Return an op's result in its own precision; numbers that are no balls, as they are."""
        return as_result(result, own) if isinstance(result, Ball) else result

    def receives(self, name: str, p: Precision, rules: Rules = RIGHT) -> Ball:
        """Return the ball of what a node or leaf receives from its consumers (the loss: 1)."""
        if name == self.network.loss:
            shape = np.shape(self.seen(Quantity("value", name)))
            one: Ball = self.number(np.full(shape, self.scale), self.of(name), p)
            return one
        received = [
            d for node in reversed(self.consumers[name]) for d in self.part(node, name, p, rules)
        ]

        def add() -> Any:
            return rules.receive(name, received)

        ball: Ball = add() if self.parts is None else self.parts.total(received, rules, add)
        return ball

    def part(self, node: Node, name: str, p: Precision, rules: Rules) -> list[Any]:
        """Return what a node hands on to a node or leaf, once for each time that it uses it."""

        def make() -> list[Any]:
            handed_on = self.hands_on_once(node, self.steps(node, name, p), rules)
            return [d for user, d in zip(node.inputs, handed_on, strict=True) if user == name]

        return make() if self.parts is None else self.parts.of(node, p, rules, make)

    def next(self, name: str, p: Precision, update: Any = sgd) -> Ball:
        """Return the ball of a parameter after the update."""
        eta = self.update.eta if self.update else np.nan
        w, gradient = (self.operand(Quantity(kind, name), p) for kind in ("value", "derivative"))
        ball: Ball = self.rounded(update(w, gradient, eta), self.of(name))
        return ball

    def operand(self, quantity: Quantity, p: Precision) -> Any:
        """Return a framework's array as an operand: itself, or as a lower precision reads it."""
        array, own = self.seen(quantity), self.of(quantity.of)
        if p.digits < own.digits or p.zeroes:
            return self.number(array, own, p)
        ball = self.balls.get((quantity, p))
        if ball is None:
            self.balls[quantity, p] = ball = self.number(array, own, p)
        return ball


def as_read(array: Array, asked: Precision, p: Precision) -> Ball:
    """Return numbers of the precision that was asked for, as the precision p reads them."""
    if p.digits < asked.digits:
        return Ball.rounded(array, p)
    if p.zeroes:
        size = np.abs(np.asarray(array, dtype=np.float64))
        return Ball.exact(np.where(size < p.minimum, 0, array), p)
    return Ball.exact(array, p).read()


def as_result(ball: Ball, own: Precision) -> Ball:
    """Return an op's result, rounded once into its precision if its steps used a wider one."""
    return ball.into(own) if ball.precision.digits > own.digits else ball.read()


def as_terms(array: Array, *_: Precision) -> Terms:
    """Return numbers as the sums of one term each."""
    return Terms.of(array)
