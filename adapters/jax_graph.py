"""The steps of a JAX program, read as the nodes of a network."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backproof.adapters.jax_places import CUSTOM, OWN
from backproof.adapters.jax_primitives import FUNCTIONS, READERS, Call, NotKnown, Operand, Seen
from backproof.adapters.jax_primitives.complex_numbers import READERS as COMPLEX
from backproof.adapters.jax_primitives.complex_numbers import any_complex, of_complex, read_complex
from backproof.adapters.jax_steps import RULE, Key, Program, Step
from backproof.adapters.recording import GIVE, UNREAD, NotRecorded
from backproof.reference.complex_calls import with_parts
from backproof.reference.composed import composed, sum_of
from backproof.reference.derivative import derivative
from backproof.reference.mixed import with_casts
from backproof.reference.network import Network, Node, unknown_node
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

    value: (key) -> the numbers of a value.
    known: primitive or custom function -> its op, or a function that computes the same.
    own:   differentiated operand -> its name.
    opened: the forward passes of custom functions, as programs of their own.
    """

    program: Program
    value: Callable[[Key], Any]
    own: Mapping[Key, str]
    known: Mapping[str, Any]
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
            key, tuple(aval.shape), aval.dtype, tracked, lambda: np.asarray(self.value(key))
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
            calls = None
        for i, key in enumerate(step.results):
            call = calls[i] if calls else None
            if key in self.program.tracked:
                self.node(key, step, call)

    def calls(self, step: Step) -> list[Call | None]:
        """Return what the results of a step are. Raises NotKnown."""
        operands = [*map(self.operand, step.operands)]
        for name in (step.place.function, step.name):
            if (op := self.known.get(name)) is None:
                continue
            if not isinstance(op, Op):
                return custom(self, step, definition=op)
            if len(step.results) != 1:
                raise NotKnown(
                    "an op has one result, and the function has several: give a function in its "
                    "place"
                )
            return [Call(name, (*operands,), own=op)]
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
        self.constants[name] = floats(x.read() if isinstance(x, Operand) else x)
        if isinstance(x, Operand):
            self.names[x.key] = name
        return name

    def network(self, name: str, last: str) -> Network:
        """Return the network of all that a node depends on, with the numbers at its leaves."""
        needed, nodes = {last}, list[Node]()
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
                nodes.append(node)
        parameters = {k: with_parts(self.value(key)) for key, k in self.own.items() if k in needed}
        constants = {k: a for k, a in self.constants.items() if k in needed}
        every = (*reversed(nodes),)
        return Network(name, constants, parameters, every, frozenset(), frozenset(constants))

    def in_its_precisions(self, network: Network) -> Network:
        """Return a network with the roundings of what it stores on the way."""

        @cache
        def value(of: str) -> Array:
            known = self.constants.get(of)
            return with_parts(self.value(self.keys[of])) if known is None else known

        return with_casts(network, lambda of: value(of).dtype.name, value)


def custom(graph: Graph, step: Step, definition: Any = None) -> list[Call | None]:
    """Return the ops of a custom function: the derivatives of its own forward pass.

    definition: a function that computes the same, by steps that are known; it takes the same
    arrays. None: the function itself.
    Raises NotKnown, naming the step of the forward pass that is not known.
    """
    closed = step.params["call_jaxpr"] if definition is None else traced(graph, step, definition)
    is_own = str(closed.jaxpr.debug_info.func_filename).startswith(OWN) and definition is None
    operands = [*map(graph.operand, step.operands)]
    if is_own and (reader := FUNCTIONS.get(step.place.function)):
        found: list[Call | None] = [*reader(*operands)]
        return [*map(of_complex, found)] if any_complex(operands) else found
    inner, outer = Program(), graph.program
    keys = {
        inner.operand(graph.value(key), outer.avals[key], tracked=key in outer.tracked): key
        for key in step.operands
    }
    results = inner.walk(closed.jaxpr, closed.consts, keys)
    own = {key: f"operand {i}" for i, key in enumerate(keys) if key in inner.tracked}
    reading = Graph(inner, inner.value, own, graph.known, opened=graph.opened)
    graph.opened.append(inner)
    for one in inner.needed(results):
        if one.name == BITS and inner.tracked.intersection(one.operands):
            raise NotKnown(f"its forward pass takes numbers for bits: {one.place}")
        reading.add(one)
    calls = list[Call | None]()
    for key, result in zip(results, step.results, strict=True):
        if result not in outer.tracked:
            calls.append(None)
            continue
        if not inner.sources(key) & own.keys():  # of the other operands alone: a constant
            outer.tracked.discard(result)
            calls.append(None)
            continue
        if key not in inner.tracked:
            raise NotKnown(
                f"its forward pass has a derivative of zero, or one that is not seen: {GIVE}"
            )
        of = {name: graph.operand(keys[one]) for one, name in own.items()}
        call = call_of(reading, step.place.function, key, of)
        if call.own and is_own and call.op in DERIVED:
            call = replace(call, own=with_forms(call.own, *DERIVED[call.op]))
        calls.append(call)
    return calls


def traced(graph: Graph, step: Step, definition: Any) -> Any:
    """Return what a function computes of the operands of a step, as JAX traces it.

    Raises NotKnown where its results have other shapes or dtypes than those of the step.
    """
    avals = graph.program.avals
    closed = jax.make_jaxpr(definition)(*(avals[key] for key in step.operands))
    pairs = [(one.shape, one.dtype) for one in closed.out_avals]
    if pairs != (wanted := [(avals[key].shape, avals[key].dtype) for key in step.results]):
        found, expected = (", ".join(f"{d}{list(s)}" for s, d in one) for one in (pairs, wanted))
        raise NotKnown(f"the function that is given for it returns {found}, and not {expected}")
    return closed


def rule(graph: Graph, step: Step) -> list[Call | None]:
    """Return the ops of a custom rule: the function's own, and their derivatives.

    Raises NotKnown.
    """
    floats, moved = step.params["floats"], step.params["moved"]
    n, program = len(floats), graph.program
    dy, operands = step.operands[:n], step.operands[n:]
    found = dict[Key, Call | None]()
    for made in {id(one): one for one in map(program.makers.__getitem__, floats)}.values():
        found |= zip(made.results, graph.calls(made), strict=True)
    calls = [found[key] for key in floats]
    for x in (x for x, moves in zip(operands, moved, strict=True) if moves):
        slopes = [
            Call("slope", (graph.operand(d), *call.operands), call.options, slope)
            for d, call in zip(dy, calls[:n], strict=True)
            if call is not None
            for op in [call.own or OPS[call.op]]
            for k, of in enumerate(call.operands)
            if isinstance(of, Operand) and of.key == x
            for slope in [derivative(op, k, call.op)]
        ]
        calls.append(added(slopes) if slopes else None)
    program.tracked -= {key for key, call in zip(step.results, calls, strict=True) if call is None}
    return calls


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


def call_of(reading: Graph, title: str, key: Key, of: Mapping[str, Operand]) -> Call:
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
            raise NotKnown(f"in its forward pass {place} is not known: {place.reason or GIVE}")
    network = reading.in_its_precisions(network)
    leaves = {**network.inputs, **network.parameters}
    operands = {name: of.get(name, a) for name, a in leaves.items()}
    if len(network.nodes) == 1:
        (node,) = network.nodes
        return Call(node.op, tuple(operands[i] for i in node.inputs), node.options, node.own)
    return Call(title, (*operands.values(),), own=composed(network))


def floats(a: Any) -> Array:
    """Return numbers as floats: integers and truth values in the lowest precision that has them.

    Complex numbers have both parts along a last axis.
    """
    a = with_parts(a)
    if a.dtype.kind not in "biu":
        return a
    low = a.astype(np.float32)
    return low if np.array_equal(low, a) else a.astype(np.float64)


def part_of(dtype: Any) -> Any:
    """Return the dtype of the parts of complex numbers; of real numbers, their own."""
    dtype = jnp.dtype(dtype)
    return np.zeros((), dtype).real.dtype if dtype.kind == "c" else dtype


def refuse(dtype: Any, place: Any) -> None:
    """Raise NotRecorded for numbers of a kind that has no certificate."""
    if part_of(dtype).name not in PRECISIONS:
        raise NotRecorded(f"{jnp.dtype(dtype).name} is not certified: {place}")


def graph_of(
    program: Program,
    steps: Iterable[Step],
    values: Mapping[Key, Any],
    own: Mapping[Key, str],
    known: Mapping[str, Any],
) -> Graph:
    """Return the graph of steps that were computed. values: of all of them."""
    graph = Graph(program, values.__getitem__, own, known)
    for step in steps:
        graph.add(step)
    return graph
