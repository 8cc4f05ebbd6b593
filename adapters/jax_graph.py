"""The steps of a JAX program, read as the nodes of a network."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from backproof.adapters.jax_places import CUSTOM, is_own
from backproof.adapters.jax_primitives import (
    COMPLEX,
    FUNCTIONS,
    READERS,
    Call,
    NotKnown,
    Operand,
    Seen,
)
from backproof.adapters.jax_primitives.complex_numbers import any_complex, of_complex, read_complex
from backproof.adapters.jax_steps import RULE, Key, Program, Step
from backproof.adapters.recording import UNREAD, NotRecorded, floats
from backproof.reference.complex_calls import with_parts
from backproof.reference.composed import composed, sum_of
from backproof.reference.derivative import derivative
from backproof.reference.network import Network, Node, behind, unknown_node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.cast import cast
from backproof.reference.own import BY_DENSITY, FROM_OUTPUT, with_forms

DERIVED = {"logaddexp": (FROM_OUTPUT,), "log_ndtr": (BY_DENSITY,)}
"""A function of JAX's own with a custom derivative -> the forms of it, by name."""


BITS = "bitcast_convert_type"
"""The primitive behind which a derivative is not seen."""


@dataclass(slots=True)
class Graph:
    """Nodes and leaves of a program, and the step that each node is a result of.

    own:    differentiated operand -> its name.
    known:  the name of a primitive or of a custom function -> its op.
    opened: the forward passes of custom functions, as programs of their own.
    """

    program: Program
    own: Mapping[Key, str]
    known: Mapping[str, Op]
    nodes: list[Node] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    names: dict[Key, str] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    ops: dict[str, Op] = field(default_factory=lambda: {**OPS})
    opened: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names.update(self.own)
        self.keys.update({name: key for key, name in self.own.items()})
        self.counts.update(self.own.values())

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
            reason = str(why).partition("\n")[0]
            place = replace(step.place, reason=step.place.reason or reason)
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
        for name in (step.place.function, step.name):
            if name in self.known:
                if len(step.results) != 1:
                    raise NotKnown("an op has one result, and the function has several")
                return [Call(name, (*operands,), own=self.known[name])]
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
            self.names[x.key] = name
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


def custom(graph: Graph, step: Step) -> list[Call | None]:
    """Return the ops of a custom function: the derivatives of its own forward pass.

    Raises NotKnown, naming the step of the forward pass that is not known.
    """
    closed, tracked = step.params["call_jaxpr"], graph.program.tracked
    operands = [*map(graph.operand, step.operands)]
    is_of_jax = is_own(closed.jaxpr.debug_info.func_filename)
    if is_of_jax and (reader := FUNCTIONS.get(step.place.function)):
        found: list[Call | None] = [*reader(*operands)]
        return [*map(of_complex, found)] if any_complex(operands) else found
    reading, results = opened(graph, closed, step.operands)
    of = {f"operand {i}": operand for i, operand in enumerate(operands)}
    calls = list[Call | None]()
    for key, result in zip(results, step.results, strict=True):
        if result in tracked and not reading.program.sources(key) & reading.own.keys():
            tracked.discard(result)  # it is made of the other operands alone: a constant
        if result not in tracked:
            calls.append(None)
            continue
        if key not in reading.program.tracked:
            raise NotKnown("its forward pass has a derivative of zero, or one that is not seen")
        call = call_of(reading, step.place.function, key, graph.program.avals[result].dtype, of)
        if call.own and is_of_jax and call.op in DERIVED:
            call = replace(call, own=with_forms(call.own, *DERIVED[call.op]))
        calls.append(call)
    return calls


def opened(graph: Graph, closed: Any, operands: Sequence[Key]) -> tuple[Graph, list[Key]]:
    """Return the forward pass of a custom function as a graph, and its results.

    The operands through which gradients flow are named "operand 0", "operand 2", by their places.
    Raises NotKnown.
    """
    inner, outer = Program(), graph.program
    keys = [
        inner.operand(outer.value(key), outer.avals[key], tracked=key in outer.tracked)
        for key in operands
    ]
    results = inner.walk(closed.jaxpr, closed.consts, keys)
    own = {key: f"operand {i}" for i, key in enumerate(keys) if key in inner.tracked}
    reading = Graph(inner, own, graph.known, opened=graph.opened)
    graph.opened.append(inner)
    for one in inner.needed(results):
        if one.name == BITS and inner.tracked.intersection(one.operands):
            raise NotKnown(f"its forward pass takes numbers for bits: {one.place}")
        reading.add(one)
    return reading, results


def rule(graph: Graph, step: Step) -> list[Call | None]:
    """Return the ops of a custom rule: the function's own, and their derivatives.

    Raises NotKnown.
    """
    results, moved = step.params["floats"], step.params["moved"]
    n, program = len(results), graph.program
    dy, operands = step.operands[:n], step.operands[n:]
    found = dict[Key, Call | None]()
    for made in {id(one): one for one in map(program.makers.__getitem__, results)}.values():
        found |= zip(made.results, graph.calls(made), strict=True)
    values = [found[key] for key in results]
    handed_on = list[Call | None]()
    for x in (x for x, moves in zip(operands, moved, strict=True) if moves):
        of_each = [
            slope
            for d, call in zip(dy, values, strict=True)
            if call is not None
            for slope in slopes(call, graph.operand(d), x)
        ]
        handed_on.append(added(of_each) if of_each else None)
    calls = [*values, *handed_on]
    program.tracked -= {key for key, call in zip(step.results, calls, strict=True) if call is None}
    return calls


def slopes(call: Call, dy: Operand, x: Key) -> Iterator[Call]:
    """Yield what an operand receives of a result's cotangent, for each place that it stands at."""
    op = call.own or OPS[call.op]
    for k, one in enumerate(call.operands):
        if isinstance(one, Operand) and one.key == x:
            own = derivative(op, k, call.op)
            yield Call("slope", (dy, *call.operands), call.options, own)


def added(calls: Sequence[Call]) -> Call:
    """Return the sum of several results as one op."""
    if len(calls) == 1:
        return calls[0]
    parts, of = list[Node](), dict[str, Any]()
    for call in calls:
        names = tuple(f"operand {len(of) + k}" for k in range(len(call.operands)))
        of |= zip(names, call.operands, strict=True)
        parts.append(Node("", call.op, names, call.options, call.own))
    operands, own = sum_of("slope", parts)
    return Call("slope", tuple(of[name] for name in operands), own=own)


def call_of(reading: Graph, title: str, key: Key, dtype: Any, of: Mapping[str, Operand]) -> Call:
    """Return a result of a custom function as one op. of: the operands, by name.

    Raises NotKnown.
    """
    last = reading.names[key]
    if last in of:
        return Call("cast", (of[last],), own=cast)
    network = reading.network(title, last)
    for node in network.nodes:
        place = reading.steps[node.name].place
        if not node.is_known:
            reason = f": {place.reason}" if place.reason else ""
            raise NotKnown(f"in its forward pass {place} is not known{reason}")
        if part_of(reading.program.avals[reading.keys[node.name]].dtype) != part_of(dtype):
            raise NotKnown(f"its forward pass computes in several precisions: {place}")
    leaves = {**network.inputs, **network.parameters}
    operands = {name: of.get(name, a) for name, a in leaves.items()}
    if len(network.nodes) == 1:
        (node,) = network.nodes
        return Call(node.op, tuple(operands[i] for i in node.inputs), node.options, node.own)
    return Call(title, (*operands.values(),), own=composed(network))


def part_of(dtype: Any) -> Any:
    """Return the dtype of the parts of complex numbers; of real numbers, their own."""
    dtype = jnp.dtype(dtype)
    return np.zeros((), dtype).real.dtype if dtype.kind == "c" else dtype


def refuse(dtype: Any, place: Any) -> None:
    """Raise NotRecorded for numbers of a kind that has no certificate."""
    if part_of(dtype).name not in PRECISIONS:
        raise NotRecorded(f"{jnp.dtype(dtype).name} is not certified: {place}")
