"""How far rounding may take the constants that a JAX program computes itself.

Links take such a constant as it was recorded. Another pass of the same program, as users run it,
computes it again, and may round it otherwise. So the steps that make it are evaluated once more,
over balls, from what the program was given: each ball holds what any correct evaluation returns,
all of it or to first order.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import cache, partial
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
from backproof.reference.verdict.evidence import norm
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
    """Yield the radii of some values of a program. known: as of a graph.

    Where balls prove something, the radii are theirs. After a few layers a ball may be too wide for
    that, as its worst cases multiply; then the radii are those of first order, if these prove
    something. Of noise neither do. Its square, or its maximum with zero, is farther off than the
    slope at zero says, so the radii are those of the ball again, as far as it has a bound.
    """
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
    evaluated = cache(partial(balls_of, reading))
    for key in results:
        rad, name = np.zeros(blank(reading, key).shape), reading.names.get(key, "")
        if name in evaluated(as_ball):
            made = evaluated(as_ball)[name]
            rad = made.rad + rad
            if not proves(made):
                first = evaluated(to_first_order)[name]
                rad = np.where(proves(first) | ~np.isfinite(rad), first.rad, rad)
        yield np.where(np.isnan(rad), np.inf, rad)


def proves(ball: Ball) -> bool:
    """Return whether radii are smaller than numbers, in the 2-norm: else a ball proves nothing."""
    return norm(np.broadcast_to(ball.rad, ball.shape)) < norm(ball.mid)


Evaluate = Callable[[Node, Mapping[str, Ball], Precision], Ball]
"""Returns the ball of a node: (the node, its operands' balls, the precision of its own array)."""


def balls_of(reading: Graph, evaluate: Evaluate) -> Mapping[str, Ball]:
    """Return the balls of all nodes, each from those before it; infinite if it is not known."""
    balls = dict[str, Ball]()
    for node in reading.nodes:
        like = blank(reading, reading.keys[node.name])
        own = PRECISIONS[like.dtype.name]
        try:
            operands = {
                name: balls[name] if name in balls else exact(reading.constants[name])
                for name in node.inputs
            }
            balls[node.name] = evaluate(node, operands, own)
        except UNREAD:
            balls[node.name] = Ball(like, np.full(like.shape, np.inf), own)
    return balls


def as_ball(node: Node, operands: Mapping[str, Ball], own: Precision) -> Ball:
    """Return the ball that holds whatever a node may be. It is rounded into its own precision."""
    read = {name: Ball(a.mid, a.rad, own.steps).read() for name, a in operands.items()}
    return as_result(RIGHT.value(node, read), own)


def to_first_order(node: Node, operands: Mapping[str, Ball], own: Precision) -> Ball:
    """Return the ball of a node that neglects products of two errors, as bounds of gradients do.

    Its radius is the node's own rounding, and the magnitudes of all terms by which the radii of
    its operands move it. Of an operand of which nothing is known, nothing follows.
    """
    exact_ones = {name: Ball.exact(a.mid, own) for name, a in operands.items()}
    moving = {
        name: Dual(Terms.of(a.mid), Terms.of(np.broadcast_to(a.rad, a.shape)))
        for name, a in operands.items()
    }
    made, moved = as_ball(node, exact_ones, own), RIGHT.value(node, moving).tangent
    rad = made.rad + (0.0 if is_zero(moved) else moved.magnitude)
    is_known = all(np.isfinite(a.rad).all() for a in operands.values())
    return Ball(made.mid, rad if is_known else np.inf, own)


def blank(reading: Graph, key: Key) -> Array:
    """Return zeros of the shape and dtype of a value; complex ones have both parts."""
    of = reading.program.avals[key]
    return with_parts(np.zeros(of.shape, of.dtype))


def exact(a: Array) -> Ball:
    """Return the numbers that a program was given."""
    return Ball.exact(a, PRECISIONS[a.dtype.name])
