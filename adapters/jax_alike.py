"""Whether two traces of a function are the same program."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal


def alike(one: Any, other: Any) -> bool:
    """Return whether two traces of a function are the same program, with the same constants."""
    a, b = (getattr(x, "jaxpr", x) for x in (one, other))
    consts = tuple(getattr(one, "consts", ())), tuple(getattr(other, "consts", ()))
    of = dict(zip((*a.constvars, *a.invars), (*b.constvars, *b.invars), strict=False))
    for x, y in zip(a.eqns, b.eqns, strict=False):
        if not alike_equations(x, y, of):
            return False
        of |= zip(x.outvars, y.outvars, strict=True)
    return len(a.eqns) == len(b.eqns) and alike_atoms(a.outvars, b.outvars, of) and same(*consts)


def alike_equations(one: Any, other: Any, of: Mapping[Any, Any]) -> bool:
    """Return whether two equations apply the same primitive to the same operands."""
    types, others = ([v.aval.str_short() for v in x.outvars] for x in (one, other))
    return (
        one.primitive.name == other.primitive.name
        and all(same(one.params[key], other.params.get(key)) for key in one.params)
        and alike_atoms(one.invars, other.invars, of)
        and types == others
    )


def alike_atoms(some: Any, others: Any, of: Mapping[Any, Any]) -> bool:
    """Return whether operands are the same numbers, or the same variables.

    of: a variable of one program -> that of the other.
    """

    def are_alike(x: Any, y: Any) -> bool:
        if isinstance(x, Literal):
            return isinstance(y, Literal) and same(x.val, y.val)
        return of.get(x) is y

    return len(some) == len(others) and all(map(are_alike, some, others))


def same(x: Any, y: Any) -> bool:
    """Return whether two constants or programs are the same.

    Of functions, and of what is traced outside, it is not known: they are taken for the same.
    """
    if x is y or isinstance(x, jax.core.Tracer):
        return True
    if hasattr(x, "eqns") or hasattr(x, "jaxpr"):
        return alike(x, y)
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(same, x, y))
    dtype = getattr(x, "dtype", float)
    if isinstance(x, jax.Array) and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return same(jax.random.key_data(x), jax.random.key_data(y))
    numbers = bool | int | float | np.generic | np.ndarray | jax.Array
    if isinstance(x, numbers) and any(jnp.issubdtype(dtype, k) for k in (np.number, np.bool_)):
        return np.array_equal(x, y, equal_nan=True)
    return True
