"""The reference's own backward sweep over the values of a pass, and how far rounding may take it.

The reference sweeps back in float64 from the values that a pass computed. The pass's gradients may
differ from that sweep's only by what rounding its cotangents can cause, to first order (Linnainmaa,
Taylor expansion of the accumulated rounding error, BIT 16, 1976). For any direction u over a leaf,

    <u, g> moves by  sum_i <dy_i/dw u, c_i> + <u, c>                                       (1)

where w is the leaf, c_i the error of node i's cotangent and c that of the gradient. An error of a
cotangent goes back through the transposed derivatives: <u, (dy_i/dw)^T c_i> = <dy_i/dw u, c_i>,
and dy_i/dw u is the tangent of y_i along u. With u the sign of the difference, (1) bounds it in the
1-norm. It grows with depth only by what the network itself amplifies.

Every error is at most twice the radius of its link's ball, which holds both the exact result and
the pass's own; the reference's own sweep has errors too, of float64.

A compiler may compute values again inside a fused kernel, where they are rounded otherwise than the
values that are seen (`reference.verdict.recomputed`). An error e_i of a value acts as a probe at
y_i: by the symmetry of second derivatives, the slope of <u, g> along it is R_u dE/dy_i, the tangent
of the cotangent. So (1) has one more term,

    sum_i <R_u dE/dy_i, e_i>.                                                              (2)

The loss moves by sum_i <dE/dy_i, e_i>.
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
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual, is_zero
from backproof.reference.numbers.precision import FLOAT64, Precision
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import Array
from backproof.reference.verdict.balls import as_read
from backproof.reference.verdict.forms import of_op
from backproof.reference.verdict.judging import radii, widest
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.recomputed import AGAIN
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.room import Made

MOVES = {"reshape", "transpose", "cast", "scale"}
"""Ops that hand on each entry of what they receive, or a multiple, and add nothing up."""

Ways = tuple[Sequence[Sequence[Ball]], Sequence[Sequence[Ball]]]
"""What a node hands on to all of its inputs, in each form; and where subnormals are zero."""

HandedOn = dict[Any, Any]
"""Precision and forms -> the `Ways` of what a node hands on; a form -> its float64 numbers."""

Named = Mapping[str, Any]
"""Leaf or node -> array of its shape; the number 0.0 where all of it is zero."""


@dataclass
class Sweep:
    """The reference's own backward sweep over the values of a pass.

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

    def taking_again(self, names: Collection[str]) -> "Sweep":
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

    def handed_on(self, node: Node, p: Precision, forms: Sequence[str]) -> Ways:
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

    def bound(self, u: Named) -> float:
        """Return how far <u, g> may be off; u: leaf -> direction. Equations (1) and (2)."""
        values, cotangents = self.tangents(u)
        total = sum(moved_by(values[name], rad) for name, rad in self.received.items())
        total += sum(
            moved_by(cotangents[name], self.error(name)) for name in self.rounded_otherwise
        )
        return 2 * total * self.both

    @property
    def both(self) -> float:
        """The error of the pass and of the float64 sweep together, relative to the pass's own."""
        used = (self.replay.precision, *self.replay.precisions.values())
        return 1 + FLOAT64.u / min(p.u for p in used)

    def tangents(self, u: Named) -> tuple[Named, Named]:
        """Return the tangents along u of all values and, where they are needed, cotangents."""
        values, cotangents = (self.replay.room.arrays() for _ in range(2))
        for _ in self.along(u, values):
            pass
        if not self.rounded_otherwise:
            return values, {}
        duals = self.duals(values)
        cotangents[self.replay.network.loss] = 0.0
        for node in reversed(self.replay.network.nodes):
            dy = Dual(self.exact[node.name], cotangents[node.name])
            for name, d in zip(node.inputs, RIGHT.hands_on(node, dy, duals), strict=True):
                if not is_zero(d.tangent):
                    cotangents[name] = cotangents.get(name, 0.0) + d.tangent
                cotangents.setdefault(name, 0.0)
        return values, cotangents

    def along(self, u: Named, values: MutableMapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the tangents along u that are not zero, in the order of the pass.

        values: leaf or node -> its tangent, which is filled.
        """
        for name in self.values:
            values[name] = u.get(name, 0.0)
        yield from u.items()
        duals = self.duals(values)
        for node in self.replay.network.nodes:
            if not all(is_zero(values[name]) for name in node.inputs):
                values[node.name] = RIGHT.value(node, duals).tangent
                yield node.name, values[node.name]

    def duals(self, values: Named) -> Made:
        """Return all values with their tangents."""
        return Made(self.values.keys(), lambda name: Dual(self.values[name], values[name]))

    def allowed(self, u: Named, distance: float) -> float:
        """Return the first terms of the bound of <u, g>, as many as allow a distance; or all."""
        total = 0.0
        for name, tangent in self.along(u, self.replay.room.arrays()):
            total += 2 * moved_by(tangent, self.off_by(name)) * self.both
            if total >= distance:
                break
        return total

    def moved(self, slopes: Named, enough: float = np.inf) -> float:
        """Return how far errors of values may move the loss: of all, or of as many as are enough.

        slopes: node, or constant that moves -> dE/d(it). enough: where to stop.
        """
        total = 0.0
        for name in (*reversed(self.replay.nodes), *self.radii):
            total += 2 * moved_by(slopes[name], self.error(name)) * self.both
            if total >= enough:
                break
        return total

    def slopes(self) -> Named:
        """Return node, or constant that moves -> the largest that |dE/d(it)| may be."""
        network, replay, found = self.replay.network, self.replay, self.replay.room.arrays()
        moved = {*replay.nodes, *self.radii}

        def ball(name: str) -> Ball:
            off = self.error(name) if name in moved else 0.0
            return Ball(self.values[name], 2 * off, replay.own(name))

        values = Made(self.values.keys(), ball)
        loss = network.loss
        one = Ball.exact(np.full(values[loss].shape, replay.scale), replay.own(loss))
        handed_on: dict[str, list[Ball]] = {network.loss: [one]}
        for name in (*reversed(replay.nodes), *self.radii):
            dy: Ball = RIGHT.receive(name, handed_on.pop(name))
            found[name] = np.abs(dy.mid) + radii(dy)
            if name in self.radii:
                continue
            node = replay.nodes[name]
            for of, d in zip(node.inputs, RIGHT.hands_on(node, dy, values), strict=True):
                if of in moved:
                    handed_on.setdefault(of, []).append(d)
        return found

    def terms(self, name: str) -> float:
        """Return the sum of the magnitudes of all terms that are added up for a gradient.

        Where its one user only moves entries, they were added up before it.
        """
        users = self.replay.consumers.get(name, ())
        if len(users) == 1 and users[0].op in MOVES:
            return self.terms(users[0].name) * abs(users[0].options.get("factor", 1))
        total = 0.0
        for node in self.replay.network.nodes:
            if name in node.inputs:
                known = {k: Terms.of(self.values[k]) for k in (node.name, *node.inputs)}
                dy = Terms.of(self.exact[node.name])
                for user, d in zip(node.inputs, RIGHT.hands_on(node, dy, known), strict=True):
                    total += float(np.sum(d.magnitude)) if user == name else 0.0
        return total


def in_float64(replay: Replay, name: str) -> Array:
    """Return a value that the pass computed, in float64."""
    return np.asarray(replay.seen(Quantity("value", name)), np.float64)


def by(node: Node, form: str) -> Rules:
    """Return the rules by which a node is computed in a form."""
    return Rules(ops={node.op: node.rule.forms[form]}) if form else RIGHT


def moved_by(slopes: Any, errors: Array) -> float:
    """Return by how much errors move a sum; an error of slope zero moves nothing, however large."""
    if is_zero(slopes):
        return 0.0
    sizes = np.broadcast_to(np.abs(slopes), errors.shape)
    moved = float(np.vdot(sizes, errors))
    if np.isfinite(moved):
        return moved
    return float(np.sum(np.multiply(sizes, errors, where=sizes != 0, out=np.zeros(errors.shape))))
