"""Custom functions of a JAX program, and their rules, read as ops."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax

from backproof.adapters.jax_places import is_own
from backproof.adapters.jax_primitives import FUNCTIONS, Call, NotKnown, Operand
from backproof.adapters.jax_primitives.complex_numbers import any_complex, of_complex
from backproof.adapters.jax_steps import Key, Step
from backproof.adapters.recording import GIVE
from backproof.reference.composed import composed, sum_of
from backproof.reference.derivative import derivative
from backproof.reference.network import Node
from backproof.reference.ops import OPS
from backproof.reference.ops.cast import cast
from backproof.reference.own import BY_DENSITY, FROM_OUTPUT, with_forms

if TYPE_CHECKING:
    from backproof.adapters.jax_graph import Graph  # it imports this module

DERIVED = {"logaddexp": (FROM_OUTPUT,), "log_ndtr": (BY_DENSITY,)}
"""A function of JAX's own with a custom derivative -> the forms of it, by name."""

BITS = "bitcast_convert_type"
"""The primitive behind which a derivative is not seen."""


def custom(graph: "Graph", step: Step, definition: Any = None) -> list[Call | None]:
    """Return the ops of a custom function: the derivatives of its own forward pass.

    definition: a function that computes the same, by steps that are known; it takes the same
    arrays. None: the function itself.
    Raises NotKnown, naming the step of the forward pass that is not known.
    """
    closed = step.params["call_jaxpr"] if definition is None else traced(graph, step, definition)
    tracked = graph.program.tracked
    operands = [*map(graph.operand, step.operands)]
    is_of_jax = definition is None and is_own(closed.jaxpr.debug_info.func_filename)
    if is_of_jax and (reader := FUNCTIONS.get(step.place.function)):
        found: list[Call | None] = [*reader(*operands)]
        return [*map(of_complex, found)] if any_complex(operands) else found
    reading, results = opened(graph, closed, step.operands, definition)
    of = {f"operand {i}": operand for i, operand in enumerate(operands)}
    calls = list[Call | None]()
    for key, result in zip(results, step.results, strict=True):
        if result in tracked and not reading.program.sources(key) & reading.own.keys():
            tracked.discard(result)  # it is made of the other operands alone: a constant
        if result not in tracked:
            calls.append(None)
            continue
        if key not in reading.program.tracked:
            raise NotKnown(
                f"its forward pass has a derivative of zero, or one that is not seen: {GIVE}"
            )
        call = call_of(reading, step.place.function, key, of)
        if call.own and is_of_jax and call.op in DERIVED:
            call = replace(call, own=with_forms(call.own, *DERIVED[call.op]))
        calls.append(call)
    return calls


def traced(graph: "Graph", step: Step, definition: Any) -> Any:
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


def opened(
    graph: "Graph", closed: Any, operands: Sequence[Key], definition: Any = None
) -> tuple["Graph", list[Key]]:
    """Return the forward pass of a custom function as a graph, and its results.

    The operands through which gradients flow are named "operand 0", "operand 2", by their places.
    definition: as in `custom`. Raises NotKnown.
    """
    inner, outer = graph.program.within(), graph.program
    keys = [
        inner.operand(outer.value(key), outer.avals[key], tracked=key in outer.tracked)
        for key in operands
    ]
    inner.handed.update(zip(keys, operands, strict=True))
    results = inner.walk(closed.jaxpr, closed.consts, keys)
    own = {key: f"operand {i}" for i, key in enumerate(keys) if key in inner.tracked}
    reading = graph.of(inner, own, definition)
    for one in inner.needed(results):
        if one.name == BITS and inner.tracked.intersection(one.operands):
            raise NotKnown(f"its forward pass takes numbers for bits: {one.place}")
        reading.add(one)
    return reading, results


def rule(graph: "Graph", step: Step) -> list[Call | None]:
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


def call_of(reading: "Graph", title: str, key: Key, of: Mapping[str, Operand]) -> Call:
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
    values = {**reading.read_as, **of}
    operands = {name: values.get(name, a) for name, a in leaves.items()}
    if len(network.nodes) == 1:
        (node,) = network.nodes
        return Call(node.op, tuple(operands[i] for i in node.inputs), node.options, node.own)
    return Call(title, (*operands.values(),), own=composed(network))
