"""The steps of a JAX program, read as the nodes of a network."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from backproof.adapters.jax_custom_functions import custom, rule
from backproof.adapters.jax_names import CUSTOM, names_of
from backproof.adapters.jax_primitives import COMPLEX, READERS, Call, NotKnown, Operand, Seen
from backproof.adapters.jax_primitives.complex_numbers import any_complex, part_of, read_complex
from backproof.adapters.jax_steps import RULE, Key, Program, Step
from backproof.adapters.recording import UNREAD, NotRecorded, floats, said_by
from backproof.reference.complex_calls import with_parts
from backproof.reference.mixed import with_casts
from backproof.reference.network import Network, Node, behind, unknown_node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS, Array, Op


@dataclass(slots=True)
class Graph:
    """Nodes and leaves of a program, and the step that each node is a result of.

    own:    differentiated operand -> its name.
    known:  the name of a primitive or of a custom function -> its op, or a function that computes
    the same.
    opened: the forward passes of custom functions, as programs of their own, the outer ones first.
    read_as: the name of a constant -> the value that it is, if it is one.
    """

    program: Program
    own: Mapping[Key, str]
    known: Mapping[str, Any]
    nodes: list[Node] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    names: dict[Key, str] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    read_as: dict[str, Operand] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    ops: dict[str, Op] = field(default_factory=lambda: {**OPS})
    opened: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names.update(self.own)
        self.keys.update({name: key for key, name in self.own.items()})
        self.counts.update(self.own.values())

    def of(self, program: Program, own: Mapping[Key, str], definition: Any = None) -> "Graph":
        """Return the graph of the forward pass of a custom function. own: as of the program.

        definition: what is given for the function. Within it the function is what it is by itself.
        """
        self.opened.append(program)
        known = {name: by for name, by in self.known.items() if by is not definition}
        return Graph(program, own, known, opened=self.opened)

    def new_name(self, start: str) -> str:
        """Return a name that is not used yet: "scan[3]/mul", "scan[3]/mul 2"."""
        while True:
            self.counts[start] += 1
            name = start if self.counts[start] == 1 else f"{start} {self.counts[start]}"
            if name == start or name not in self.counts:
                self.counts[name] += name != start
                return name

    def operand(self, key: Key) -> Operand:
        """Return a value as an operand of a reader."""
        aval = self.program.avals[key]
        tracked = key in self.program.tracked
        return Operand(
            key, tuple(aval.shape), aval.dtype, tracked, lambda: np.asarray(self.program.value(key))
        )

    def add(self, step: Step) -> None:
        """Add the nodes of a step: one for each result that is tracked."""
        results = [key for key in step.results if key in self.program.tracked]
        if not results:
            return
        for key in results:
            refuse(self.program.avals[key].dtype, step.place)
        try:
            calls = self.calls(step)
        except (NotKnown, *UNREAD) as why:
            place = replace(step.place, reason=step.place.reason or said_by(why))
            step = replace(step, place=place)
            calls = [None] * len(step.results)
        for key, call in zip(step.results, calls, strict=True):
            if key in self.program.tracked:
                self.node(key, step, call)

    def calls(self, step: Step) -> list[Call | None]:
        """Return what the results of a step are. Raises NotKnown."""
        found = self.read(step)
        if len(found) != len(step.results):
            raise NotKnown(f"it has {len(step.results)} results, and not {len(found)}")
        return found

    def read(self, step: Step) -> list[Call | None]:
        """Return what the readers know of the results of a step. Raises NotKnown."""
        operands = [*map(self.operand, step.operands)]
        for op in (self.known[k] for k in names_of(step.name, step.params) if k in self.known):
            if not isinstance(op, Op):
                return custom(self, step, definition=op)
            if len(step.results) != 1:
                raise NotKnown(
                    "an op has one result, and the function has several: give a function in its "
                    "place"
                )
            return [Call(step.place.function, (*operands,), own=op)]
        if step.name in CUSTOM:
            return custom(self, step)
        if step.name == RULE:
            return rule(self, step)
        if step.place.reason or step.name not in READERS.keys() | COMPLEX.keys():
            raise NotKnown
        results = tuple(map(self.operand, step.results))
        seen = Seen(step.name, step.params, results, step.run)
        if any_complex([*operands, *results]):
            return read_complex(READERS.get(step.name), seen, *operands)
        read = READERS[step.name](seen, *operands)
        return read if isinstance(read, list) else [read]

    def node(self, key: Key, step: Step, call: Call | None) -> None:
        """Add the node of a result; of one that is not known, what it was computed from."""
        place = step.place
        title = place.function if step.name in {*CUSTOM, RULE} else step.name
        name = self.new_name(f"{place.module}/{title}" if place.module else title)
        if call is None:
            inputs = tuple(self.names[k] for k in step.operands if k in self.names)
            node = unknown_node(name, place.function, inputs)
        else:
            op = call.op
            if call.own and self.ops.setdefault(op, call.own) is not call.own:
                op = self.new_name(f"op {op}")  # another op with the same name
            inputs = tuple(map(self.input, call.operands))
            node = Node(name, op, inputs, call.options, call.own)
        self.nodes.append(node)
        self.names[key], self.keys[name], self.steps[name] = name, key, step

    def input(self, x: Operand | Array) -> str:
        """Return the name of an operand; what gradients do not flow through is a constant."""
        if isinstance(x, Operand) and x.key in self.names:
            return self.names[x.key]
        name = self.new_name("constant")
        self.constants[name] = floats(with_parts(x.read() if isinstance(x, Operand) else x))
        if isinstance(x, Operand):
            self.names[x.key], self.read_as[name] = name, x
        return name

    def numbers(self, key: Key) -> Array:
        """Return the numbers of a value; complex ones have both parts along a last axis."""
        return with_parts(self.program.value(key))

    def network(self, name: str, last: str) -> Network:
        """Return the network of all that a node depends on, with the numbers at its leaves."""
        nodes = [*behind(self.nodes, {last})]
        used = {name for node in nodes for name in node.inputs}
        parameters = {k: self.numbers(key) for key, k in self.own.items() if k in used}
        constants = {k: a for k, a in self.constants.items() if k in used}
        return Network(name, constants, parameters, (*nodes,), frozenset(), frozenset(constants))

    def in_its_precisions(self, network: Network) -> Network:
        """Return a network with the roundings of what it stores on the way."""

        @cache
        def value(of: str) -> Array:
            known = self.constants.get(of)
            return self.numbers(self.keys[of]) if known is None else known

        return with_casts(network, lambda of: value(of).dtype.name, value)


def refuse(dtype: Any, place: Any) -> None:
    """Raise NotRecorded for numbers of a kind that has no certificate."""
    if part_of(dtype).name not in PRECISIONS:
        raise NotRecorded(f"{jnp.dtype(dtype).name} is not certified: {place}")
