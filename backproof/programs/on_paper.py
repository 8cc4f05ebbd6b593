"""A program whose own derivatives are those of the reference.

A derivative inside of a program may have the right numbers, and yet be differentiated wrongly:
where a backward function keeps what it should have computed from its operands, autograd takes that
for a constant. So the gradients are also held to those of the program on paper, where each
derivative inside is made of `derivative(op)(dy, operands)`, for every op that it goes through.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backproof.adapters.recording import Recording, Taken
from backproof.reference.backprop import Trace
from backproof.reference.composed import sum_of
from backproof.reference.derivative import derivative
from backproof.reference.network import Network, Node
from backproof.reference.ops import Array
from backproof.reference.verdict.room import Made, over


def on_paper(recording: Recording, gradients: Mapping[str, Array]) -> Iterator[Recording]:
    """Yield a program in which the derivatives inside are the reference's. gradients: its own.

    After it comes a program for each of them that the framework takes for a constant: of its
    weighted sum, whose gradients were zeros if it were one.
    """
    paper = Paper.of(recording)
    yield paper.recording(recording.network.loss, gradients)
    for one in taken_in(recording):
        for result in sorted(one.constant):
            yield paper.recording(paper.weighted(result), {})


def taken_in(recording: Recording) -> list[Taken]:
    """Return the derivatives that a program takes itself."""
    return [one for one in recording.inner if isinstance(one, Taken)]


@dataclass(frozen=True, slots=True)
class Paper:
    """All nodes of a program and of the derivatives inside of it, and their arrays.

    written: the recorded program. nodes: by name. leaves, values, places: as in `Recording`; the
    steps of a derivative of a derivative, which nobody has seen, are computed.
    """

    written: Recording
    nodes: dict[str, Node]
    leaves: Any
    values: Any
    places: Any

    @classmethod
    def of(cls, recording: Recording) -> "Paper":
        """Return those of a recorded program."""
        every = (recording, *taken_in(recording))
        nodes = {node.name: node for one in reversed(every) for node in one.network.nodes}
        arrays = ((one.leaves, one.trace.values, one.places) for one in every)
        paper = cls(recording, nodes, *(ChainMap({}, *maps) for maps in zip(*arrays, strict=True)))
        for number, one in enumerate(taken_in(recording), 1):
            if one.results:
                paper.take(one, number)
        return paper

    def take(self, taken: Taken, number: int) -> None:
        """Add what each leaf and node on the way of a derivative receives, and its results.

        number: which derivative it is. What the outputs do not depend on receives zeros, which are
        constants. A result may be what the program had before, such as a seed; that is left as it
        is.
        """
        loss, nodes = taken.network.loss, [*in_order(self.nodes, taken.network.loss)]
        before = {i for node in nodes for i in (node.name, *node.inputs)}
        moved = {*taken.reached.intersection(taken.results.values())}
        moved.update(node.name for node in nodes if not moved.isdisjoint(node.inputs))
        at = {name: f"d {name} {number}" for name in moved}
        self.leaves[at[loss]] = np.ones_like(self.value(loss))
        seeds = {leaf: name for leaf, name in taken.seeds.items() if self.has(name)}
        parts: dict[str, list[Node]] = {name: [] for name in moved}
        for node in nodes:
            operands = tuple(seeds.get(name, name) for name in node.inputs)
            for k, name in enumerate(node.inputs):
                if name in moved:
                    op, of = f"{node.op} backwards to {k}", derivative(node.rule, k, node.op)
                    inputs = (at[node.name], *operands)
                    parts[name].append(Node(at[name], op, inputs, node.options, of))
        seen = over(taken.trace.cotangents, taken.trace.gradients)
        is_first = before <= {*taken.leaves, *taken.trace.values}
        for name in moved - {loss}:
            results = [k for k, of in taken.results.items() if of == name and k not in before]
            for own in (at[name], *results):
                self.nodes[own] = added_up(own, parts[name])
                self.places[own] = taken.places[loss]
                if is_first or own in results:
                    self.values[own] = seen[name]

    def has(self, name: str) -> bool:
        """Return whether there is a leaf or node of a name."""
        return name in self.nodes or name in self.leaves

    def value(self, name: str) -> Array:
        """Return the value of a leaf or node."""
        return np.asarray(self.values[name] if name in self.values else self.leaves[name])

    def weighted(self, name: str) -> str:
        """Return the name of a node's weighted sum, which is added."""
        a = self.value(name)
        weights, product, total = (f"{what} of {name}" for what in ("weights", "product", "sum"))
        self.leaves[weights] = np.linspace(1, 2, a.size).astype(a.dtype).reshape(a.shape)
        self.nodes[product] = Node(product, "multiply", (name, weights))
        self.nodes[total] = Node(total, "sum", (product,))
        return total

    def recording(self, last: str, gradients: Mapping[str, Array]) -> Recording:
        """Return the program up to a node. gradients: those that are not zeros."""
        nodes = [*in_order(self.nodes, last)]
        for node in nodes:
            if node.name not in self.values:
                operands = [self.value(name) for name in node.inputs]
                exact = node.rule.forward(*(a.astype(np.float64) for a in operands), **node.options)
                self.values[node.name] = np.asarray(exact).astype(operands[0].dtype)
        made = {node.name for node in nodes}
        used = dict.fromkeys(i for node in nodes for i in node.inputs if i not in made)
        parameters = [name for name in used if name in self.written.parameters]
        others = [name for name in used if name not in parameters]
        nothing = Made(parameters, lambda name: np.zeros_like(self.leaves[name]))
        network = Network(
            self.written.network.name,
            Made(others, self.leaves.__getitem__),
            Made(parameters, self.leaves.__getitem__),
            (*nodes,),
            frozenset(),
            frozenset(others),
        )
        places = {
            name: self.places.get(name, self.places[self.written.network.loss]) for name in made
        }
        return replace(
            self.written,
            network=network,
            leaves=Made([*used], self.leaves.__getitem__),
            trace=Trace(Made([*made], self.values.__getitem__), {}, over(gradients, nothing)),
            places=places,
            precisions={},
            plain=None,
            as_run=None,
            inner=(),
        )


def added_up(own: str, parts: list[Node]) -> Node:
    """Return the node of the sum of several nodes. own: the name that it, or a single one, has."""
    if len(parts) == 1:
        return replace(parts[0], name=own)
    operands, op = sum_of(own, parts)
    return Node(own, f"received: {own}", operands, {}, op)


def in_order(nodes: Mapping[str, Node], last: str) -> Iterator[Node]:
    """Yield the nodes that the last one depends on, and itself, each after those that it uses."""
    done, waiting = set[str](), [last]
    while waiting:
        node = nodes.get(waiting[-1])
        left = [i for i in node.inputs if i not in done] if node and node.name not in done else []
        if left:
            waiting += left
            continue
        name = waiting.pop()
        if node and name not in done:
            yield node
        done.add(name)
