"""Certificates: the chain rule checked link by link, from the framework's own numbers.

A link is one number-producing step of backpropagation: a node's value from the values before
it; a node's cotangent from those of its consumers; a leaf's gradient from the cotangents of its
consumers. Each is replayed by the reference's own op over `Ball`, with the framework's own numbers
as operands, and the framework's result must lie inside the ball. If every link holds, every
gradient is right by induction over the chain rule, at any depth; if one fails, the fault is at
that link.

A link has an effective precision, the highest one whose ball holds the framework's result:

    inside    the precision that was asked for.
    degraded  a lower one, as of float64 numbers that only float32's ball holds.
    refuted   none.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules, Trace
from backproof.reference.network import Network, Node
from backproof.reference.numbers.ball import Ball, in_any_order
from backproof.reference.numbers.precision import FLOAT32, LOWER, PRECISIONS, Precision
from backproof.reference.ops import OPS, Array
from backproof.reference.optimizers import sgd
from backproof.reference.verdict.link import OTHER_DTYPE, Link, Quantity, Verdict


@dataclass(frozen=True, slots=True)
class Certificate:
    """The verdicts on all links of one trace, in the order of the chain rule.

    network: the network's name. precision: the name of the one asked for. links: all of them.
    """

    network: str
    precision: str
    links: tuple[Link, ...]

    @property
    def refuted(self) -> Link | None:
        """The first refuted link, or None."""
        return next((link for link in self.links if link.verdict == "refuted"), None)

    @property
    def degraded(self) -> tuple[Link, ...]:
        """All degraded links."""
        return tuple(link for link in self.links if link.verdict == "degraded")

    @property
    def inside(self) -> int:
        """How many links are inside."""
        return sum(link.verdict == "inside" for link in self.links)

    @property
    def entries(self) -> int:
        """How many numbers were held to their balls."""
        return sum(link.entries for link in self.links)

    @property
    def share(self) -> float:
        """The largest share of a ball used by a link that is inside or degraded."""
        return max((ln.share for ln in self.links if ln.verdict != "refuted"), default=0.0)

    @property
    def properties(self) -> tuple[str, ...]:
        """All properties seen."""
        return tuple(dict.fromkeys(p for link in self.links for p in link.properties))


@dataclass(frozen=True, slots=True)
class Update:
    """A framework's parameters after the update that follows the pass.

    updated: parameter -> its next value. eta: the learning rate.
    """

    updated: Mapping[str, Array]
    eta: float


def certify(
    network: Network,
    leaves: Mapping[str, Array],
    trace: Trace,
    precision: str,
    plain: Mapping[str, Array] | None = None,
    update: Update | None = None,
) -> Certificate:
    """Return the certificate of a framework's trace.

    leaves:    every input and parameter, as the framework was given it.
    trace:     what it computed, in the dtype of the precision.
    precision: "float64", "float32", "bfloat16" or "float16".
    plain:     leaf -> gradient of a run without probes, held to the same balls.
    update:    the step after the pass, if it is to be certified too.
    """
    replay = Replay(network, leaves, trace, PRECISIONS[precision], plain or {}, update)
    return replay.certificate()


@dataclass(slots=True)
class Replay:
    """Replays links from the framework's own numbers.

    network, leaves, trace, plain, update: as in `certify`. precision: the one asked for.
    balls: the operands that were made so far, each made once. nodes: the network's, by name.
    """

    network: Network
    leaves: Mapping[str, Array]
    trace: Trace
    precision: Precision
    plain: Mapping[str, Array] = field(default_factory=dict)
    update: Update | None = None
    balls: dict[tuple[Quantity, Precision], Ball] = field(default_factory=dict)
    nodes: dict[str, Node] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = {node.name: node for node in self.network.nodes}

    def certificate(self) -> Certificate:
        """Return the verdicts on all links."""
        return Certificate(self.network.name, self.precision.name, tuple(self.links()))

    def links(self) -> Iterator[Link]:
        """Yield the links in the order of the chain rule, up to one that leaves no operand."""
        for link in self.all_links():
            yield link
            if link.is_no_operand:
                return

    def all_links(self) -> Iterator[Link]:
        """Yield every link in the order of the chain rule."""
        own, nodes = self.precision.accumulator or self.precision, self.network.nodes
        for node in nodes:
            forms = ["", *OPS[node.op].forms]
            yield self.judge(Quantity("value", node.name), self.value(node.name, own), forms)
        loss = self.network.loss
        yield self.judge(Quantity("derivative", loss), self.receives(loss, own), [])
        left = Counter(name for node in nodes for name in node.inputs)
        forms_of: dict[str, list[str]] = {name: [""] for name in left}
        for node in nodes:
            for name in node.inputs:
                forms_of[name] += OPS[node.op].forms
        handed_on: dict[str, list[Ball]] = {name: [] for name in left}
        for node in reversed(nodes):
            for name, d in zip(node.inputs, self.hands_on(node, own, RIGHT), strict=True):
                handed_on[name].append(d)
                left[name] -= 1
                if not left[name]:
                    received = handed_on.pop(name)
                    ball = RIGHT.receive(name, received)
                    if len(received) > 1:
                        forms_of[name].append(MIXED)
                    yield self.judge(Quantity("derivative", name), ball, forms_of[name])
                    if name in self.plain:
                        plain = Quantity("derivative", name, probes=False)
                        yield self.judge(plain, ball, forms_of[name])
        for name in self.update.updated if self.update else ():
            yield self.judge(Quantity("update", name), self.next(name, own), [""])

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
        if quantity.kind == "value":
            return self.leaves[name] if name in self.leaves else self.trace.values.get(name)
        if not quantity.probes:
            return self.plain.get(name)
        known = self.trace.cotangents if name in self.trace.values else self.trace.gradients
        return known.get(name)

    def value(self, name: str, p: Precision, rules: Rules = RIGHT) -> Ball:
        """Return the ball of a node's value."""
        node = self.nodes[name]
        return self.rounded(rules.value(node, self.values_of(node.inputs, p)))

    def hands_on(self, node: Node, p: Precision, rules: Rules) -> tuple[Ball, ...]:
        """Return the balls of what a node hands on to its inputs, in their order."""
        dy = self.operand(Quantity("derivative", node.name), p)
        handed_on = rules.hands_on(node, dy, self.known(node, p))
        return tuple(map(self.rounded, handed_on))

    def known(self, node: Node, p: Precision) -> dict[str, Ball]:
        """Return the values that a node's backward function takes: its own, and its inputs'."""
        return self.values_of((node.name, *node.inputs), p)

    def values_of(self, names: Iterable[str], p: Precision) -> dict[str, Ball]:
        """Return the values of nodes and leaves, as operands."""
        return {name: self.operand(Quantity("value", name), p) for name in names}

    def rounded(self, ball: Ball) -> Ball:
        """Return an op's result, rounded once into the precision if its steps used a wider one."""
        wider = ball.precision.digits > self.precision.digits
        return ball.into(self.precision) if wider else ball.read()

    def receives(self, name: str, p: Precision, rules: Rules = RIGHT) -> Ball:
        """Return the ball of what a node or leaf receives from its consumers (the loss: 1)."""
        received = [
            d
            for node in reversed(self.network.nodes)
            if name in node.inputs
            for user, d in zip(node.inputs, self.hands_on(node, p, rules), strict=True)
            if user == name
        ]
        if name == self.network.loss:
            received = [Ball.exact(np.ones(self.trace.values[name].shape), p)]
        ball: Ball = rules.receive(name, received)
        return ball

    def next(self, name: str, p: Precision, update: Any = sgd) -> Ball:
        """Return the ball of a parameter after the update."""
        eta = self.update.eta if self.update else np.nan
        w, gradient = (self.operand(Quantity(kind, name), p) for kind in ("value", "derivative"))
        return self.rounded(update(w, gradient, eta))

    def operand(self, quantity: Quantity, p: Precision) -> Ball:
        """Return a framework's array as an operand: itself, or as a lower precision reads it."""
        array = self.seen(quantity)
        if p.digits < self.precision.digits or p.zeroes:
            return as_read(array, self.precision, p)
        if (quantity, p) not in self.balls:
            self.balls[quantity, p] = as_read(array, self.precision, p)
        return self.balls[quantity, p]

    def judge(self, quantity: Quantity, ball: Ball, forms: Sequence[str]) -> Link:
        """Return the verdict on one link.

        ball: the one that is tried first. forms: the ways of computing the quantity that are tried
        next, the reference's own ("") first; empty where nothing is rounded.
        """

        def again(p: Precision, form: str) -> Ball:
            return self.ball(quantity, p, rules_of(form))

        return judged(quantity, self.seen(quantity), self.precision, ball, forms, again)


def judged(
    quantity: Quantity,
    seen: Any,
    asked: Precision,
    ball: Ball,
    forms: Sequence[str],
    again: Callable[[Precision, str], Ball],
) -> Link:
    """Return the verdict on one link, by the first ball that holds it.

    seen: the framework's array. asked: the precision that was asked for. ball, forms: as in
    `Replay.judge`. again: makes the ball of another precision and form.
    """
    own = asked.name
    if problem := problem_of(seen, ball.shape, asked):
        return Link(quantity, "refuted", own, problem=problem)
    link = _link(quantity, "inside", own, seen, ball)
    if link.share <= 1:
        return link
    if not np.all(np.isfinite(seen)):
        index = tuple(map(int, np.argwhere(~np.isfinite(seen))[0]))
        problem = f"expected a finite number, found {seen[index]}"
        return replace(link, verdict="refuted", index=index, problem=problem)
    for p, properties in _freedoms(asked):
        for form in forms:
            wider = _link(quantity, "inside", own, seen, again(p, form))
            if wider.share <= 1:
                return replace(wider, properties=tuple(filter(None, (form, *properties))))
    outside = int(np.sum(~ball.contains(seen)))
    for p in LOWER[own] if forms else ():
        lower = _link(quantity, "degraded", p.name, seen, again(p.narrow().flushing(), ""))
        if lower.share <= 1:
            return replace(lower, outside=outside)
    return replace(link, verdict="refuted", outside=outside)


MIXED = "adds up the terms of several uses in one sum"


def rules_of(form: str) -> Rules:
    """Return the rules under which every op that has this form is computed in it."""
    if form == MIXED:
        return Rules(receive=lambda _, handed_on: in_any_order(handed_on))
    return Rules(ops={name: op.forms.get(form, op) for name, op in OPS.items()}) if form else RIGHT


def _freedoms(p: Precision) -> Iterator[tuple[Precision, tuple[str, ...]]]:
    """Yield each way in which an implementation may work in a precision, and its properties.

    The way that widens the ball least comes first. In float16 flushing widens it more than a narrow
    accumulator does, since its smallest normal number is large.
    """
    flushes = "flushes subnormals to zero"
    if not p.accumulator:
        yield p, ()
        yield p.flushing(), (flushes,)
        yield p.zeroing(), (flushes,)
        return
    steps, narrow = f"rounds every step to {p.name}", f"accumulates in {p.name}"
    yield p.accumulator, ()
    yield p, (steps,)
    each = [(p.flushing(), (steps, flushes)), (p.narrow(), (narrow,))]
    yield from reversed(each) if p.minimum > FLOAT32.minimum else each
    yield p.zeroing(), (steps, flushes)
    yield p.narrow().flushing(), (narrow, flushes)
    yield p.narrow().zeroing(), (narrow, flushes)


def as_read(array: Array, asked: Precision, p: Precision) -> Ball:
    """Return numbers of the precision that was asked for, as the precision p reads them."""
    if p.digits < asked.digits:
        return Ball.rounded(array, p)
    if p.zeroes:
        size = np.abs(np.asarray(array, dtype=np.float64))
        return Ball.exact(np.where(size < p.minimum, 0, array), p)
    return Ball.exact(array, p).read()


def problem_of(seen: Any, shape: tuple[int, ...], p: Precision) -> str | None:
    """Return what is wrong with an array before any comparison of its numbers."""
    if seen is None:
        return "is missing"
    if not isinstance(seen, np.ndarray | np.generic):
        return f"expected a NumPy array, found {type(seen).__name__}"
    if seen.shape != shape:
        return f"expected shape {shape}, found {seen.shape}"
    if seen.dtype != p.dtype:
        return f"{OTHER_DTYPE} {p.dtype}, found {seen.dtype}"
    return None


def _link(quantity: Quantity, verdict: Verdict, precision: str, seen: Array, ball: Ball) -> Link:
    """Return a link with the entry that uses most of its ball, NaN before all others."""
    if not seen.size:
        return Link(quantity, verdict, precision, share=0.0)
    shares = ball.shares(seen)
    if not np.isfinite(
        np.max(ball.rad)
    ):  # a ball without bound holds everything, and proves nothing
        shares = np.where(np.isfinite(ball.rad), shares, np.inf)
    index = tuple(map(int, np.unravel_index(int(np.argmax(shares)), shares.shape)))
    return Link(
        quantity,
        verdict,
        precision,
        entries=seen.size,
        share=float(shares[index]),
        index=index,
        seen=float(seen[index]),
        mid=float(ball.mid[index]),
        rad=float(ball.rad if ball.is_exact else ball.rad[index]),
    )
