"""Tangents, of forward mode and of second order: the same links, over dual numbers.

A framework's pass along a direction yields the tangent of every node's value. A pass of second
order also yields the tangents of every cotangent and gradient: a Hessian times a vector. Each link
of the chain rule is replayed by the reference's own op over duals of balls, with the framework's
own values and tangents as operands, and the framework's tangent must lie inside the ball. So
forward mode is held to the forward functions, and second order to the backward functions
(Pearlmutter 1994's R-operator).

The tangents are the same however a framework computes them. By symmetry of the Hessian over leaves
and probes, the gradient of <gradient of E, v> and the gradient of the slope of E along v are these
tangents too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules, Trace, backprop, sum_of
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual, dual_of, is_zero
from backproof.reference.numbers.precision import Precision
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.functions import stop
from backproof.reference.ops.softmax import softmax
from backproof.reference.verdict.balls import as_terms
from backproof.reference.verdict.judging import judged
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.turned import SYMMETRIC, TURNED, is_entrywise, moving
from backproof.reference.verdict.ways import Form, Ways

BY_BACKWARD = "tangent by the backward function"
"""A property: the tangent is computed from the node's rounded output, as the article's s'(z) is.

The forward function's own tangent is sharper, since it is computed from the input.
"""


BY_OPERAND = "adds up what follows from each operand's tangent"
"""A form, as reverse-over-reverse computes the derivatives of a function of several operands."""


class ByOperand(Rules):
    """A sweep back over duals that differentiates by one operand after another."""

    def hands_on(self, node: Node, dy: Any, known: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the same duals, their tangents as the sums of what each operand contributes."""
        parts = self.parts(node, dy, known)
        tangents = ([d.whole_tangent() for d in of] for of in zip(*parts, strict=True))
        return tuple(Dual(d.value, sum_of(own)) for d, own in zip(parts[0], tangents, strict=True))

    def parts(self, node: Node, dy: Any, known: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the duals with the tangents that follow from that of dy, and of each operand."""
        right, fixed = super().hands_on, {name: stop(a) for name, a in known.items()}
        of_operands = (right(node, stop(dy), {**fixed, name: known[name]}) for name in known)
        return [right(node, dy, fixed), *of_operands]


def softmax_twice(dp: Any, p: Any, y: Any, *, axis: int = -1) -> tuple[Any]:
    """Return what softmax hands on, (B, O), over duals, as reverse-over-reverse computes it.

    With v the tangent of y, q that of dp, J the Jacobian, and sums over the axis:

    1. <J dp, v> = sum v p dp - (sum p v) (sum p dp), whose derivative with respect to p is
       t = v dp - (sum p v) dp - v (sum p dp).
    2. Since dp/dy = J, the tangent is J q + J t.
    """
    if not isinstance(y, Dual) or is_zero(y.tangent):
        return softmax.backward(dp, p, y, axis=axis)
    dp, p, v = dual_of(dp), dual_of(p).value, y.tangent

    def total(a: Any) -> Any:
        return np.sum(a, axis=axis, keepdims=True)

    t = v * dp.value - total(p * v) * dp.value - v * total(p * dp.value)
    parts = [t] if is_zero(dp.tangent) else [dp.tangent, t]
    moved = [softmax.backward(part, p, y.value, axis=axis)[0] for part in parts]
    return (Dual(softmax.backward(dp.value, p, y.value, axis=axis)[0], sum_of(moved)),)


TWICE: Mapping[str, tuple[str, Op]] = {
    "softmax": ("softmax' by its own derivative", replace(softmax, backward=softmax_twice))
}
"""Op -> a form of its tangents that no form of the op has, and its name."""


def by_operand(rules: Rules) -> Rules:
    """Return a sweep by the same rules that differentiates by one operand after another."""
    return ByOperand(
        rules.ops, rules.forward_input, rules.backward_input, rules.receive, rules.nodes
    )


def each_by_operand(found: Mapping[Form, Rules]) -> dict[Form, Rules]:
    """Return the same forms, each differentiated by one operand after another."""
    return {(*form, BY_OPERAND): by_operand(one) for form, one in found.items()}


@dataclass(frozen=True, slots=True)
class DualTrace:
    """Everything that one pass along a direction computes.

    values:   the trace; in forward mode it holds only the values of nodes.
    tangents: the tangents of all of them: "gradients" holds the Hessian times the direction.
    """

    values: Trace
    tangents: Trace

    @property
    def is_second_order(self) -> bool:
        """Whether there are cotangents and gradients, and their tangents."""
        return bool(self.values.cotangents)


def along(
    network: Network,
    leaves: Mapping[str, Array],
    directions: Mapping[str, Array],
    rules: Rules = RIGHT,
) -> DualTrace:
    """Return what the reference computes along a direction: backpropagation over duals.

    directions: leaf -> its tangent, in its shape.
    """
    duals: dict[str, Any] = {k: Dual(a, directions[k]) for k, a in leaves.items()}
    trace = backprop(network, duals, rules)

    def part(of: Any) -> Trace:
        kinds = (trace.values, trace.cotangents, trace.gradients)
        return Trace(*({k: of(a) for k, a in kind.items()} for kind in kinds))

    return DualTrace(part(lambda a: a.value), part(lambda a: a.whole_tangent()))


@dataclass
class TangentReplay(Replay):
    """Replays links over duals, and judges their tangents: "tangent of net1".

    directions: leaf -> its tangent. along: the trace whose tangents are judged.
    """

    directions: Mapping[str, Array] = field(default_factory=dict)
    along: DualTrace | None = None

    def judge(self, quantity: Quantity, ball: Ball) -> Link:
        """Return the verdict on the tangent of one link."""
        tangent = self.judged_of(quantity)
        link = super().judge(tangent, ball)
        ways = {} if link.verdict == "inside" or link.problem else self.ways_forward(quantity)
        if not ways:
            return link
        own, seen = self.of(quantity.of), self.seen(tangent)

        def terms(form: Form) -> Array:
            counting: Any = replace(self, number=as_terms, balls={})
            return np.asarray(counting.ways_forward(quantity)[form](own).magnitude)

        other = judged(tangent, seen, own, ways[()](own.steps), lambda: ways, terms)
        return with_property(other, BY_BACKWARD) if other.verdict == "inside" else link

    def judged_of(self, quantity: Quantity) -> Quantity:
        """Return what is judged of a quantity: its tangent."""
        return replace(quantity, tangent=True)

    def rules(self, quantity: Quantity) -> dict[Form, Rules]:
        """Return the rules of each form in which a tangent may be computed."""
        found = super().rules(quantity)
        if quantity.kind != "derivative":
            return found
        found |= each_by_operand(found)
        for op in {node.op for node in self.consumers.get(quantity.of, ())} & TWICE.keys():
            name, twice = TWICE[op]
            found[name,] = Rules(ops={**OPS, op: twice})
        return found

    def rules_apart(self, quantity: Quantity) -> dict[Form, Rules]:
        """Return the rules of each form, where each node has its own."""
        found = super().rules_apart(quantity)
        return found | each_by_operand(found)

    def ways_forward(self, quantity: Quantity) -> Ways:
        """Return the ways of computing a tangent by a backward function; none where it is none."""
        node = self.nodes.get(quantity.of)
        if node is None or quantity.kind != "value":
            return {}
        if node.op in TURNED:
            return {(): partial(self.turned_round, node)}
        if not self.is_symmetric(quantity):
            return {}
        rules: dict[Form, Rules] = {(): RIGHT}
        rules |= {(k,): Rules(nodes={node.name: op}) for k, op in node.rule.forms.items()}
        return {k: partial(self.handed_forward, node.name, rules=one) for k, one in rules.items()}

    def is_symmetric(self, quantity: Quantity) -> bool:
        """Return whether a quantity is the value of a node whose Jacobian is its own transpose."""
        if quantity.kind != "value":
            return False
        node = self.nodes[quantity.of]
        names = (node.name, *(node.inputs[i] for i in moving(node, self.network)))
        shapes = {name: np.shape(self.seen(Quantity("value", name))) for name in names}
        return node.op in SYMMETRIC or is_entrywise(node, shapes)

    def handed_forward(self, name: str, p: Precision, *, rules: Rules) -> Ball:
        """Return J t = J^T t, computed by the backward function from the framework's output.

        Of several operands, the sum over those that are no constants.
        """
        node, known = self.nodes[name], self.values_alone(name, p)
        moved = [
            rules.hands_on(node, self.tangent(node.inputs[i], p), known)[i]
            for i in moving(node, self.network)
        ]
        return super().rounded(sum_of(moved), self.of(name))

    def turned_round(self, node: Node, p: Precision) -> Ball:
        """Return J t, computed as the derivative of the backward function by dy."""
        known = self.values_alone(node.name, p)
        dy = super().operand(Quantity("derivative", node.name), p)
        operands = (known[name] for name in (node.name, *node.inputs))
        (ball,) = TURNED[node.op](self.tangent(node.inputs[0], p), dy, *operands, **node.options)
        return super().rounded(ball, self.of(node.name))

    def values_alone(self, name: str, p: Precision) -> dict[str, Any]:
        """Return the values of a node and of its operands, without their tangents."""
        values = (Quantity("value", k) for k in (name, *self.nodes[name].inputs))
        return {q.of: super(TangentReplay, self).operand(q, p) for q in values}

    def tangent(self, name: str, p: Precision) -> Any:
        """Return the tangent of a value, as an operand."""
        return super().operand(Quantity("value", name, tangent=True), p)

    def operand(self, quantity: Quantity, p: Precision) -> Any:
        """Return a framework's number and its tangent as an operand."""
        tangent = replace(quantity, tangent=True)
        return Dual(super().operand(quantity, p), super().operand(tangent, p))

    def rounded(self, ball: Any, own: Precision) -> Ball:
        """Return the tangent of an op's result, rounded once into its precision."""
        return super().rounded(ball.whole_tangent(), own)

    def hands_on(self, node: Node, p: Precision, rules: Rules) -> tuple[Ball, ...]:
        """Return the balls of the tangents that a node hands on.

        Where it computes in another precision than its inputs are in, what follows from each
        operand's tangent is rounded into theirs before it is added up.
        """
        own, of = self.of(node.name), [self.of(name) for name in node.inputs]
        if not isinstance(rules, ByOperand) or {own} == {*of}:
            return super().hands_on(node, p, rules)
        dy = self.operand(Quantity("derivative", node.name), p)
        parts = rules.parts(node, dy, self.known(node, p))
        arrived = (
            [self.arrived(d, own, each, p) for d, each in zip(part, of, strict=True)]
            for part in parts
        )
        return tuple(sum_of([*each]) for each in zip(*arrived, strict=True))

    def receives(self, name: str, p: Precision, rules: Rules = RIGHT) -> Ball:
        """Return the ball of a tangent that is received; zero for the loss, whose dE/dE is 1."""
        if name == self.network.loss:
            return Ball.exact(np.zeros(self.trace.values[name].shape), p)
        return super().receives(name, p, rules)

    def seen(self, quantity: Quantity) -> Any:
        """Return the framework's array of a quantity or of its tangent."""
        if not quantity.tangent or self.along is None:
            return super().seen(quantity)
        name, tangents = quantity.of, self.along.tangents
        if quantity.kind == "derivative":
            known = tangents.cotangents if name in tangents.values else tangents.gradients
            return known.get(name)
        return self.directions[name] if name in self.directions else tangents.values.get(name)


def with_property(link: Link, name: str) -> Link:
    """Return the link with one more property."""
    return replace(link, properties=(*link.properties, name))
