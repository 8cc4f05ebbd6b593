"""Whether two traces of a function are the same program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal


def alike(one: Any, other: Any) -> bool:
    """Return whether two traces of a function are the same program, with the same constants."""
    a, b = (getattr(x, "jaxpr", x) for x in (one, other))
    consts = zip(getattr(one, "consts", ()), getattr(other, "consts", ()), strict=False)
    return (
        len(a.eqns) == len(b.eqns)
        and all(same(x, y) for x, y in consts)
        and all(map(alike_equations, a.eqns, b.eqns))
    )


def alike_equations(one: Any, other: Any) -> bool:
    """Return whether two equations apply the same primitive to the same constants."""
    if one.primitive.name != other.primitive.name or len(one.invars) != len(other.invars):
        return False
    pairs = [(one.params[key], other.params.get(key)) for key in one.params]
    pairs += [(x.val, y.val) for x, y in zip(one.invars, other.invars, strict=True) if both(x, y)]
    return all(same(x, y) for x, y in pairs)


def both(x: Any, y: Any) -> bool:
    """Return whether both are literals."""
    return isinstance(x, Literal) and isinstance(y, Literal)


def same(x: Any, y: Any) -> bool:
    """Return whether two constants or programs are the same; of functions it is not known."""
    if hasattr(x, "eqns") or hasattr(x, "jaxpr"):
        return alike(x, y)
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(same, x, y))
    numbers = bool | int | float | np.generic | np.ndarray | jax.Array
    if isinstance(x, numbers) and jnp.issubdtype(getattr(x, "dtype", float), np.number):
        return np.array_equal(x, y, equal_nan=True)
    return True
