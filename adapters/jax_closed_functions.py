"""A custom function that closes over nothing: what its code closes over are operands.

So it can be called again after the trace in which it was called has ended.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from inspect import signature
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

Arrays = Sequence[Any]

VJP = jax.custom_vjp.__call__
"""How functions with custom cotangents are called."""


def traced(
    own: Callable[..., Any],
    forward: Callable[..., list[Any]],
    custom: Callable[..., list[Any]],
    leaves: Arrays,
    moved: Sequence[bool],
) -> tuple[ClosedJaxpr, tuple[bool, ...], list[Any]]:
    """Return a custom function as a program, which of its operands move, and the operands.

    own:     the code of its forward pass, for its name and place. forward: this as a function of
             arrays. custom: the same, with the custom rule.
    leaves:  the arrays that it is called with. moved: which of them move, if they are floats.

    The program applies the custom rule where it is differentiated, as cotangents. Raises whatever
    the function raises, and ValueError where the rule has no cotangents.
    """
    moves = [i for i, x in enumerate(leaves) if moved[i] and is_float(x)]
    value = jax.make_jaxpr(forward)(*leaves)
    floats = [i for i, y in enumerate(value.out_avals) if is_float(y)]

    def handed_on(dy: Arrays, *leaves: Any) -> Arrays:
        def of(*moving: Any) -> list[Any]:
            every = [*leaves]
            for i, x in zip(moves, moving, strict=True):
                every[i] = x
            results = custom(*every)
            return [results[i] for i in floats]

        _, back = jax.vjp(of, *(leaves[i] for i in moves))
        found: Arrays = back([*dy])
        return found

    shapes = [value.out_avals[i].to_tangent_aval() for i in floats]
    slope = jax.make_jaxpr(handed_on)(shapes, *leaves)
    n, m = len(value.consts), len(slope.consts)

    @wraps(own)
    def closed(*every: Any) -> list[Any]:
        return jaxpr_as_fun(ClosedJaxpr(value.jaxpr, every[:n]))(*every[n + m :])

    def cotangents(every: Arrays, dy: Arrays) -> tuple[Any, ...]:
        given = [dy[i] for i in floats]
        found = jaxpr_as_fun(ClosedJaxpr(slope.jaxpr, every[n : n + m]))(*given, *every[n + m :])
        of = dict(zip(moves, found, strict=True))
        return (*[None] * (n + m), *(of.get(i) for i in range(len(leaves))))

    vars(closed)["__signature__"] = signature(lambda *_: None)  # its own, with another's name
    same = jax.custom_vjp(closed)
    same.defvjp(lambda *every: (closed(*every), every), cotangents)
    every = [*value.consts, *slope.consts, *leaves]
    which = (*[False] * (n + m), *(i in moves for i in range(len(leaves))))
    return jax.make_jaxpr(partial(VJP, same))(*every), which, every


def is_float(x: Any) -> bool:
    """Return whether an array holds floats."""
    return bool(jnp.issubdtype(jax.dtypes.result_type(x), jnp.inexact))
