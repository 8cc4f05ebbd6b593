"""A network as data: named nodes over named arrays. It computes nothing itself."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.op import taken


@dataclass(frozen=True, slots=True)
class Node:
    """One application of an op.

    name:   of the node, and of its value in the trace.
    op:     a key of `reference.ops.OPS`, or the name of an op of your own.
    inputs: names of earlier nodes, of inputs or of parameters, in the order the op takes them.
    options: the op's options that are not left at their defaults.
    own:    the op of your own; None where the table has it.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    own: Op | None = None

    @property
    def rule(self) -> Op:
        """The op itself."""
        return self.own or OPS[self.op]

    @property
    def is_known(self) -> bool:
        """Whether the reference can compute it."""
        return self.own is not UNKNOWN


def unknown(*_: Any, **__: Any) -> Any:
    """Raise TypeError: nobody knows what an unknown op computes."""
    raise TypeError("an unknown op computes nothing")


UNKNOWN = Op(unknown, unknown)
"""The op of a node of which it is only known what it is computed from."""


def unknown_node(name: str, function: str, inputs: Iterable[str]) -> Node:
    """Return a node of which it is only known what it was computed from.

    function: what computed it. It may have the name of an op and be read as none.
    """
    op = f"unknown {function}" if function in OPS else function
    return Node(name, op, (*inputs,), own=UNKNOWN)


@dataclass(frozen=True, slots=True)
class Network:
    """A directed acyclic graph of ops, with the numbers at its leaves.

    name:       for messages and reports.
    inputs:     data and targets, name -> array (or nested lists) of numbers or decimal strings.
    parameters: weights and biases, likewise.
    nodes:      in an order in which each node uses only earlier ones; the last is the loss.
    trained:    the parameters that an update moves; the others stay as they are.
    constants:  the inputs with respect to which nothing is differentiated.

    Raises ValueError, naming the network and the node, where it is no such graph.
    """

    name: str
    inputs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    nodes: tuple[Node, ...]
    trained: frozenset[str]
    constants: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError(f"network {self.name}: has no nodes")
        if unknown := sorted(self.trained - self.parameters.keys()):
            raise ValueError(f"network {self.name}: trained names no parameter: {unknown}")
        known = [*self.inputs, *self.parameters]
        before = {*known}
        for node in self.nodes:
            where = f"network {self.name}, node {node.name}"
            if (node.op in OPS) == (node.own is not None):
                if node.own:
                    raise ValueError(f"{where}: op {node.op!r} is in the table already")
                raise ValueError(f"{where}: unknown op {node.op!r}; known: {', '.join(OPS)}")
            try:
                signature(node.rule.forward).bind(*node.inputs, **node.options)
            except TypeError as error:
                takes = f"it takes {taken(node.rule.forward)}"
                raise ValueError(f"{where}, op {node.op!r}: {error}; {takes}") from None
            if missing := [name for name in node.inputs if name not in before]:
                raise ValueError(f"{where}: inputs {missing} are no leaves, and no earlier nodes")
            known.append(node.name)
            before.add(node.name)
        if twice := sorted(name for name, n in Counter(known).items() if n > 1):
            raise ValueError(f"network {self.name}: names used twice: {twice}")
        used = {name for node in self.nodes for name in node.inputs} | {self.loss}
        if unused := [name for name in known if name not in used]:
            raise ValueError(f"network {self.name}: the loss does not depend on {unused}")

    @property
    def loss(self) -> str:
        """The name of the last node."""
        return self.nodes[-1].name

    def leaves(self, number: Callable[[Any], Array]) -> dict[str, Array]:
        """Return every input and parameter as an array of one kind of number.

        number: makes such an array from an array of the network; see `reference.numbers`.
        """
        return {name: number(a) for name, a in {**self.inputs, **self.parameters}.items()}


def behind(nodes: Sequence[Node], names: Collection[str]) -> Iterator[Node]:
    """Return the nodes that some of them were computed from, and these, in their order."""
    needed, found = {*names}, []
    for node in reversed(nodes):
        if node.name in needed:
            needed.update(node.inputs)
            found.append(node)
    return reversed(found)
