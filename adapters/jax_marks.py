"""A mark in a traced program: here JAX applied the derivative rule of a custom function.

A mark is the identity. It stays where a program is differentiated, transposed, vectorized or
scanned, and names the function and its operands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir

mark_p: Any = Primitive("custom_rule")
"""(what is handed on, *cotangents of results, *operands of the function) -> what is handed on."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A custom function whose rule was applied.

    function: the call, as a program of its operands. derived: its rule, as a program of the
             cotangents of its results, and of its operands (as `closed_function` returns it).
    moved:   of each operand, whether it moves: the others are constants of the derivative.
    given:   the results whose cotangents are operands of the mark; those that are missing are zero.
    result:  where none is given, the result that the derivative is of, or None for all of them.
    is_back: whether what the mark hands on is the cotangent of this result.
    closed:  how many of the operands, the first ones, are what the code closes over.
    name, file, line: of the call in the user's source.
    reason:  why the function cannot be called again; else "".
    """

    function: ClosedJaxpr
    derived: ClosedJaxpr
    moved: tuple[bool, ...]
    name: str
    file: str
    line: int
    given: tuple[int, ...] = ()
    result: int | None = None
    is_back: bool = False
    closed: int = 0
    reason: str = ""


def not_seen(name: str, reason: str, file: str = "", line: int = 0) -> Rule:
    """Return the rule of a function that cannot be called again, for a reason."""
    nothing = jax.make_jaxpr(tuple)()
    return Rule(nothing, nothing, (), name, file, line, reason=reason)


def marked(a: Any, operands: Sequence[Any], rule: Rule) -> Any:
    """Return an array with a mark."""
    return mark_p.bind(a, *operands, rule=rule)


def is_array(d: Any) -> bool:
    """Return whether a derivative is an array of floats, and no zero that JAX knows to be one."""
    is_zero = type(d) in (ad.Zero, SymbolicZero)
    return not is_zero and jax.typeof(d).dtype != jax.dtypes.float0


def tangent(primals: Sequence[Any], tangents: Sequence[Any], *, rule: Rule) -> Any:
    """Return a marked array and its tangent, which is marked as well.

    Where an operand moves, a tangent that is known to be zero is marked too: a rule that stops
    gradients has one. So it is made of the tangents of operands, each times zero. A cotangent's own
    cotangent is that which it is the tangent of.
    """
    a, *operands = primals
    da, *moving = tangents
    if type(da) is ad.Zero:
        zeros = [0 * jnp.sum(t.astype(a.dtype)) for t in moving if is_array(t)]
        if not zeros:
            return marked(a, operands, rule), da
        da = jnp.broadcast_to(sum(zeros[1:], zeros[0]), a.shape)
    if rule.is_back and not rule.given and rule.result is not None:
        moved = marked(da, (a, *operands), replace(rule, given=(rule.result,)))
    else:
        moved = marked(da, operands, rule)
    return marked(a, operands, rule), moved


def cotangent(d: Any, _: Any, *operands: Any, rule: Rule) -> list[Any]:
    """Return what a mark hands on: its cotangent, which is marked as well.

    Cotangents that are transposed themselves are not seen.
    """
    n = len(rule.given)
    back = replace(rule, is_back=not rule.is_back)
    seen = operands
    if any(map(ad.is_undefined_primal, operands[:n])):
        back, seen = replace(back, given=()), operands[n:]
    handed = d if type(d) is ad.Zero else marked(d, seen, back)
    return [handed, *[None] * len(operands)]


def vectorized(
    axis: Any, values: Sequence[Any], axes: Sequence[int | None], *, rule: Rule
) -> tuple[Any, int | None]:
    """Return a vectorized mark: of the function that is vectorized in the same way.

    Each entry of the axis is a derivative of its own, so that all operands that move have the axis.
    """
    if all(one is None for one in axes):
        return marked(values[0], values[1:], rule), None
    front: Any = batching.bdim_at_front
    is_whole = (True, *[True] * len(rule.given), *rule.moved)
    fronted = [
        x if one is None and not whole else front(x, one, axis.size)
        for x, one, whole in zip(values, axes, is_whole, strict=True)
    ]
    operands = fronted[1 + len(rule.given) :]
    axes = axes[1 + len(rule.given) :]
    within = [
        0 if one is not None or moves else None for one, moves in zip(axes, rule.moved, strict=True)
    ]

    def over(function: ClosedJaxpr, cotangents: Sequence[Any]) -> ClosedJaxpr:
        """Return a program over the axis."""
        of = jax.vmap(
            jaxpr_as_fun(function),
            [*[0] * len(cotangents), *within],
            axis_size=axis.size,
            axis_name=axis.name if isinstance(axis.name, str) else None,
        )
        return jax.make_jaxpr(of)(*cotangents, *operands)

    n = len(rule.derived.in_avals) - len(operands)
    cotangents = [jnp.zeros((axis.size, *of.shape), of.dtype) for of in rule.derived.in_avals[:n]]
    whole = replace(rule, function=over(rule.function, []), derived=over(rule.derived, cotangents))
    return marked(fronted[0], fronted[1:], whole), 0


mark_p.def_impl(lambda a, *_, rule: a)  # noqa: ARG005
mark_p.def_abstract_eval(lambda a, *_, rule: a)  # noqa: ARG005
ad.primitive_jvps[mark_p] = tangent
ad.primitive_transposes[mark_p] = cotangent
batching.fancy_primitive_batchers[mark_p] = vectorized
mlir.register_lowering(
    mark_p,
    mlir.lower_fun(lambda a, *_, rule: a, multiple_results=False),  # noqa: ARG005
)
