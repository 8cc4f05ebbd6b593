"""The custom rules that a program itself applies, as a program: each function is called again.

Its operands and the cotangents of its results are those that the program had. So the derivative
that is handed on is held to that of the function's own forward pass, as it is outside of the loss.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backproof.adapters.jax_closed_functions import is_float
from backproof.adapters.jax_steps import Application, Key, Program

NAME = "custom rules inside of the loss"

Applied = tuple[Program, Application]
"""A rule that was applied, and the program that has its numbers."""


def inner_program(applied: Sequence[Applied]) -> tuple[Program, dict[Key, str], Key, str] | None:
    """Return the program, its parameters, its loss and its name; None where no rule was applied.

    The parameters are the operands that move. The loss is the sum of all results, each times a
    direction, which becomes its cotangent.
    """
    program, own, names = Program(), dict[Key, str](), Counter[str]()
    products = list[tuple[Key, Key]]()
    for at, one in alone(applied):
        rule, keys = one.rule, list[Key]()
        for i, key in enumerate(one.operands[len(rule.given) :]):
            moves = rule.moved[i]
            keys.append(program.operand(at.value(key), at.avals[key], tracked=moves))
            if moves:
                name = f"operand {i} of {rule.name}"
                names[name] += 1
                own[keys[-1]] = name if names[name] == 1 else f"{name}, {names[name]}"
        results = program.walk(rule.function.jaxpr, rule.function.consts, keys, one.place)
        of = directions(at, one, [program.avals[key] for key in results])
        products += ((results[i], program.operand(d)) for i, d in of)
    if not products:
        return None
    shapes = [[program.avals[key].to_tangent_aval() for key in pair] for pair in products]
    sums = jax.make_jaxpr(total)(shapes)
    (last,) = program.walk(sums.jaxpr, sums.consts, [key for pair in products for key in pair])
    return program, own, last, NAME


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
