"""Custom functions, called so that each application of their derivative rules is marked."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from itertools import count
from traceback import walk_stack
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from backproof.adapters.jax_closed_functions import closed_function
from backproof.adapters.jax_earlier_traces import named_earlier
from backproof.adapters.jax_marks import Rule, is_array, marked, not_seen
from backproof.adapters.jax_names import named
from backproof.adapters.jax_places import Line, line_of
from backproof.adapters.recording import UNREAD, said_by

marking = jax.make_user_context(default_value=0)  # type: ignore[no-untyped-call]
"""Whether rules are marked: the number of the trace, or 0 where they are not.

What JAX traced otherwise is not used meanwhile, and vice versa. Nor is what it traced for an
earlier program: there, JAX keeps rules that it took while nothing was marked.
"""

TRACES = count(1)
"""The numbers of traces."""

closing = jax.make_user_context(default_value=False)  # type: ignore[no-untyped-call]
"""Whether a function gets as operands the arrays of the trace that its code closes over."""

JVP, VJP = jax.custom_jvp.__call__, jax.custom_vjp.__call__
"""How functions with custom tangents and cotangents are called."""


@contextmanager
def marks(*, close: bool = False) -> Iterator[None]:
    """Mark the rules of all custom functions that are called meanwhile.

    close: whether functions that close over arrays of the trace are called with these as operands.
    Such a function has no rule of tangents then, only of cotangents.
    """
    with (
        marking(next(TRACES)),
        closing(close),
        patch.object(jax.custom_jvp, "__call__", with_tangents),
        patch.object(jax.custom_vjp, "__call__", with_cotangents),
        named_earlier(lambda: bool(marking.value)),
    ):
        yield


@jax.tree_util.register_static
@dataclass(frozen=True, slots=True)
class Moved:
    """Of each operand, whether it moves: no array, but a part of the structure of a tree."""

    flags: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Custom:
    """A custom function as it is called. call: how. file, line: where."""

    function: Any
    call: Callable[..., Any]
    file: str
    line: int

    @property
    def statics(self) -> tuple[int, ...]:
        """The places of the arguments that are no operands."""
        return tuple(self.function.nondiff_argnums)

    def arguments(self, statics: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
        """Return all arguments in their places."""
        given, rest = dict(zip(self.statics, statics, strict=True)), iter(operands)
        n = len(statics) + len(operands)
        return [given[i] if i in given else next(rest) for i in range(n)]

    def closed(
        self, statics: Sequence[Any], operands: Any, moved: Sequence[bool]
    ) -> tuple[Any, Any, tuple[bool, ...], list[Any]]:
        """Return the function as one of arrays that closes over none, as `closed_function` does.

        The arrays that its code closes over are operands too, which do not move.
        """
        leaves, tree = jax.tree.flatten(operands)

        def of(function: Callable[..., Any]) -> Callable[..., Any]:
            """Return a function of the same arguments as one of arrays."""

            def called(*leaves: Any) -> list[Any]:
                arguments = self.arguments(statics, jax.tree.unflatten(tree, leaves))
                return jax.tree.leaves(function(*arguments))

            return called

        call = of(partial(self.call, self.function))
        return closed_function(self.function, of(self.function.fun), call, leaves, moved)

    def rule(
        self, statics: Sequence[Any], operands: Any, moved: Sequence[bool]
    ) -> tuple[Rule, list[Any]]:
        """Return the function as it is called, and the arrays that are its operands."""
        name = getattr(self.function, "__name__", "a custom function")
        try:
            same, rule, moves, every = self.closed(statics, operands, moved)
            function = jax.make_jaxpr(partial(VJP, same))(*every)
        except UNREAD as why:
            return not_seen(name, said_by(why), self.file, self.line), []
        closed = len(every) - len(moved)
        return Rule(function, rule, moves, name, self.file, self.line, closed=closed), every

    def with_operands(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with the arrays of the trace that it closes over as operands.

        Return None where there are none, or where nobody asks for it.
        """
        if not closing.value:
            return None
        bound = signature(self.function.fun).bind(*args, **kwargs)
        bound.apply_defaults()
        statics = [x for i, x in enumerate(bound.args) if i in self.statics]
        operands = [x for i, x in enumerate(bound.args) if i not in self.statics]
        n = len(jax.tree.leaves(operands))
        try:
            with closing(False):  # noqa: FBT003 a rule may call its own function
                same, *_, every = self.closed(statics, operands, [True] * n)
        except UNREAD:  # it is called as it is, and refused if it closes over such an array
            return None
        if not any(isinstance(x, jax.core.Tracer) for x in every[:-n]):
            return None
        shapes = jax.eval_shape(
            lambda of: self.function.fun(*self.arguments(statics, of)), operands
        )
        tree = jax.tree.structure(shapes)
        return jax.tree.unflatten(tree, with_cotangents(same, *every))


def with_tangents(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a `custom_jvp` function whose tangents are marked."""
    if not self.jvp:
        return JVP(self, *args, **kwargs)
    custom = Custom(self, JVP, *line_of_call())
    if (found := custom.with_operands(*args, **kwargs)) is not None:
        return found

    def tangents(*given: Any) -> Any:
        *statics, primals, moved = given
        y, dy = self.jvp(*statics, primals, moved if self.symbolic_zeros else whole(moved))
        if not marking.value:
            return y, dy
        flags = [type(t) is not SymbolicZero for t in jax.tree.leaves(moved)]
        rule, operands = custom.rule(statics, primals, flags)
        leaves, tree = jax.tree.flatten(dy)
        each = (with_mark(t, operands, replace(rule, result=i)) for i, t in enumerate(leaves))
        return y, jax.tree.unflatten(tree, each)

    same = jax.custom_jvp(named(self), nondiff_argnums=self.nondiff_argnums)
    same.defjvp(tangents, symbolic_zeros=True)
    return JVP(same, *args, **kwargs)


def with_cotangents(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a `custom_vjp` function whose cotangents are marked."""
    if not (self.fwd and self.bwd):
        return VJP(self, *args, **kwargs)
    custom = Custom(self, VJP, *line_of_call())
    if (found := custom.with_operands(*args, **kwargs)) is not None:
        return found

    def values(*args: Any) -> Any:
        operands = tuple(one for i, one in enumerate(args) if i not in custom.statics)
        moved = Moved(tuple(leaf.perturbed for leaf in jax.tree.leaves(operands)))
        plain = jax.tree.map(lambda leaf: leaf.value, operands)
        statics = [args[i] for i in custom.statics]
        y, kept = self.fwd(*(args if self.symbolic_zeros else custom.arguments(statics, plain)))
        return y, (kept, plain, moved)

    def cotangents(*given: Any) -> Any:
        *statics, (kept, operands, moved), dy = given
        handed = self.bwd(*statics, kept, dy if self.symbolic_zeros else whole(dy))
        if not marking.value:
            return handed
        rule, every = custom.rule(statics, operands, moved.flags)
        seen = {i: d for i, d in enumerate(jax.tree.leaves(dy)) if is_array(d)}
        if not rule.reason:
            rule, every = replace(rule, given=(*seen,)), [*seen.values(), *every]

        def mark(d: Any, moves: Any, x: Any) -> Any:
            """Mark what operands receive: `d` of one of them, or None of several."""
            if d is None:
                zeros = jax.tree.map(SymbolicZero, jax.tree.map(jax.typeof, x))
                return jax.tree.map(mark, zeros, moves, x) if any(jax.tree.leaves(moves)) else None
            return with_mark(d, every, rule) if moves else d

        flags = jax.tree.unflatten(jax.tree.structure(operands), moved.flags)
        return jax.tree.map(mark, tuple(handed), flags, operands, is_leaf=lambda d: d is None)

    same = jax.custom_vjp(named(self), nondiff_argnums=self.nondiff_argnums)
    same.defvjp(values, cotangents, symbolic_zeros=True)
    return VJP(same, *args, **kwargs)


def with_mark(d: Any, operands: Sequence[Any], rule: Rule) -> Any:
    """Return a derivative with a mark; a zero that JAX knows to be one becomes an array."""
    d = whole(d)
    return marked(d, operands, rule) if is_array(d) else d


def whole(tree: Any) -> Any:
    """Return a tree whose zeros are arrays."""

    def one(d: Any) -> Any:
        if type(d) is not SymbolicZero:
            return d
        new: Any = np if d.dtype == jax.dtypes.float0 else jnp
        return new.zeros(d.shape, d.dtype)

    return jax.tree.map(one, tree)


def line_of_call() -> Line:
    """Return the line of the program that calls a custom function, as a place has it."""
    stack = walk_stack(sys._getframe(1))  # noqa: SLF001
    return line_of((frame.f_code.co_filename, number) for frame, number in stack)
