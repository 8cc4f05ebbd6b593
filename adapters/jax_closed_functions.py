"""A custom function that closes over nothing: what its code closes over are operands.

So it can be called again after the trace in which it was called has ended.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from backproof.adapters.jax_names import name_in_trace

Arrays = Sequence[Any]


def closed_function(
    own: Any,
    forward: Callable[..., list[Any]],
    custom: Callable[..., list[Any]],
    leaves: Arrays,
    moved: Sequence[bool],
) -> tuple[Any, ClosedJaxpr, tuple[bool, ...], list[Any]]:
    """Return a custom function, its rule as a program, which operands move, and the operands.

    own:     the custom function, for its name and place. forward: its code, as a function of
             arrays. custom: the same, with the custom rule.
    leaves:  the arrays that it is called with. moved: which of them move, if they are floats.

    The function applies the custom rule where it is differentiated, as cotangents. The rule is a
    program of the cotangents of all results that are floats, and of the operands; it returns these
    results, and what it hands on to the operands that move. Raises whatever the function raises,
    and ValueError where the rule has no cotangents.
    """
    moves = [i for i, x in enumerate(leaves) if moved[i] and is_float(x)]
    value = jax.make_jaxpr(forward)(*leaves)
    floats = [i for i, y in enumerate(value.out_avals) if is_float(y)]

    def ruled(dy: Arrays, *leaves: Any) -> tuple[Arrays, Arrays]:
        """Return what the rule makes of the operands: the results, and what it hands on."""

        def of(*moving: Any) -> list[Any]:
            every = [*leaves]
            for i, x in zip(moves, moving, strict=True):
                every[i] = x
            results = custom(*every)
            return [results[i] for i in floats]

        y, back = jax.vjp(of, *(leaves[i] for i in moves))
        return y, back([*dy])

    shapes = [value.out_avals[i].to_tangent_aval() for i in floats]
    rule = jax.make_jaxpr(ruled)(shapes, *leaves)
    n, m = len(value.consts), len(value.consts) + len(rule.consts)

    @wraps(own.fun)
    def closed(*every: Any) -> list[Any]:
        return jaxpr_as_fun(ClosedJaxpr(value.jaxpr, every[:n]))(*every[m:])

    def applied(every: Arrays, dy: Arrays) -> list[Any]:
        return jaxpr_as_fun(ClosedJaxpr(rule.jaxpr, every[n:m]))(*dy, *every[m:])

    def values(*every: Any) -> tuple[list[Any], Arrays]:
        """Return the results of the rule, which should be those of the function."""
        results = closed(*every)
        for i, y in zip(floats, applied(every, [*map(jnp.zeros_like, shapes)]), strict=False):
            results[i] = y
        return results, every

    def cotangents(every: Arrays, dy: Arrays) -> tuple[Any, ...]:
        handed_on = applied(every, [dy[i] for i in floats])[len(floats) :]
        of = dict(zip(moves, handed_on, strict=True))
        return (*[None] * m, *(of.get(i) for i in range(len(leaves))))

    vars(closed)["__signature__"] = signature(lambda *_: None)  # its own, with another's name
    name_in_trace(closed, own)
    same = jax.custom_vjp(closed)
    same.defvjp(values, cotangents)
    every = [*value.consts, *rule.consts, *leaves]
    which = (*[False] * m, *(i in moves for i in range(len(leaves))))
    derived = jax.make_jaxpr(lambda dy, *every: applied(every, dy))(shapes, *every)
    return same, derived, which, every


def is_float(x: Any) -> bool:
    """Return whether an array holds floats."""
    return bool(jnp.issubdtype(jax.dtypes.result_type(x), jnp.inexact))
