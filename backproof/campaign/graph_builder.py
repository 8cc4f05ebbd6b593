"""A graph under construction: operands to choose from, and leaves to share."""

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from inspect import Parameter, signature
from typing import Any

import numpy as np

from backproof.campaign.choices import Choices
from backproof.campaign.leaves import FILL, WITHIN, Shape
from backproof.reference.network import Network, Node
from backproof.reference.ops import OPS, Array
from backproof.scenarios.op_options import OP_OPTIONS

Fits = Callable[[Any, dict[str, Any]], bool]
"""Whether a value of an option fits the options before it."""

ENTRIES, SIDE = 256, 6
"""The most entries of a value, the longest side of a leaf."""

ALIKE = 8
"""One of so many operands may be one that its node has already."""


class Unfit(Exception):
    """The step that was drawn does not fit the graph; it is left out."""


@dataclass(slots=True)
class GraphBuilder:
    """A graph under construction.

    choices: where everything is drawn from. limit: the largest magnitude.
    without: ops, and "op option", that are not drawn.
    leaves, nodes: as in a network. values: the values of leaves and nodes, in float64.
    op, operands: of the step that is being made.
    """

    choices: Choices
    limit: float
    without: Collection[str] = ()
    leaves: dict[str, Array] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    values: dict[str, Array] = field(default_factory=dict)
    op: str = ""
    operands: list[str] = field(default_factory=list)

    def after(self, op: str, step: Callable[["GraphBuilder"], Any]) -> "GraphBuilder":
        """Return the graph after one more step; the graph as it is if the step does not fit."""
        grown = replace(
            self,
            choices=self.choices.branch(),
            leaves={**self.leaves},
            nodes=[*self.nodes],
            values={**self.values},
            op=op,
            operands=[],
        )
        try:
            step(grown)
        except Unfit:
            return self
        return grown

    def node(self, op: str, *inputs: str, **options: Any) -> str:
        """Add a node. Raises Unfit if its value has too many entries, or too large ones."""
        with np.errstate(all="ignore"):
            y = np.asarray(OPS[op].forward(*(self.values[k] for k in inputs), **options))
        if not y.size <= ENTRIES or not np.all(np.abs(y) <= self.limit):
            raise Unfit
        name = f"{op}{len(self.nodes) + 1}"
        self.nodes.append(Node(name, op, inputs, options))
        self.values[name] = y
        return name

    def shape(self, name: str) -> Shape:
        """Return the shape of a value."""
        return tuple(self.values[name].shape)

    def one(self, choices: Sequence[Any], keys: Sequence[Hashable] = ()) -> Any:
        """Draw one of several, by need if they have keys. Raises Unfit where there is none."""
        if not choices:
            raise Unfit
        return choices[self.choices.place(len(choices), keys)]

    def whole(self, largest: int) -> int:
        """Draw a whole number from 0 to the largest."""
        return self.choices.place(largest + 1)

    def side(self, largest: int = SIDE, least: int = 1) -> int:
        """Draw the length of a side."""
        return least + self.whole(max(largest - least, 0))

    def options(self, **fits: Fits) -> dict[str, Any]:
        """Draw the options of the step's op; each that has a default may be left out.

        fits: option -> whether a value fits the options before it. Raises Unfit where none does.
        """
        found: dict[str, Any] = {}
        parameters = signature(OPS[self.op].forward).parameters
        for option, values in option_values(self.op).items():
            if f"{self.op} {option}" in self.without:
                continue
            suits: Fits = fits.get(option, always)
            choices = [value for value in values if suits(value, found)]
            if parameters[option].default is not Parameter.empty:
                choices = [None, *choices]
            value = self.one(choices, [(self.op, option, value) for value in choices])
            if value is not None:
                found[option] = value
        return found

    def leaf(self, shape: Shape, kind: str = "x") -> str:
        """Return a new leaf of a shape and kind."""
        content = self.one(list(FILL[kind]))
        rng = np.random.default_rng(self.whole(2**16))
        name = f"{kind}{len(self.leaves) + 1}"
        array = np.asarray(FILL[kind][content](rng, shape), float)
        self.leaves[name] = self.values[name] = np.clip(array, -self.limit, self.limit)
        return name

    def operand(
        self,
        fits: Callable[[Array], Any],
        shapes: Callable[["GraphBuilder"], Shape],
        kind: str = "x",
    ) -> str:
        """Return a node that fits, or the newest leaf that fits, or a new leaf of a shape.

        It differs from the step's other operands, but for one in `ALIKE`.
        """
        fitting = [name for name in reversed(self.values) if fits(self.values[name])]
        if self.whole(ALIKE - 1) < ALIKE - 1:
            fitting = [name for name in fitting if name not in self.operands]
        ops = {node.name: node.op for node in self.nodes}
        nodes = [name for name in fitting if name in ops]
        if nodes and self.whole(7):
            left = [name for name in self.left() if name in nodes] if self.whole(3) else []
            among = left or nodes
            name = self.one(among, [(ops[name], self.op) for name in among])
        else:
            old = [name for name in fitting if name in self.leaves][:1]
            name = self.one([None, *old]) or self.leaf(shapes(self), kind)
        self.operands.append(str(name))
        return str(name)

    def like(self, x: str, kind: str = "x") -> str:
        """Return an operand of the shape of x."""
        return self.shaped(self.shape(x), kind)

    def weight(self, *shape: int) -> str:
        """Return an operand of a shape."""
        return self.shaped(shape)

    def shaped(self, shape: Shape, kind: str = "x") -> str:
        """Return an operand of a shape and kind."""
        return self.operand(lambda a: a.shape == shape and WITHIN[kind](a), lambda _: shape, kind)

    def left(self) -> list[str]:
        """Return the nodes that nothing has consumed, the newest first."""
        used = {name for node in self.nodes for name in node.inputs}
        return [node.name for node in reversed(self.nodes) if node.name not in used]

    def network(self) -> Network:
        """Return the graph as a network: the nodes that nothing has consumed are added up.

        Arrays are weighted and summed. Raises Unfit.
        """
        if not self.nodes:
            raise Unfit
        total = ""
        for name in self.left()[::-1]:
            if self.shape(name):
                weight = self.leaf(self.shape(name), "c")
                name = self.node("sum", self.node("multiply", name, weight))  # noqa: PLW2901 it
            total = self.node("add", total, name) if total else name
        return Network("random", self.leaves, {}, tuple(self.nodes), frozenset())


def always(*_: Any) -> bool:
    """Return True."""
    return True


FURTHER: dict[str, dict[str, Sequence[Any]]] = {
    "scale": {"factor": [2.0, -1.0, 0.0, 1e-3]},
    "concatenate": {"axis": [0, 2, 3, -1]},
    "causal_mask": {"fill": [0.0]},
    "conv": {"stride": [3], "groups": [3]},
    "max_pool": {"kernel_size": [1], "stride": [3]},
    "average_pool": {"kernel_size": [1], "stride": [3]},
    "layer_norm": {"eps": [1e-3]},
    "rms_norm": {"eps": [1e-3]},
    "batch_norm": {"eps": [1e-3]},
    "weight_norm": {"dim": [2, 3]},
    "cross_entropy": {"ignore_index": range(SIDE)},
}
"""Op -> option -> values that graphs have beside those of the op cases."""


def option_values(op: str) -> dict[str, list[Any]]:
    """Return option -> its values in the op cases, and further ones; of single values alone."""
    cases = [one.options for one in OP_OPTIONS.values() if one.op == op]
    found: dict[str, list[Any]] = {}
    for options in (
        *cases,
        *({k: v} for k, several in FURTHER.get(op, {}).items() for v in several),
    ):
        for option, value in options.items():
            if isinstance(value, bool | int | float | str) and value not in found.get(option, ()):
                found.setdefault(option, []).append(value)
    return found
