"""How far rounding may take the constants that a JAX program computes itself.

Links take such a constant as it was recorded. Another pass of the same program, as users run it,
computes it again, and may round it otherwise. So the steps that make it are evaluated once more,
over balls, from what the program was given: each ball holds what any correct evaluation returns,
or all of it to first order.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np

from backproof.adapters.jax_graph import Graph
from backproof.adapters.jax_steps import NOWHERE, Key, Program, Step
from backproof.adapters.recording import UNREAD
from backproof.reference.backprop import RIGHT
from backproof.reference.complex_calls import with_parts
from backproof.reference.network import Node, unknown
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.dual import Dual, is_zero
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.numbers.terms import Terms
from backproof.reference.ops import Array, Op
from backproof.reference.ops.cast import cast
from backproof.reference.verdict.balls import as_result
from backproof.reference.verdict.room import Made

WITHOUT_DERIVATIVE = {
    "stop_gradient": cast,
    "sign": Op(np.sign, unknown),
    "floor": Op(np.floor, unknown),
    "ceil": Op(np.ceil, unknown),
    "round": Op(np.rint, unknown),
}
"""The primitives of `jax_steps.STOPS` as ops, which are never asked for a derivative."""


def radii_of(graph: Graph, constants: Container[str]) -> Mapping[str, Array]:
    """Return, for each constant that a program computes, how far it may be from its exact value.

    constants: the names of those that are asked for. Each radius is a float64 array of the
    constant's shape, infinite where nothing is known. They are computed when the first of them is
    asked for. Integers and conditions, and what is made of integers alone, are taken as they were
    computed.
    """
    program = whole_of(graph)
    keys = {
        name: key
        for key, name in graph.names.items()
        if name in constants and key in program.makers and program.is_inexact(key)
    }

    @cache
    def found() -> Mapping[str, Array]:
        with np.errstate(all="ignore"):
            return dict(zip(keys, radii(program, graph.known, [*keys.values()]), strict=True))

    return Made(keys, lambda name: found()[name])


def whole_of(graph: Graph) -> Program:
    """Return a program together with the forward passes of its custom functions.

    What these compute of constants is never seen: their operands are values of the program.
    """
    whole = Program(avals=graph.program.avals)
    for one in (graph.program, *graph.opened):
        whole.given |= {key: a for key, a in one.given.items() if key not in one.handed}
        for x, value in one.handed.items():
            whole.add(Step("handed", (value,), (x,), lambda a: [a], {}, NOWHERE))
        for step in one.steps:
            whole.add(step)
    return whole


def radii(program: Program, known: Mapping[str, Any], keys: Sequence[Key]) -> Iterator[Array]:
    """Yield the radii of some values of a program, evaluated over balls. known: as of a graph."""
    whole = Program(whole=True)
    steps = program.needed(keys)
    used = {key for step in steps for key in step.operands}
    given = {key: a for key, a in program.given.items() if key in used}

    def again(given: Mapping[Key, Any]) -> list[Any]:
        found = program.evaluate(given, {}, steps)
        return [found[key] for key in keys]

    traced = jax.make_jaxpr(again)(given)
    operands = [whole.operand(a) for _, a in sorted(given.items())]
    results = whole.walk(traced.jaxpr, traced.consts, operands)
    reading = Graph(whole, {}, {**WITHOUT_DERIVATIVE, **known})
    for step in whole.needed(results):
        reading.add(step)
    balls = dict[str, Ball]()
    for node in reading.nodes:
        balls[node.name] = ball_of(reading, node, balls)
    for key in results:
        made = balls.get(reading.names.get(key, ""))
        rad = np.broadcast_to(0.0 if made is None else made.rad, blank(reading, key).shape)
        yield np.where(np.isnan(rad), np.inf, rad)


def ball_of(reading: Graph, node: Node, balls: Mapping[str, Ball]) -> Ball:
    """Return the ball of a node, given those of the nodes before it; infinite if it is not known.

    Each node is rounded into the precision of its own array. Where no ball holds all that it may
    be, such as a quotient whose divisor may be zero, its radius is of first order.
    """
    like = blank(reading, reading.keys[node.name])
    own = PRECISIONS[like.dtype.name]
    try:
        operands = {
            name: balls[name] if name in balls else exact(reading.constants[name])
            for name in node.inputs
        }
        read = {name: Ball(a.mid, a.rad, own.steps).read() for name, a in operands.items()}
        made = as_result(RIGHT.value(node, read), own)
        is_known = all(np.isfinite(a.rad).all() for a in operands.values())
        is_held = np.isfinite(made.rad).all() or not is_known
        return made if is_held else to_first_order(node, operands, own)
    except UNREAD:
        return Ball(like, np.full(like.shape, np.inf), own)


def to_first_order(node: Node, operands: Mapping[str, Ball], own: Precision) -> Ball:
    """Return the ball of a node that neglects products of two errors, as bounds of gradients do.

    Its radius is the node's own rounding, and the magnitudes of all terms by which the radii of
    its operands move it.
    """
    mids = {name: Ball.exact(a.mid, own.steps).read() for name, a in operands.items()}
    moving = {
        name: Dual(Terms.of(a.mid), Terms.of(np.broadcast_to(a.rad, a.shape)))
        for name, a in operands.items()
    }
    made, moved = as_result(RIGHT.value(node, mids), own), RIGHT.value(node, moving).tangent
    return Ball(made.mid, made.rad + (0.0 if is_zero(moved) else moved.magnitude), own)


def blank(reading: Graph, key: Key) -> Array:
    """Return zeros of the shape and dtype of a value; complex ones have both parts."""
    of = reading.program.avals[key]
    return with_parts(np.zeros(of.shape, of.dtype))


def exact(a: Array) -> Ball:
    """Return the numbers that a program was given."""
    return Ball.exact(a, PRECISIONS[a.dtype.name])
