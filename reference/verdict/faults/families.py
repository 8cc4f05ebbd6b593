"""Tables of faults, and families: what goes wrong in the same way at many ops.

A family returns what is wrong, whatever the op; its docstring says what an op then does.

Shapes: y = op(*inputs, **options); dy = dE/dy is what the op receives, of the shape of y, and
d = dE/dinput what it hands on to one of its inputs, of the shape of that input.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.verdict.faults.fault import (
    COMMON,
    Fault,
    in_backward,
    in_both,
    in_cotangents,
    in_forward,
    times,
    with_options,
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong, whatever the op.

    made:   op=, name=, gives=, source= -> the fault.
    source: where it is known from.
    """

    made: Callable[..., Fault]
    source: str = COMMON

    def known(self, source: str) -> "Wrong":
        """Say where it is known from."""
        return replace(self, source=source)


Table = Mapping[tuple[str, str], Wrong]
"""The faults of an op: (name, what it gives) -> what is wrong."""


def faults(op: str, table: Table) -> Iterator[Fault]:
    """Yield the faults of an op."""
    for (name, gives), wrong in table.items():
        yield wrong.made(op=op, name=name, gives=gives, source=wrong.source)


def forward(wrong: Callable[..., Any], inputs: int = 0) -> Wrong:
    """Give another value: wrong(*inputs, **options); inputs: how many a node must have."""
    return Wrong(partial(in_forward, wrong=wrong, inputs=inputs))


def seeing(read: Callable[..., Any]) -> Wrong:
    """Read the inputs otherwise on the way forward alone: read(*inputs) -> what the op sees."""

    def made(op: str, **said: str) -> Fault:
        def wrong(*inputs: Any, **options: Any) -> Any:
            return OPS[op].forward(*read(*inputs), **options)

        return forward(wrong).made(op=op, **said)

    return Wrong(made)


def cotangents(wrong: Callable[..., tuple[Any, ...]]) -> Wrong:
    """Give other cotangents, of all inputs: wrong(dy, y, *inputs, **options)."""
    return Wrong(partial(in_cotangents, wrong=wrong))


def both(wrong: Op | Callable[[str], Op]) -> Wrong:
    """Be another op: the op itself, or what makes it, of the right one's name."""

    def made(op: str, **said: str) -> Fault:
        return in_both(op, wrong=wrong if isinstance(wrong, Op) else wrong(op), **said)

    return Wrong(made)


def function(value: Callable[..., Any], back: Callable[..., tuple[Any, ...]]) -> Wrong:
    """Be another function: value(*inputs, **options), and its own backward function."""
    return both(Op(value, back))


@dataclass(frozen=True, slots=True)
class Cotangent:
    """The families of one d, that of the input at a position; called, it is that of any formula."""

    position: int = 0

    def __call__(self, wrong: Callable[..., Any]) -> Wrong:
        """Give another d: wrong(dy, y, *inputs, **options)."""
        return Wrong(partial(in_backward, position=self.position, wrong=wrong))

    def slope(self, wrong: Callable[..., Any]) -> Wrong:
        """Give d = dy slope, entry by entry: wrong(y, *inputs, **options)."""
        return self(lambda dy, *a, **options: dy * wrong(*a, **options))

    def then(self, change: Callable[..., Any]) -> Wrong:
        """Give the right d, changed: change(d, *inputs, **options)."""
        return self.of_right(
            lambda right, dy, y, *x, **options: change(right(dy, y, *x, **options), *x, **options)
        )

    def times(self, factor: float) -> Wrong:
        """Give a multiple of the right d."""
        return self.then(lambda d, *_, **__: factor * d)

    def of_right(self, wrong: Callable[..., Any]) -> Wrong:
        """Give another d, by means of the right one: wrong(right, dy, y, *inputs, **options)."""

        def made(op: str, **said: str) -> Fault:
            def right(*a: Any, **options: Any) -> Any:
                return OPS[op].backward(*a, **options)[self.position]

            return self(partial(wrong, right)).made(op=op, **said)

        return Wrong(made)

    def seeing(self, read: Callable[..., Any]) -> Wrong:
        """Read the inputs otherwise for this d alone: read(*inputs) -> what the op sees."""
        return self.of_right(lambda right, dy, y, *x, **options: right(dy, y, *read(*x), **options))

    @property
    def of_first(self) -> Wrong:
        """Count the first example of a batch alone."""
        return self.of_right(
            lambda right, dy, y, x, *a, **options: right(dy[:1], y, x[:1], *a, **options)
        )

    @property
    def lost(self) -> Wrong:
        """Hand nothing on."""
        none = self(lambda dy, y, *x, **_: np.zeros_like(x[self.position]))
        return none.known("a stray detach() or stop_gradient")

    @property
    def passed_on(self) -> Wrong:
        """Hand dy on, as if the op were the identity."""
        return self(lambda dy, *_, **__: 1 * dy)


def averaged(d: Any, x: Any, *_: Any, **__: Any) -> Any:
    """Return d divided by how many examples there are: a mean for a sum."""
    return d / x.shape[0]


def scaled(factor: Callable[..., Any]) -> Wrong:
    """Give a multiple on both ways: factor(*inputs, **options)."""
    return both(lambda op: times(op, factor))


def fixed(**values: Any) -> Wrong:
    """Give options these values, whatever was asked for."""
    return changing(lambda _: values)


def changing(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Wrong:
    """Change options: change(those asked for) -> those that replace."""
    return both(lambda op: with_options(op, change))


def reading(read: Callable[..., Any], back: Callable[..., tuple[Any, ...]] = lambda *d: d) -> Wrong:
    """Read the inputs otherwise, on both ways.

    read: inputs -> what the op sees. back: cotangents of what it sees -> those of its inputs.
    """

    def made(op: str) -> Op:
        right = OPS[op]

        def backward(dy: Any, y: Any, *inputs: Any, **options: Any) -> tuple[Any, ...]:
            return back(*right.backward(dy, y, *read(*inputs), **options))

        return Op(lambda *inputs, **options: right.forward(*read(*inputs), **options), backward)

    return both(made)


def after(first: str) -> Wrong:
    """Apply another op to the first input before: one that the op contains already."""

    def made(op: str) -> Op:
        outer, inner = OPS[op], OPS[first]

        def backward(dy: Any, y: Any, x: Any, *inputs: Any, **options: Any) -> tuple[Any, ...]:
            seen = inner.forward(x)
            d, *others = outer.backward(dy, y, seen, *inputs, **options)
            return (*inner.backward(d, seen, x), *others)

        return Op(lambda x, *a, **options: outer.forward(inner.forward(x), *a, **options), backward)

    return both(made)
