"""A primitive of JAX, as it is seen and as the reference understands it; the table of readers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.reference.composed import composed
from backproof.reference.network import Network, Node
from backproof.reference.ops import Array, Op

Reader = Callable[..., Any]
"""(what was seen, *the primitive's operands) -> a `Call`, or one for each of several results."""


class NotKnown(Exception):
    """The reference has no op for a primitive; the message says why, or is empty."""


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand or a result. tracked: whether gradients flow through it. read: its numbers."""

    key: int
    shape: tuple[int, ...]
    dtype: Any
    tracked: bool
    read: Callable[[], Array]

    def constant(self) -> Array:
        """Return its numbers. Raises NotKnown where gradients flow through it."""
        if self.tracked:
            raise NotKnown("gradients flow through an option")
        return np.asarray(self.read())

    def number(self) -> Any:
        """Return the number that a constant is. Raises NotKnown."""
        return self.constant().item()


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a primitive.

    params: the primitive's. results: all of them. run: (*operands) -> the results.
    """

    name: str
    params: Mapping[str, Any]
    results: tuple[Operand, ...]
    run: Callable[..., Sequence[Any]]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first result."""
        return self.results[0].shape


@dataclass(frozen=True, slots=True)
class Call:
    """A primitive as the reference understands it.

    op:       a key of `OPS`, or the name of an op of its own.
    operands: of the primitive, or NumPy arrays of constants.
    options:  the op's options. own: the op, where the table does not have it.
    """

    op: str
    operands: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    own: Op | None = None


READERS: dict[str, Reader] = {}
"""The name of a primitive -> what reads it."""

COMPLEX: dict[str, Reader] = {}
"""The name of a primitive -> what reads it where an operand or a result is complex."""

FUNCTIONS: dict[str, Reader] = {}
"""The name of a function of JAX's own with a custom derivative -> what reads it."""


def reads(*names: str, table: dict[str, Reader] = READERS) -> Callable[[Reader], Reader]:
    """Return a decorator that registers a reader in a table under the names of primitives."""

    def register(reader: Reader) -> Reader:
        table.update(dict.fromkeys(names, reader))
        return reader

    return register


def made_of(name: str, operands: Sequence[Any], *steps: Any) -> Call:
    """Return a primitive that is several ops, as one op that is composed of them.

    steps: (op, places of its operands, options), the last of which makes the result. A place from
    0 on is that of an operand; a negative one counts back from the step: -1 is the one before.
    """
    nodes = list[Node]()
    for op, places, *options in steps:
        inputs = (f"x{i}" if i >= 0 else f"step {len(nodes) + i}" for i in places)
        nodes.append(Node(f"step {len(nodes)}", op, (*inputs,), *options))
    leaves = {f"x{i}": 0.0 for i in range(len(operands))}
    own = composed(Network(name, leaves, {}, (*nodes,), frozenset()))
    return Call(name, (*operands,), own=own)


def number(value: float, like: Operand) -> Array:
    """Return a constant in the dtype of an operand."""
    return np.asarray(value, like.dtype)
