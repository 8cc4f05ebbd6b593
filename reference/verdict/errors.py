"""How far rounding may take each value and each cotangent of a pass, given those before it.

The reference sweeps back in float64 from the values that the pass computed. The properties of a
link say how the pass was seen to compute it; the ball that holds it so bounds its error.
"""

from collections import Counter
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision
from backproof.reference.ops import Array
from backproof.reference.verdict.balls import as_read
from backproof.reference.verdict.deciding import radii
from backproof.reference.verdict.forms import of_op
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.recomputed import AGAIN
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.room import Made
from backproof.reference.verdict.ways import widest

InForms = tuple[Sequence[Sequence[Ball]], Sequence[Sequence[Ball]]]
"""What a node hands on to all of its inputs, in each form; and again, with subnormals as zeros."""

HandedOn = dict[Any, Any]
"""Precision and forms -> the `InForms` of what a node hands on; a form -> its float64 numbers."""

Named = Mapping[str, Any]
"""Leaf or node -> array of its shape; the number 0.0 where all of it is zero."""


@dataclass
class Errors:
    """The reference's own backward sweep over the values of a pass, and the errors of its links.

    replay: of the pass, whose values are inside. links: quantity -> the verdict on it; its
    properties are how the pass was seen to compute it.

    values: leaf or node -> its value in the pass, in float64.
    exact:  leaf or node -> dE/d(leaf or node), swept back in float64.
    errors: node -> how far its value may be off, given the values before it, once asked for.
    """

    replay: Replay
    links: Mapping[Quantity, Link] = field(default_factory=dict)
    values: Named = field(init=False)
    exact: MutableMapping[str, Any] = field(init=False)
    errors: MutableMapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Sweep back."""
        names = dict.fromkeys([*self.replay.leaves, *self.replay.nodes])
        self.values = Made(names, partial(in_float64, self.replay))
        self.errors, self.exact = (self.replay.room.arrays() for _ in range(2))
        shape = self.values[self.replay.network.loss].shape
        for name, d in self.swept(np.full(shape, self.replay.scale), self.float64_handed_on):
            self.exact[name] = d

    def swept(
        self, seed: Any, hands_on: Callable[[Node, int, HandedOn], Any]
    ) -> Iterator[tuple[str, Any]]:
        """Yield what each node and leaf receives. seed: what the loss does.

        hands_on: (node, the place of an input, what is made once for all inputs) -> what the node
        hands on to it.
        """
        network = self.replay.network
        yield network.loss, seed
        left = Counter(name for node in network.nodes for name in node.inputs)
        handed_on: dict[str, list[Any]] = {}
        for node in reversed(network.nodes):
            made: HandedOn = {}
            for position, name in enumerate(node.inputs):
                if name in network.constants and name not in self.radii:
                    continue
                handed_on.setdefault(name, []).append(hands_on(node, position, made))
                left[name] -= 1
                if not left[name]:
                    yield name, RIGHT.receive(name, handed_on.pop(name))

    def float64_handed_on(self, node: Node, position: int, made: HandedOn) -> Array:
        """Return what a node hands on to an input, in the form that was seen."""
        _, (form, *_) = self.way(node, Quantity("derivative", node.inputs[position]))
        if form not in made:
            made[form] = by(node, form).hands_on(node, self.exact[node.name], self.values)
        return np.asarray(made[form][position])

    def error(self, name: str) -> Array:
        """Return how far a node's value may be off, given the values before it."""
        if name in self.radii:
            return np.asarray(self.radii[name])
        if name not in self.errors:
            node = self.replay.nodes[name]
            p, forms = self.way(node, Quantity("value", name))
            operands = {name: self.operand(name, p) for name in node.inputs}
            balls = (by(node, form).value(node, operands) for form in forms)
            off = self.off(self.replay.rounded(ball, self.replay.of(name)) for ball in balls)
            self.errors[name] = off
        found: Array = self.errors[name]
        return found

    @cached_property
    def received(self) -> MutableMapping[str, Any]:
        """Leaf or node -> how far what it receives may be off, given the cotangents after it."""
        found, loss = self.replay.room.arrays(), self.replay.network.loss
        seed = Ball.exact(self.exact[loss], self.replay.of(loss))
        for name, ball in self.swept(seed, self.hands_on):
            found[name] = radii(ball)
        return found

    def off_by(self, name: str) -> Array:
        """Return how far what a leaf or node receives may be off, as above, of this one alone."""
        if name == self.replay.network.loss:
            return np.zeros(np.shape(self.exact[name]))
        parts = [
            self.hands_on(node, position, {})
            for node in reversed(self.replay.consumers[name])
            for position, user in enumerate(node.inputs)
            if user == name
        ]
        return radii(RIGHT.receive(name, parts))

    def float64(self, quantity: Quantity) -> Array:
        """Return what the pass computed, in float64."""
        return np.asarray(self.replay.seen(quantity), np.float64)

    @property
    def again(self) -> bool:
        """Whether the pass was seen to compute operands again."""
        return any(AGAIN in link.properties for link in self.links.values())

    @cached_property
    def rounded_otherwise(self) -> Collection[str]:
        """The values that may be rounded otherwise than those that are seen."""
        return (*self.replay.nodes, *self.radii) if self.again else ()

    @cached_property
    def radii(self) -> Named:
        """The radii of constants that may be rounded otherwise than those that are seen."""
        return self.replay.radii if self.again else {}

    def taking_again(self, names: Collection[str]) -> Self:
        """Return this sweep where the values of some nodes may have been computed again."""
        other = copy(self)
        other.rounded_otherwise = {*self.rounded_otherwise, *names}
        return other

    def way(self, node: Node, quantity: Quantity) -> tuple[Precision, tuple[str, ...]]:
        """Return in which precision and by which forms a node makes a quantity.

        The forms that were seen come first, the reference's own, which has no name, last.
        """
        properties = {*self.links[quantity].properties} if quantity in self.links else set[str]()
        seen = [form for form in node.rule.forms if {form, of_op(form, node.op)} & properties]
        return widest(self.replay.of(quantity.of), properties), (*seen, "")

    def operand(self, name: str, p: Precision) -> Ball:
        """Return a value as an operand: a subnormal may be zero if the precision flushes.

        It is rounded where the precision is lower than its own.
        """
        if p.digits < self.replay.of(name).digits:
            return Ball.rounded(self.values[name], p)
        return Ball.exact(self.values[name], p).read()

    def hands_on(self, node: Node, position: int, made: HandedOn) -> Ball:
        """Return the ball of what a node hands on to an input, around what float64 gives.

        made: what it hands on to all of its inputs, which is made once for all that ask for it.
        """
        name, replay = node.inputs[position], self.replay
        p, forms = self.way(node, Quantity("derivative", name))
        p = replay.steps(node, name, p)
        if (p, forms) not in made:
            made[p, forms] = self.handed_on(node, p, forms)
        found, zeroed = ([balls[position] for balls in ways] for ways in made[p, forms])
        own, of = replay.of(node.name), replay.of(name)

        def off(balls: Iterable[Ball]) -> Array:
            return self.off(replay.arrived(d, own, of, p) for d in balls)

        mid, rad = found[0].mid, off(found)
        for ball in zeroed:
            rad = np.maximum(rad, np.abs(ball.mid - mid) + off([ball]))
        return Ball(mid, rad, of)

    def handed_on(self, node: Node, p: Precision, forms: Sequence[str]) -> InForms:
        """Return what a node hands on to all inputs, in each form; and with subnormals as zeros.

        At a kink or a tie it matters whether a subnormal number is zero.
        """
        known = {name: self.operand(name, p) for name in node.inputs}
        # The backward function may use the node's own value, which has an error too.
        known[node.name] = Ball(self.values[node.name], 2 * self.error(node.name), p)
        dy = Ball.exact(self.exact[node.name], p)
        found = [by(node, form).hands_on(node, dy, known) for form in forms]
        if not p.zeroes:
            return found, []
        zeroed = {name: as_read(a.mid, p, p) for name, a in known.items()}
        return found, [by(node, forms[0]).hands_on(node, dy, zeroed)]

    def off(self, ways: Iterable[Ball]) -> Array:
        """Return the largest radius of the balls of one result in several forms."""
        return np.max([radii(ball) for ball in ways], axis=0)


def in_float64(replay: Replay, name: str) -> Array:
    """Return a value that the pass computed, in float64."""
    return np.asarray(replay.seen(Quantity("value", name)), np.float64)


def by(node: Node, form: str) -> Rules:
    """Return the rules by which a node is computed in a form."""
    return Rules(ops={node.op: node.rule.forms[form]}) if form else RIGHT
