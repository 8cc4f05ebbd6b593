"""The custom rules that a program itself applies, as a program: each function is called again.

Its operands and the cotangents of its results are those that the program had. So the derivative
that is handed on is held to that of the function's own forward pass, as it is outside of the loss.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from backproof.adapters.jax_closed_functions import is_float
from backproof.adapters.jax_marks import Rule
from backproof.adapters.jax_steps import RULE, Application, Key, Program, Step
from backproof.adapters.recording import Place

NAME = "custom rules inside of the loss"

CLOSES = "it calls a custom function that closes over an array which is computed in the loss"

Applied = tuple[Program, Application]
"""A rule that was applied, and the program that has its numbers."""


def inner_program(applied: Sequence[Applied]) -> tuple[Program, dict[Key, str], Key, str] | None:
    """Return the program, its parameters, its loss and its name; None where no rule was applied.

    The parameters are the operands that move. Where the loss differentiates what a rule hands on,
    the rule is a step, whose own derivative is held too. Else the function is, whose cotangents are
    those that it had. The loss is the sum of all results, each times a direction.
    """
    program, own, products = Program(), dict[Key, str](), list[tuple[Key, Key]]()
    for at, one in alone(applied):
        rule, place = one.rule, replace(one.place, function=f"the rule of {one.rule.name}")
        values = [at.value(key) for key in one.operands[len(rule.given) :]]
        keys = operands(program, own, values, rule)
        results = program.walk(rule.function.jaxpr, rule.function.consts, keys, one.place)
        along = dict(directions(at, one, [program.avals[key] for key in results]))
        is_again = one.handed_on in at.tracked
        if is_again and not closes_over_traced(rule):
            products += applied_again(program, place, rule, keys, results, along)
            continue
        products += ((results[i], program.operand(d)) for i, d in along.items())
        if is_again:
            program.unseen.append(replace(place, reason=CLOSES))
    if not products:
        return None
    shapes = [[program.avals[key].to_tangent_aval() for key in pair] for pair in products]
    sums = jax.make_jaxpr(total)(shapes)
    (last,) = program.walk(sums.jaxpr, sums.consts, [key for pair in products for key in pair])
    return program, own, last, NAME


def operands(program: Program, own: dict[Key, str], values: Sequence[Any], rule: Rule) -> list[Key]:
    """Add the operands of a function, and name those that move: "operand 0 of sin, 2"."""
    keys = []
    for i, (value, moves) in enumerate(zip(values, rule.moved, strict=True)):
        keys.append(program.operand(value, tracked=moves))
        if moves:
            name = f"operand {i} of {rule.name}"
            n = sum(one.partition(",")[0] == name for one in own.values())
            own[keys[-1]] = f"{name}, {n + 1}" if n else name
    return keys


def applied_again(
    program: Program,
    place: Place,
    rule: Rule,
    operands: Sequence[Key],
    results: Sequence[Key],
    along: Mapping[int, Any],
) -> Iterator[tuple[Key, Key]]:
    """Add a rule as a step of its own, and yield its results, each with a random direction.

    A rule that is right at these operands alone, or that stops gradients, has a wrong derivative.
    results: of the function. along: place of a result -> its cotangent, where it is not zero.
    """
    floats = [(i, key) for i, key in enumerate(results) if is_float(program.avals[key])]
    shapes = [(i, program.avals[key].to_tangent_aval()) for i, key in floats]
    dy = [program.operand(along.get(i, jnp.zeros(of.shape, of.dtype))) for i, of in shapes]
    made = (*map(program.new, rule.derived.out_avals),)
    params = {"floats": [key for _, key in floats], "moved": rule.moved}
    program.add(Step(RULE, (*dy, *operands), made, jaxpr_as_fun(rule.derived), params, place))
    drawn = np.random.default_rng(1)
    seen = [key for (i, _), key in zip(floats, made, strict=False) if i in along]
    for key in (*seen, *made[len(floats) :]):
        of = program.avals[key]
        yield key, program.operand(jnp.asarray(drawn.normal(size=of.shape), of.dtype))


def closes_over_traced(rule: Rule) -> bool:
    """Return whether the derivative of a rule uses an array of a trace that has ended."""
    operands = rule.derived.in_avals
    first = len(operands) - len(rule.moved)
    moves = [first + i for i, moves in enumerate(rule.moved) if moves]

    def sums(moving: Sequence[Any], operands: Sequence[Any]) -> Any:
        every = [*operands]
        for i, x in zip(moves, moving, strict=True):
            every[i] = x
        return sum(map(jnp.sum, jaxpr_as_fun(rule.derived)(*every)))

    try:
        found = jax.make_jaxpr(jax.grad(sums))([operands[i] for i in moves], operands)
    except jax.errors.UnexpectedTracerError:
        return True
    return any(isinstance(a, jax.core.Tracer) for a in found.consts)


def alone(applied: Sequence[Applied]) -> Iterator[Applied]:
    """Yield each application once, though several of its numbers are marked."""
    found = set[Any]()
    for at, one in applied:
        rule = one.rule
        direction = one.handed_on if rule.is_back and not rule.given else None
        key = (id(at), id(rule.function), one.operands, rule.result, direction)
        if key not in found:
            found.add(key)
            yield at, one


def directions(at: Program, one: Application, results: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Yield results of a function, by place, each with its direction.

    results: their shapes and dtypes. A direction is the cotangent that the program had. Where a
    tangent was handed on instead, it is drawn at random: a linear function that is right along a
    random direction is right.
    """
    rule = one.rule
    if rule.given:
        for i, key in zip(rule.given, one.operands, strict=False):
            yield i, at.value(key)
    elif rule.is_back and rule.result is not None:
        yield rule.result, at.value(one.handed_on)
    else:
        drawn = np.random.default_rng(0)
        for i, of in enumerate(results):
            if rule.result in (None, i) and is_float(of):
                yield i, jnp.asarray(drawn.normal(size=of.shape), of.dtype)


def total(products: Sequence[tuple[Any, Any]]) -> Any:
    """Return the sum of products of arrays, in float32 at least."""
    sums = []
    for pair in products:
        y, d = (x.astype(jnp.promote_types(x.dtype, jnp.float32)) for x in pair)
        sums.append(jnp.sum(y * d))
    return sum(sums[1:], sums[0])
