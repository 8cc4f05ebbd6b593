"""The custom rules that a program itself applies, as a program: each function is called again.

Its operands and the cotangents of its results are those that the program had. So the derivative
that is handed on is held to that of the function's own forward pass, as it is outside of the loss.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from backproof.adapters.jax_closed_functions import is_float
from backproof.adapters.jax_marks import Rule
from backproof.adapters.jax_names import names_of
from backproof.adapters.jax_steps import RULE, Application, Key, Program, Step
from backproof.adapters.recording import Place

NAME = "custom rules inside of the loss"

CLOSES = "it calls a custom function that closes over an array which is computed in the loss"

Applied = tuple[Program, Application, bool]
"""A rule that was applied, the program that has its numbers, and whether the loss differentiates
what the rule hands on."""


def inner_program(
    applied: Sequence[Applied], known: Container[str]
) -> tuple[Program, dict[Key, str], Key, str] | None:
    """Return the program, its parameters, its loss and its name; None where no rule was applied.

    known: the names of functions whose op is given.

    The parameters are the operands that move. Where the loss differentiates what a rule hands on,
    the rule is a step, whose own derivative is held too. Else the function is, whose cotangents are
    those that it had. The loss is the sum of all results, each times a direction.
    """
    program, own, products = Program(), dict[Key, str](), list[tuple[Key, Key]]()
    for at, one, is_used in alone(applied):
        rule, place = one.rule, replace(one.place, function=f"the rule of {one.rule.name}")
        is_again = is_used and not at.tracked.isdisjoint((one.handed_on, *one.operands))
        is_step = is_again and not closes_over_traced(rule)
        keys = operands(program, own, at, one, is_again=is_step)
        results = program.walk(rule.function.jaxpr, rule.function.consts, keys, one.place)
        along = dict(directions(at, one, [program.avals[key] for key in results]))
        if is_step:
            dy = cotangents(program, own, at, one, results, along)
            names = (k for e in rule.function.eqns for k in names_of(e.primitive.name, e.params))
            wanted = () if any(name in known for name in names) else along
            products += applied_again(program, place, rule, dy, keys, results, wanted)
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


def operands(
    program: Program, own: dict[Key, str], at: Program, one: Application, *, is_again: bool
) -> list[Key]:
    """Add the operands of a function, and name those that move: "operand 0 of sin, 2".

    is_again: whether those move, too, by which the loss differentiates what the rule hands on.
    """
    rule, keys = one.rule, []
    given = one.operands[len(rule.given) :]
    for i, (key, moves) in enumerate(zip(given, rule.moved, strict=True)):
        again = is_again and i >= rule.closed and key in at.tracked
        keys.append(program.operand(at.value(key), tracked=moves or again))
        if moves or again:
            own[keys[-1]] = numbered(f"operand {i} of {rule.name}", own)
    return keys


def cotangents(
    program: Program,
    own: dict[Key, str],
    at: Program,
    one: Application,
    results: Sequence[Key],
    along: Mapping[int, Any],
) -> list[Key]:
    """Add the cotangents of all results that are floats, and name those that move.

    results: of the function. along: place of a result -> its cotangent, where it is not zero.
    """
    keys, seen = [], dict(zip(one.rule.given, one.operands, strict=False))
    for i, key in enumerate(results):
        if is_float(program.avals[key]):
            of = program.avals[key].to_tangent_aval()
            moves = seen.get(i) in at.tracked
            keys.append(program.operand(along.get(i, jnp.zeros(of.shape, of.dtype)), tracked=moves))
            if moves:
                own[keys[-1]] = numbered(f"cotangent {i} of {one.rule.name}", own)
    return keys


def numbered(name: str, own: Mapping[Key, str]) -> str:
    """Return a name that no other operand has."""
    n = sum(one.partition(",")[0] == name for one in own.values())
    return f"{name}, {n + 1}" if n else name


def applied_again(
    program: Program,
    place: Place,
    rule: Rule,
    dy: Sequence[Key],
    operands: Sequence[Key],
    results: Sequence[Key],
    wanted: Container[int],
) -> Iterator[tuple[Key, Key]]:
    """Add a rule as a step of its own, and yield its results, each with a random direction.

    A rule that is right at these operands alone, or that stops gradients, has a wrong derivative.
    dy: the cotangents of results that are floats. results: of the function. wanted: the places of
    those whose own derivative is held: of an op that is given, it need not be that of its value.
    """
    floats = [(i, key) for i, key in enumerate(results) if is_float(program.avals[key])]
    made = (*map(program.new, rule.derived.out_avals),)
    params = {"floats": [key for _, key in floats], "moved": rule.moved}
    program.add(Step(RULE, (*dy, *operands), made, jaxpr_as_fun(rule.derived), params, place))
    drawn = np.random.default_rng(1)
    seen = [key for (i, _), key in zip(floats, made, strict=False) if i in wanted]
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
    for at, one, is_used in applied:
        rule = one.rule
        direction = one.handed_on if rule.is_back and not rule.given else None
        key = (id(at), id(rule.function), one.operands, rule.result, direction)
        if key not in found:
            found.add(key)
            yield at, one, is_used


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
