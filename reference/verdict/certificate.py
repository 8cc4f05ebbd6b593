"""Certificates: the chain rule checked link by link, from the framework's own numbers.

A link is one number-producing step of backpropagation: a node's value from the values before
it; a node's cotangent from those of its consumers; a leaf's gradient from the cotangents of its
consumers. Each is replayed by the reference's own op over `Ball`, from what the framework says
went into it, and what the framework says came out must lie inside. If every link holds, every
gradient is right by induction over the chain rule, at any depth; if one fails, the fault is at
that link.

A link has an effective precision, the highest one whose ball holds it:

    inside    its own.
    degraded  only a lower one: float64 numbers that only float32's ball holds.
    refuted   none.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from reference.backprop import Trace
from reference.network import Network, Node
from reference.numbers.ball import Ball
from reference.numbers.precision import FLOAT32, LOWER, PRECISIONS, Precision
from reference.ops import OPS, Array

Verdict = Literal["inside", "degraded", "refuted"]


@dataclass(frozen=True, slots=True)
class Link:
    """The verdict on one link, and its worst entry.

    name:       "net1" for a value, "dE/dnet1" for a cotangent, "dE/dW1" for a gradient.
    verdict:    inside, degraded or refuted.
    precision:  the effective one, by name; of a refuted link, the one that was asked for.
    properties: what an implementation is free to do, and was seen doing here.
    entries:    how many numbers the link produced.
    outside:    how many of them are outside the ball of the precision that was asked for.
    share:      how much of its ball's radius the worst entry uses; above 1 where refuted.
    index:      of the worst entry.
    seen:       what the framework says there.
    mid, rad:   the ball there, in the effective precision.
    problem:    what is wrong before any comparison of numbers (shape, dtype, NaN); else None.
    """

    name: str
    verdict: Verdict
    precision: str
    properties: tuple[str, ...] = ()
    entries: int = 0
    outside: int = 0
    share: float = np.inf
    index: tuple[int, ...] = ()
    seen: float = np.nan
    mid: float = np.nan
    rad: float = np.nan
    problem: str | None = None

    def __str__(self) -> str:
        place = self.name + (str(list(self.index)) if self.index else "")
        if self.problem:
            return f"{place}: refuted: {self.problem}"
        ball = f"{self.mid!r} +- {self.rad:.3g}"
        outside = f"{self.outside} of {self.entries} entries outside"
        if self.verdict == "refuted":
            return (
                f"{place}: refuted: {outside}; expected {ball} ({self.precision}), found "
                f"{self.seen!r}, {self.share:.3g} radii off"
            )
        if self.verdict == "degraded":
            return f"{place}: degraded: {outside}; {self.seen!r} is in {self.precision}'s {ball}"
        return f"{place}: inside: {self.seen!r} is in {ball}, share {self.share:.2f}"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The verdicts on all links of one trace, in the order of the chain rule.

    network:   the network's name. precision: the one asked for, by name. links: all of them.
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
        """The worst share of a ball used by a link that is inside or degraded."""
        return max((ln.share for ln in self.links if ln.verdict != "refuted"), default=0.0)

    @property
    def properties(self) -> tuple[str, ...]:
        """All properties seen."""
        return tuple(dict.fromkeys(p for link in self.links for p in link.properties))


def certify(
    network: Network,
    leaves: Mapping[str, Array],
    trace: Trace,
    precision: str,
    plain: Mapping[str, Array] | None = None,
) -> Certificate:
    """Return the certificate of a framework's trace.

    leaves:    every input and parameter, as the framework was given it.
    trace:     what it computed, in the dtype of the precision.
    precision: "float64", "float32", "bfloat16" or "float16".
    plain:     leaf -> gradient of a run without probes, held to the same balls.
    """
    replay = _Replay(network, {**leaves, **trace.values}, trace.cotangents, PRECISIONS[precision])
    links: list[Link] = []
    try:
        for link in replay.links(trace, plain or {}):
            links.append(link)
            if link.problem:  # what is no number at all cannot be the operand of another link
                break
    finally:
        replay.balls.clear()
    return Certificate(network.name, precision, tuple(links))


def allowed(
    network: Network, leaves: Mapping[str, Array], trace: Trace, precision: str, name: str
) -> Ball:
    """Return the ball of one gradient or cotangent, of a leaf or node, of `certify`'s arguments."""
    p = PRECISIONS[precision]
    return _Replay(network, {**leaves, **trace.values}, trace.cotangents, p).receives(name, "", p)


@dataclass(slots=True)
class _Replay:
    """Replays links from the framework's own numbers.

    numbers:    input, parameter or node -> its value. cotangents: node -> its cotangent.
    precision:  the one asked for.
    balls:      the operands in that precision, each made once.
    """

    network: Network
    numbers: Mapping[str, Array]
    cotangents: Mapping[str, Array]
    precision: Precision
    balls: dict[str, Ball] = field(default_factory=dict)

    def links(self, trace: Trace, plain: Mapping[str, Array]) -> Iterator[Link]:
        """Yield every link in the order of the chain rule."""
        for node in self.network.nodes:
            ways = [(form, partial(self.value, node, form)) for form in ["", *OPS[node.op].forms]]
            ball, seen = self.value(node, "", self.precision), trace.values.get(node.name)
            yield self.judge(node.name, seen, ball, ways)
        loss = self.network.loss
        yield self.judge(f"dE/d{loss}", trace.cotangents.get(loss), self.seed(), [])
        known = {**trace.cotangents, **trace.gradients}
        left = Counter(name for node in self.network.nodes for name in node.inputs)
        received: dict[str, Ball] = {}
        forms: dict[str, list[str]] = {name: [""] for name in left}
        for node in self.network.nodes:
            for name in node.inputs:
                forms[name] += OPS[node.op].forms
        for node in reversed(self.network.nodes):
            for name, d in zip(node.inputs, self.hands_on(node, "", self.precision), strict=True):
                received[name] = received[name] + d if name in received else d
                left[name] -= 1
                if not left[name]:
                    ball = received.pop(name)
                    ways = [(form, partial(self.receives, name, form)) for form in forms[name]]
                    yield self.judge(f"dE/d{name}", known.get(name), ball, ways)
                    if name in plain:
                        unprobed = f"dE/d{name} without probes"
                        yield self.judge(unprobed, plain[name], ball, ways)

    def seed(self) -> Ball:
        """Return the loss's own cotangent, which is one."""
        return Ball.exact(np.ones(self.numbers[self.network.loss].shape), self.precision)

    def value(self, node: Node, form: str, p: Precision) -> Ball:
        """Return what a node's value may be; `form` is one of its op's, "" the reference's own."""
        op = OPS[node.op].forms.get(form, OPS[node.op])
        ball: Ball = op.forward(*(self.operand(name, self.numbers, p) for name in node.inputs))
        return ball

    def hands_on(self, node: Node, form: str, p: Precision) -> tuple[Ball, ...]:
        """Return what a node may hand on to each of its inputs."""
        op = OPS[node.op].forms.get(form, OPS[node.op])
        inputs = (self.operand(name, self.numbers, p) for name in node.inputs)
        dy = self.operand(node.name, self.cotangents, p)
        return op.backward(dy, self.operand(node.name, self.numbers, p), *inputs)

    def receives(self, name: str, form: str, p: Precision) -> Ball:
        """Return what a node or leaf may receive from all its consumers."""
        received = [
            d
            for node in reversed(self.network.nodes)
            if name in node.inputs
            for user, d in zip(node.inputs, self.hands_on(node, form, p), strict=True)
            if user == name
        ]
        return sum(received[1:], start=received[0])

    def operand(self, name: str, arrays: Mapping[str, Array], p: Precision) -> Ball:
        """Return a framework's number as an operand: itself, or as a lower precision reads it."""
        if p.name != self.precision.name:
            return Ball.rounded(arrays[name], p)
        if p != self.precision:
            return Ball.exact(arrays[name], p)
        key = name if arrays is self.numbers else f"dE/d{name}"
        if key not in self.balls:
            self.balls[key] = Ball.exact(arrays[name], p)
        return self.balls[key]

    def judge(
        self,
        name: str,
        seen: Array | None,
        ball: Ball,
        ways: Sequence[tuple[str, Callable[[Precision], Ball]]],
    ) -> Link:
        """Return the verdict on one link.

        seen: what the framework says; None if it says nothing. ball: what it may say.
        ways: the forms of computing it, the reference's own first, each making the ball in any
        precision; none where no rounding is involved.
        """
        if problem := _problem(seen, ball.shape, self.precision):
            return Link(name, "refuted", self.precision.name, problem=problem)
        seen, own = np.asarray(seen), self.precision.name
        link = _link(name, "inside", own, seen, ball)
        if link.share <= 1:
            return link
        if not np.isfinite(np.sum(seen, dtype=np.float64)):
            index = tuple(map(int, np.argwhere(~np.isfinite(seen))[0]))
            problem = f"expected a finite number, found {seen[index]}"
            return replace(link, verdict="refuted", index=index, problem=problem)
        for p, properties in _freedoms(self.precision):
            for form, again in ways:
                wider = _link(name, "inside", own, seen, again(p))
                if wider.share <= 1:
                    return replace(wider, properties=tuple(filter(None, (form, *properties))))
        outside = int(np.sum(~ball.contains(seen)))
        for p in LOWER[own] if ways else ():
            lower = _link(name, "degraded", p.name, seen, ways[0][1](p.narrow().flushing()))
            if lower.share <= 1:
                return replace(lower, outside=outside)
        return replace(link, verdict="refuted", outside=outside)


def _freedoms(p: Precision) -> Iterator[tuple[Precision, tuple[str, ...]]]:
    """Yield what an implementation of a precision is free to do, and the properties it shows.

    What widens the ball least comes first: float16's smallest normal number is no small one.
    """
    narrow, flushes = f"accumulates in {p.name}", "flushes subnormals to zero"
    yield p, ()
    if not p.accumulator:
        yield p.flushing(), (flushes,)
        return
    each = [(p.flushing(), (flushes,)), (p.narrow(), (narrow,))]
    yield from reversed(each) if p.minimum > FLOAT32.minimum else each
    yield p.narrow().flushing(), (narrow, flushes)


def _problem(seen: Any, shape: tuple[int, ...], p: Precision) -> str | None:
    """Return what is wrong with an array before any comparison of its numbers."""
    if seen is None:
        return "is missing"
    if not isinstance(seen, np.ndarray | np.generic):
        return f"expected a NumPy array, found {type(seen).__name__}"
    if seen.shape != shape:
        return f"expected shape {shape}, found {seen.shape}"
    if seen.dtype != p.dtype:
        return f"expected dtype {p.dtype}, found {seen.dtype}"
    return None


def _link(name: str, verdict: Verdict, precision: str, seen: Array, ball: Ball) -> Link:
    """Return a link with the entry that uses most of its ball, NaN before all others."""
    if not seen.size:
        return Link(name, verdict, precision, share=0.0)
    shares = ball.shares(seen)
    if not np.isfinite(
        np.max(ball.rad)
    ):  # a ball without bound holds everything, and proves nothing
        shares = np.where(np.isfinite(ball.rad), shares, np.inf)
    index = tuple(map(int, np.unravel_index(int(np.argmax(shares)), shares.shape)))
    return Link(
        name,
        verdict,
        precision,
        entries=seen.size,
        share=float(shares[index]),
        index=index,
        seen=float(seen[index]),
        mid=float(ball.mid[index]),
        rad=float(ball.rad if ball.is_exact else ball.rad[index]),
    )
