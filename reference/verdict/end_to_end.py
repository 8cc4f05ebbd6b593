"""Gradients held end to end: to the reference's own backward sweep over the same values.

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

This is needed for two purposes. Nobody sees the cotangents of a pass without probes, so its
gradients have no links. And links alone prove by induction, which sees nothing wrong where one link
of zeros in a wide ball makes all links before it consistently zero.

The loss is held to the reference's own forward sweep: it moves by sum_i <dE/dy_i, e_i>.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual, is_zero
from backproof.reference.numbers.precision import FLOAT64, Precision
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import Array
from backproof.reference.verdict.judging import radii, widest
from backproof.reference.verdict.link import Link, Quantity, Verdict
from backproof.reference.verdict.recomputed import AGAIN
from backproof.reference.verdict.replay import Replay, as_read, of_op
from backproof.reference.verdict.room import Made, over

MOVES = {"reshape", "transpose", "cast"}
"""Ops that hand on each entry of what they receive, and add nothing up."""

Ways = tuple[Sequence[Sequence[Ball]], Sequence[Sequence[Ball]]]
"""What a node hands on to all of its inputs, in each form; and where subnormals are zero."""

HandedOn = dict[tuple[Precision, tuple[str, ...]], Ways]
"""Precision and forms -> what a node hands on."""

Named = Mapping[str, Any]
"""Leaf or node -> array of its shape; the number 0.0 where all of it is zero."""


@dataclass
class Sweep:
    """The reference's own backward sweep over the values of a pass.

    replay: of the pass, whose values are inside. properties: quantity -> how the pass was seen to
    compute it.

    values:   leaf or node -> its value in the pass, in float64.
    exact:    leaf or node -> dE/d(leaf or node), swept back in float64.
    errors:   node -> how far its value may be off, given the values before it.
    received: leaf or node -> how far what it receives may be off, given the cotangents after it.
    """

    replay: Replay
    properties: Mapping[Quantity, Collection[str]] = field(default_factory=dict)
    values: Named = field(init=False)
    exact: MutableMapping[str, Any] = field(init=False)
    errors: MutableMapping[str, Any] = field(init=False)
    received: MutableMapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Sweep forward for the errors, then back."""
        network, room = self.replay.network, self.replay.room
        names = dict.fromkeys([*self.replay.leaves, *self.replay.nodes])
        self.values = Made(names, lambda name: self.float64(Quantity("value", name)))
        self.exact, self.errors, self.received = (room.arrays() for _ in range(3))
        for node in network.nodes:
            p, forms = self.way(node, Quantity("value", node.name))
            operands = {name: self.operand(name, p) for name in node.inputs}
            found = (by(node, form).value(node, operands) for form in forms)
            own = self.replay.of(node.name)
            self.errors[node.name] = self.off(self.replay.rounded(ball, own) for ball in found)
        shape, own = self.values[network.loss].shape, self.replay.of(network.loss)
        self.receive(network.loss, [Ball.exact(np.full(shape, self.replay.scale), own)])
        left = Counter(name for node in network.nodes for name in node.inputs)
        handed_on: dict[str, list[Ball]] = {}
        for node in reversed(network.nodes):
            made: HandedOn = {}
            for position, name in enumerate(node.inputs):
                if name in network.constants:
                    continue
                handed_on.setdefault(name, []).append(self.hands_on(node, position, made))
                left[name] -= 1
                if not left[name]:
                    self.receive(name, handed_on.pop(name))

    def float64(self, quantity: Quantity) -> Array:
        """Return what the pass computed, in float64."""
        return np.asarray(self.replay.seen(quantity), np.float64)

    @property
    def again(self) -> bool:
        """Whether the pass was seen to compute operands again."""
        return any(AGAIN in properties for properties in self.properties.values())

    def way(self, node: Node, quantity: Quantity) -> tuple[Precision, tuple[str, ...]]:
        """Return in which precision and by which forms a node makes a quantity.

        The forms that were seen come first, the reference's own, which has no name, last.
        """
        properties = {*self.properties.get(quantity, ())}
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
            return self.off(replay.arrived(d, own, of) for d in balls)

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
        known[node.name] = Ball(self.values[node.name], 2 * self.errors[node.name], p)
        dy = Ball.exact(self.exact[node.name], p)
        found = [by(node, form).hands_on(node, dy, known) for form in forms]
        if not p.zeroes:
            return found, []
        zeroed = {name: as_read(a.mid, p, p) for name, a in known.items()}
        return found, [by(node, forms[0]).hands_on(node, dy, zeroed)]

    def off(self, ways: Iterable[Ball]) -> Array:
        """Return the largest radius of the balls of one result in several forms."""
        return np.max([radii(ball) for ball in ways], axis=0)

    def receive(self, name: str, parts: list[Ball]) -> None:
        """Add up what a node or leaf receives."""
        ball: Ball = RIGHT.receive(name, parts)
        self.exact[name], self.received[name] = ball.mid, radii(ball)

    def bound(self, u: Named) -> float:
        """Return how far <u, g> may be off; u: leaf -> direction. Equations (1) and (2)."""
        values, cotangents = self.tangents(u)
        total = sum(_moved(values[name], rad) for name, rad in self.received.items())
        if self.again:
            total += sum(_moved(cotangents[name], rad) for name, rad in self.errors.items())
        return 2 * total * self.both

    @property
    def both(self) -> float:
        """The error of the pass and of the float64 sweep together, relative to the pass's own."""
        used = (self.replay.precision, *self.replay.precisions.values())
        return 1 + FLOAT64.u / min(p.u for p in used)

    def tangents(self, u: Named) -> tuple[Named, Named]:
        """Return the tangents along u of all values and, where they are needed, cotangents."""
        values, cotangents = (self.replay.room.arrays() for _ in range(2))
        for name in self.values:
            values[name] = u.get(name, 0.0)
        duals = Made(self.values.keys(), lambda name: Dual(self.values[name], values[name]))
        for node in self.replay.network.nodes:
            if not all(is_zero(values[name]) for name in node.inputs):
                values[node.name] = RIGHT.value(node, duals).tangent
        if not self.again:
            return values, {}
        cotangents[self.replay.network.loss] = 0.0
        for node in reversed(self.replay.network.nodes):
            dy = Dual(self.exact[node.name], cotangents[node.name])
            for name, d in zip(node.inputs, RIGHT.hands_on(node, dy, duals), strict=True):
                if not is_zero(d.tangent):
                    cotangents[name] = cotangents.get(name, 0.0) + d.tangent
                cotangents.setdefault(name, 0.0)
        return values, cotangents

    def gradient(self, quantity: Quantity) -> Link:
        """Return the verdict on a leaf's gradient: on all differences, and on the largest one."""
        name, exact = quantity.of, self.exact[quantity.of]
        seen = np.asarray(self.replay.trace.gradients[name], np.float64)
        difference = seen - exact
        index = tuple(map(int, np.unravel_index(np.argmax(np.abs(difference)), exact.shape)))
        one = np.zeros_like(difference)
        one[index] = np.sign(difference[index])
        whole, alone = (self.bound({name: u}) for u in (np.sign(difference), one))
        size = float(np.sum(np.abs(exact)))
        share = _share(float(np.sum(np.abs(difference))), whole)
        share = float(np.max([share, _share(abs(float(difference[index])), alone)]))
        cancels = not whole < size and whole < self.terms(name) / 2
        decided = whole < size or cancels or not whole
        return Link(
            quantity,
            _verdict(share, whole, decided=decided),
            self.replay.precision.name,
            entries=seen.size,
            outside=0 if share <= 1 else int(np.sum(difference != 0)),
            share=share,
            resolution=whole / size if size else np.inf if whole else 0.0,
            cancels=cancels,
            index=index,
            seen=float(seen[index]),
            mid=float(exact[index]),
            rad=alone,
        )

    def gradients(self, names: Sequence[str]) -> Iterator[Link]:
        """Yield the verdicts on the gradients of leaves, as few bounds as possible for all of them.

        With u = sign(difference) / ||gradient|| on each leaf, one bound is that of the sum of all
        relative differences. If it is below 1, it decides for every leaf.
        """
        of = {name: Quantity("derivative", name, end_to_end=True) for name in names}
        if len(names) == 1:
            yield from map(self.gradient, of.values())
            return
        moved = Made(names, lambda k: self.float64(Quantity("derivative", k)) - self.exact[k])
        sizes = {name: float(np.sum(np.abs(self.exact[name]))) for name in names}
        shares = {k: float(np.sum(np.abs(moved[k]))) / sizes[k] for k in names if sizes[k]}
        bound = np.inf
        if len(shares) == len(names):
            bound = self.bound(Made(names, lambda name: np.sign(moved[name]) / sizes[name]))
        if not sum(shares.values()) <= bound < 1:
            half = len(names) // 2
            yield from self.gradients(names[:half])
            yield from self.gradients(names[half:])
            return
        for name, quantity in of.items():
            yield Link(
                quantity,
                "inside",
                self.replay.precision.name,
                entries=self.exact[name].size,
                share=_share(shares[name], bound),
                resolution=bound,
            )

    def loss(self) -> Link:
        """Return the verdict on the loss: held to the reference's own forward sweep."""
        name, scale = self.replay.network.loss, self.replay.scale
        known = self.replay.room.arrays()
        operands = over(known, self.values)
        with np.errstate(all="ignore"):
            for node in self.replay.network.nodes:
                known[node.name] = RIGHT.value(node, operands)
        exact, seen = np.asarray(known[name]), self.values[name]
        distance, size = float(np.sum(np.abs(seen - exact))), float(np.sum(np.abs(exact)))
        bound = self.moved(self.exact) / scale
        if distance > bound:  # at a kink, the slopes on its other side count as well
            bound = self.moved(self.slopes()) / scale
        share = _share(distance, bound)
        decided = bound < size or not bound
        return Link(
            Quantity("value", name, end_to_end=True),
            _verdict(share, bound, decided=decided),
            self.replay.precision.name,
            entries=seen.size,
            share=share,
            resolution=bound / size if size else np.inf if bound else 0.0,
            seen=float(seen),
            mid=float(exact),
            rad=bound,
        )

    def moved(self, slopes: Named) -> float:
        """Return how far errors of all values may move the loss. slopes: node -> dE/d(node)."""
        total = sum(_moved(slopes[node], rad) for node, rad in self.errors.items())
        return 2 * total * self.both

    def slopes(self) -> Named:
        """Return node -> the largest magnitude of dE/d(node) over all that values may be."""
        network, replay, found = self.replay.network, self.replay, self.replay.room.arrays()

        def ball(name: str) -> Ball:
            return Ball(self.values[name], 2 * self.errors.get(name, 0.0), replay.own(name))

        values = Made(self.values.keys(), ball)
        loss = network.loss
        one = Ball.exact(np.full(values[loss].shape, replay.scale), replay.own(loss))
        handed_on: dict[str, list[Ball]] = {network.loss: [one]}
        for node in reversed(network.nodes):
            dy: Ball = RIGHT.receive(node.name, handed_on.pop(node.name))
            found[node.name] = np.abs(dy.mid) + radii(dy)
            for name, d in zip(node.inputs, RIGHT.hands_on(node, dy, values), strict=True):
                if name in replay.nodes:
                    handed_on.setdefault(name, []).append(d)
        return found

    def terms(self, name: str) -> float:
        """Return the sum of the magnitudes of all terms that are added up for a gradient.

        Where its one user only moves entries, they were added up before it.
        """
        users = self.replay.consumers.get(name, ())
        if len(users) == 1 and users[0].op in MOVES:
            return self.terms(users[0].name)
        total = 0.0
        for node in self.replay.network.nodes:
            if name in node.inputs:
                known = {k: Terms.of(self.values[k]) for k in (node.name, *node.inputs)}
                dy = Terms.of(self.exact[node.name])
                for user, d in zip(node.inputs, RIGHT.hands_on(node, dy, known), strict=True):
                    total += float(np.sum(d.magnitude)) if user == name else 0.0
        return total


def by(node: Node, form: str) -> Rules:
    """Return the rules by which a node is computed in a form."""
    return Rules(ops={node.op: node.rule.forms[form]}) if form else RIGHT


def _verdict(share: float, bound: float, *, decided: bool) -> Verdict:
    """Return the verdict on a distance, of which a bound allows a share; without one, none."""
    if not np.isfinite(bound):
        return "undecided"
    return "refuted" if not share <= 1 else "inside" if decided else "undecided"


def _share(distance: float, bound: float) -> float:
    """Return the share of a bound that a distance uses; an infinite or NaN bound holds nothing."""
    if distance == 0:
        return 0.0
    return distance / bound if 0 < bound < np.inf else np.inf


def _moved(slopes: Any, errors: Array) -> float:
    """Return by how much errors move a sum; an error of slope zero moves nothing, however large."""
    if is_zero(slopes):
        return 0.0
    slopes, zeros = np.abs(slopes), np.zeros(errors.shape)
    return float(np.sum(np.multiply(slopes, errors, where=slopes != 0, out=zeros)))
