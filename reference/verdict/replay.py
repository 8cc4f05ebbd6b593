"""Links replayed in the order of the chain rule, and the verdict on each."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.network import Node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import Precision
from backproof.reference.ops import Array
from backproof.reference.verdict.balls import Balls, as_terms
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.forms import MIXED, may_differ, of_each_node, of_each_op
from backproof.reference.verdict.judging import judged
from backproof.reference.verdict.link import NOT_JUDGED, Link, Quantity
from backproof.reference.verdict.mixed_precision import ways_inside, without_properties
from backproof.reference.verdict.parts import Parts
from backproof.reference.verdict.ways import Form, Ways

Ruled = Callable[[Quantity], dict[Form, Rules]]
"""From a quantity to the rules of each form in which it may be computed."""


@dataclass(slots=True)
class Replay(Balls):
    """Replays links from the framework's own numbers.

    unusable: quantities from which no other link can be replayed -> the one that is to blame.
    """

    unusable: dict[Quantity, Quantity] = field(default_factory=dict)

    def certificate(self) -> Certificate:
        """Return the verdicts on all links."""
        links = tuple(self.links())
        return Certificate(self.network.name, self.precision.name, links, scale=self.scale)

    def links(self, of: Collection[str] | None = None) -> Iterator[Link]:
        """Yield every link in the order of the chain rule.

        of: leaves and nodes; if it is given, only their links. An operand without numbers is then
        seen only by the links of the same ones.
        """
        without = self.without_probes()
        for node in self.network.nodes:
            if of is not None and node.name not in of:
                continue
            link = self.value_link(node)
            yield link
            if without:
                yield without.value_link_beside(node, self, link)
        yield from self.backward_links(of)
        for name in sorted(self.network.trained) if self.update else ():
            needed = [Quantity("value", name), Quantity("derivative", name)]
            make = partial(self.next, name, self.own(name))
            yield self.link(Quantity("update", name), needed, make)

    def value_link(self, node: Node) -> Link:
        """Return the verdict on a node's value."""
        quantity = Quantity("value", node.name)
        if not node.is_known:
            return self.open_link(quantity, node)
        needed = [Quantity("value", name) for name in node.inputs]
        return self.link(quantity, needed, partial(self.value, node.name, self.own(node.name)))

    def value_link_beside(self, node: Node, other: "Replay", link: Link) -> Link:
        """Return the verdict on a node's value in a pass without probes.

        other, link: the pass with probes, and its verdict, which is the same for the same numbers.
        """
        names = (node.name, *node.inputs)
        pairs = ((one.seen(Quantity("value", name)) for one in (self, other)) for name in names)
        same = not link.problem and all(a is b or equal(a, b) for a, b in pairs)
        found = link if same else self.value_link(node)
        return replace(found, quantity=replace(found.quantity, probes=False))

    def without_probes(self) -> "Replay | None":
        """Return the replay of the pass without probes, which has values and gradients."""
        if self.plain is None:
            return None
        return replace(self, trace=self.plain, plain=None, balls=self.room.recent(), unusable={})

    def backward_links(self, of: Collection[str] | None = None) -> Iterator[Link]:
        """Yield the links of the backward sweep, in which each node hands on once. of: as above."""
        network = self.network
        if of is None or network.loss in of:
            seed = partial(self.receives, network.loss, self.own(network.loss))
            yield self.link(Quantity("derivative", network.loss), [], seed)
        used = (name for node in network.nodes for name in node.inputs)
        wanted = {*self.consumers} if of is None else {*of}
        wanted -= network.constants
        left = Counter(name for name in used if name in wanted)
        handed_on: dict[str, list[Ball]] = {name: [] for name in left}
        needed: dict[str, list[Quantity]] = {name: [] for name in left}
        for node in reversed(network.nodes):
            if left.keys().isdisjoint(node.inputs):
                continue
            operands = [Quantity("derivative", node.name)]
            operands += [Quantity("value", name) for name in (node.name, *node.inputs)]
            usable = node.is_known and not self.cause(operands)
            nothing: tuple[Any, ...] = node.inputs
            balls = self.hands_on(node, self.own(node.name), RIGHT) if usable else nothing
            for name, d in zip(node.inputs, balls, strict=True):
                if name not in left:
                    continue
                needed[name] += operands
                handed_on[name].append(d)
                left[name] -= 1
                if not left[name]:
                    received = partial(RIGHT.receive, name, handed_on.pop(name))
                    yield from self.received_links(name, needed[name], received)

    def place(self, quantity: Quantity) -> tuple[float, ...]:
        """Return what sorts links in the order of the chain rule: values, then derivatives."""
        order = {node.name: i for i, node in enumerate(self.network.nodes)}
        name, beside = quantity.of, not quantity.probes
        if quantity.kind == "value":
            return (0, order[name], 0, beside)
        if name == self.network.loss:
            return (1, -np.inf, 0, beside)
        first = self.consumers[name][0]
        position = max(i for i, one in enumerate(first.inputs) if one == name)
        return (1, -order[first.name], position, beside)

    def received_links(
        self, name: str, needed: Iterable[Quantity], received: Callable[[], Ball]
    ) -> Iterator[Link]:
        """Yield the link of what a node or leaf receives, with probes and without."""
        quantity = Quantity("derivative", name)
        for node in self.consumers[name]:
            if not node.is_known:
                yield self.open_link(quantity, node)
                return
        yield self.link(quantity, needed, received)
        if self.plain is not None and name in self.leaves:
            yield self.link(replace(quantity, probes=False), needed, received)

    def link(
        self, quantity: Quantity, needed: Iterable[Quantity], make: Callable[[], Ball]
    ) -> Link:
        """Return the verdict on a link. needed: its operands. make: makes the ball tried first."""
        if cause := self.cause(needed):
            self.unusable[quantity] = cause
            of, cause = self.judged_of(quantity), self.judged_of(cause)
            problem = f"{NOT_JUDGED}: {cause} is no operand"
            own = self.of(quantity.of).name
            return Link(of, "undecided", own, problem=problem, cause=cause)
        link = self.judge(quantity, make())
        if link.is_no_operand:
            self.unusable[quantity] = quantity
        return link

    def open_link(self, quantity: Quantity, node: Node) -> Link:
        """Return the link of an array that an unknown op makes, or has a part in."""
        problem = f"{NOT_JUDGED}: {node.op} is not known"
        return Link(quantity, "undecided", self.of(quantity.of).name, problem=problem)

    def judged_of(self, quantity: Quantity) -> Quantity:
        """Return what is judged of a quantity: itself."""
        return quantity

    def cause(self, needed: Iterable[Quantity]) -> Quantity | None:
        """Return the quantity that keeps a link with some operands from being judged, or None."""
        if not self.unusable:
            return None
        return next((self.unusable[q] for q in needed if q in self.unusable), None)

    def judge(self, quantity: Quantity, ball: Ball) -> Link:
        """Return the verdict on what a link produced. ball: the one that is tried first."""
        link = self.judge_by(self.rules, quantity, ball)
        if link.verdict == "inside" or link.underflows or not may_differ(self.makers(quantity)):
            return link
        other = self.judge_by(self.rules_apart, quantity, ball)
        return other if other.verdict == "inside" else link

    def judge_by(self, rules: Ruled, quantity: Quantity, ball: Ball) -> Link:
        """Return the verdict on what a link produced, in the forms of some rules.

        ball: by the formula itself, in the precision in which its steps are tried first.
        """
        own = self.own(quantity.of)

        def ways() -> Ways:
            again = self.ways(quantity, rules)
            return {**again, (): lambda p: ball if p == own else again[()](p)}

        terms = self.terms(quantity, rules)
        filled = partial(self.filled, quantity)
        return judged(
            quantity, self.seen(quantity), self.of(quantity.of), ball, ways, terms, filled
        )

    def filled(self, quantity: Quantity) -> Array:
        """Return where a term of a sum is the largest number that there is.

        Masks are filled with it where infinity is meant, and the sum of two of them is infinite.
        """
        node = self.nodes.get(quantity.of)
        if quantity.kind != "value" or node is None or node.op not in ("add", "subtract"):
            return np.zeros((), bool)
        values = ((self.of(name), self.seen(Quantity("value", name))) for name in node.inputs)
        return np.any(np.broadcast_arrays(*(np.abs(a) == p.largest for p, a in values)), axis=0)

    def ways(self, quantity: Quantity, rules: Ruled | None = None) -> Ways:
        """Return the forms in which a quantity may be computed, the simplest first.

        rules: makes the rules of each form; by default, `rules`. What a node hands on is computed
        once in each of its own forms, and not in each combination of them.
        """
        forms = sorted((rules or self.rules)(quantity).items(), key=lambda one: len(one[0]))

        def made(inside: Precision | None) -> Ways:
            keeping = copy(self)
            keeping.parts, keeping.inside = Parts(), inside
            return {form: partial(keeping.ball, quantity, rules=one) for form, one in forms}

        makers = (self.of(node.name) for node in self.makers(quantity))
        seen, terms = self.seen(quantity), self.terms(quantity, rules)
        return ways_inside(quantity, seen, self.of(quantity.of), makers, made, terms)

    def makers(self, quantity: Quantity) -> list[Node]:
        """Return the nodes that a value or a derivative is computed by."""
        if quantity.kind == "value":
            return [self.nodes[quantity.of]]
        return self.consumers.get(quantity.of, []) if quantity.kind == "derivative" else []

    def orders(self, quantity: Quantity) -> tuple[str, ...]:
        """Return the orders in which a quantity may add up what it receives."""
        uses = sum(node.inputs.count(quantity.of) for node in self.makers(quantity))
        return ("", MIXED) if quantity.kind == "derivative" and uses > 1 else ("",)

    def rules(self, quantity: Quantity) -> dict[Form, Rules]:
        """Return the rules of each form of a quantity: each op has its own."""
        return of_each_op(self.makers(quantity), self.orders(quantity))

    def rules_apart(self, quantity: Quantity) -> dict[Form, Rules]:
        """Return the rules of each form of a quantity, where each node has its own."""
        return of_each_node(self.makers(quantity), self.orders(quantity))

    def terms(self, quantity: Quantity, rules: Ruled | None = None) -> Callable[[Form], Array]:
        """Return form -> for each entry the sum of the magnitudes of the terms that are added up.

        rules: makes the rules of each form; by default, `rules`.
        """
        counting = copy(self)
        counting.number, counting.balls = as_terms, {}
        counting.parts, counting.handed_on = Parts(), {}
        of_form = cache(partial(rules or self.rules, quantity))

        @cache
        def magnitude(form: Form) -> Array:
            form = without_properties(form)
            in_one_sum = tuple(name for name in form if name != MIXED)  # the terms are the same
            found: Any = counting.ball(quantity, self.of(quantity.of), of_form()[in_one_sum])
            return np.asarray(found.magnitude)

        return magnitude


def equal(a: Any, b: Any) -> bool:
    """Return whether two arrays are the same numbers of one dtype; NaN is not the same."""
    return getattr(a, "dtype", None) == getattr(b, "dtype", None) and np.array_equal(a, b)
