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

from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual, is_zero
from backproof.reference.numbers.precision import FLOAT64
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import Array
from backproof.reference.verdict.deciding import radii
from backproof.reference.verdict.errors import Errors, Named
from backproof.reference.verdict.room import Made

MOVES = {"reshape", "transpose", "cast", "scale"}
"""Ops that hand on each entry of what they receive, or a multiple, and add nothing up."""


class Sweep(Errors):
    """How far all errors of a pass together may move its gradients and its loss."""

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


def moved_by(slopes: Any, errors: Array) -> float:
    """Return by how much errors move a sum; an error of slope zero moves nothing, however large."""
    if is_zero(slopes):
        return 0.0
    sizes = np.broadcast_to(np.abs(slopes), errors.shape)
    moved = float(np.vdot(sizes, errors))
    if np.isfinite(moved):
        return moved
    return float(np.sum(np.multiply(sizes, errors, where=sizes != 0, out=np.zeros(errors.shape))))
