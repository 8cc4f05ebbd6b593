"""By which names an op or a definition is given for a primitive, or for a custom function.

Functions that are made by one piece of code differ in what they close over, such as the slope of
an activation. So the name of a custom function says both where its code is and what it closes over.
"""

from collections.abc import Iterator, Mapping
from functools import partial, wraps
from inspect import isfunction, ismethod, unwrap
from types import CellType
from typing import Any

import jax
import jax.extend

CUSTOM = {"custom_jvp_call", "custom_vjp_call"}
"""Primitives with a derivative of their own; the parameter `call_jaxpr` is the forward pass."""

CODE = ("fun", "fwd", "bwd", "jvp")
"""The attributes of a custom function that are its code."""

EMPTY = CellType()
"""What a function closes over that has no value yet."""

PLAIN = (bool, int, float, complex, str, bytes, type(None))
"""What a function closes over is compared by its value if it is one of these, else by identity."""


def names_of(primitive: str, params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names by which an op or a definition may be given for an equation.

    What a custom function closes over is known if it was called in the trace (`named`). Of one that
    JAX traced before, only the place of its code is known.
    """
    if primitive in CUSTOM:
        code = params["call_jaxpr"].jaxpr.debug_info
        is_named = code.traced_for.startswith(code.func_src_info)
        yield code.traced_for if is_named else code.func_src_info
        yield code.func_name
    yield primitive


def name_of(function: Any) -> str:
    """Return the name of a primitive, of a custom function, or a name as it is."""
    if isinstance(function, str):
        return function
    if isinstance(function, jax.extend.core.Primitive):
        return str(function.name)
    of = repr(closure(function, []))  # as numbers -1 and -2 have one hash, and 0.0 is -0.0
    return f"{code_of(function)} #{hash(of):x}"


def code_of(function: Any) -> str:
    """Return the name of a function, with the place of its code."""
    code = getattr(function, "fun", function)
    return jax.api_util.debug_info("", code, (), {}).func_src_info


def closure(x: Any, seen: list[Any]) -> Any:
    """Return what tells a function from others of the same code, as something that can be written.

    It is the same for a function that is made again from the same objects. seen: the functions that
    are read already, which may call one another.
    """
    if isinstance(x, tuple):
        return tuple(closure(one, seen) for one in x)
    if isinstance(x, PLAIN):
        return type(x), x
    of = parts(x)
    if of is None or any(x is one for one in seen):
        return next((i for i, one in enumerate(seen) if x is one), id(x))
    seen.append(x)
    return closure(of, seen)


def parts(x: Any) -> tuple[Any, ...] | None:
    """Return what a function is made of: its code, and what that closes over; else None."""
    if isinstance(x, jax.custom_jvp | jax.custom_vjp):
        return tuple(getattr(x, part, None) for part in CODE)
    if isinstance(x, partial):
        return (x.func, x.args, *sorted(x.keywords.items()))
    if ismethod(x):
        return x.__func__, x.__self__
    function = unwrap(x) if callable(x) else x
    if not isfunction(function):
        return None
    cells = (cell.cell_contents for cell in function.__closure__ or () if cell != EMPTY)
    by_name = (function.__kwdefaults__ or {}).items()
    return function.__code__, function.__defaults__, *by_name, *cells


def named(custom: Any) -> Any:
    """Return the code of a custom function, as a function whose trace says its name."""

    @wraps(custom.fun)
    def same(*args: Any, **kwargs: Any) -> Any:
        return custom.fun(*args, **kwargs)

    name_in_trace(same, custom)
    return same


def name_in_trace(function: Any, custom: Any) -> None:
    """Let the trace of a function say that it is the code of a custom function."""
    info = jax.api_util.debug_info(name_of(custom), custom.fun, (), {})
    vars(function)["__fun_debug_info__"] = info
