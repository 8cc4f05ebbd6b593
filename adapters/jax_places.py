"""Where in the user's source an equation of a JAX program is."""

from collections.abc import Iterable
from itertools import takewhile
from os import sep
from pathlib import Path
from typing import Any

import jax

from backproof.adapters.jax_names import CUSTOM
from backproof.adapters.recording import Place

JAX, HERE = (f"{Path(module).parent}{sep}" for module in (jax.__file__, __file__))
"""The folders of JAX, and of the adapters: what called these is not of the program."""

CALLS = str(Path(__file__).with_name("jax_custom_calls.py"))
"""Where the program's calls of custom functions pass through the adapters."""

Line = tuple[str, int]
"""A line of code: its file, and its number."""

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages: JAX, flax, equinox, optax."""


def is_own(file: str | None) -> bool:
    """Return whether a file is neither the user's nor a library's, but JAX's or an adapter's."""
    return file is not None and file.startswith((JAX, HERE))


def is_of_library(file: str) -> bool:
    """Return whether a file is not the user's: JAX's, or one of an installed package."""
    return is_own(file) or not INSTALLED.isdisjoint(Path(file).parts)


def is_within(line: Line) -> bool:
    """Return whether a line is of the program, and not of what called it."""
    file, _ = line
    return file == CALLS or not file.startswith(HERE)


def line_of(lines: Iterable[Line]) -> Line:
    """Return the innermost line that is not installed, else the innermost that is not JAX's.

    lines: from the innermost on. The result has the file's name alone; "" where there is none.
    """
    every = [*lines]
    users = [line for line in every if not is_of_library(line[0])]
    users += [line for line in every if not is_own(line[0])]
    file, number = users[0] if users else ("", 0)
    return Path(file).name, number


def place_of(equation: Any, scope: Place) -> Place:
    """Return where in the user's source an equation is: the innermost code that is not installed.

    Where all of it is installed, as in a function that a library compiles, it is the innermost code
    that is not JAX's. JAX keeps what it has traced of a compiled function. What is within one of
    its own has the traceback of the first call of all, so its place is that of the call at hand.
    A program that JAX itself calls, such as what it splits over devices, is where it begins.
    """
    name = equation.primitive.name
    if name in CUSTOM:
        name = equation.params["call_jaxpr"].jaxpr.debug_info.func_name
    traceback = equation.source_info.traceback
    frames = traceback.frames if traceback is not None and not scope.file else ()
    file, line = line_of(takewhile(is_within, ((one.file_name, one.line_num) for one in frames)))
    if file:
        return Place(scope.module, name, file, line)
    if scope.file or "jaxpr" not in equation.params:
        return Place(scope.module, name, scope.file, scope.line)
    of = getattr(equation.params["jaxpr"], "jaxpr", equation.params["jaxpr"]).debug_info
    return Place(scope.module, name, Path(of.func_filename or "").name, of.func_lineno or 0)
