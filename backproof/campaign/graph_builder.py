"""A graph under construction: operands to choose from, leaves to share, and what fills them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from backproof.reference.network import Node
from backproof.reference.ops import OPS, Array
from backproof.scenarios.op_cases import LARGEST, SPECIAL, distributions

Shape = tuple[int, ...]
ENTRIES, SIDE = 256, 6
"""The most entries of a value, the longest side of a leaf."""


class Unfit(Exception):
    """The step that was drawn does not fit the graph; it is left out."""


@dataclass(slots=True)
class GraphBuilder:
    """A graph under construction.

    draw: hypothesis's function. limit: the largest magnitude. leaves, nodes: as in a network.
    values: the values of leaves and nodes, in float64.
    """

    draw: st.DrawFn
    limit: float
    leaves: dict[str, Array] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    values: dict[str, Array] = field(default_factory=dict)

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

    def one(self, choices: Sequence[Any]) -> Any:
        """Draw one of several. Raises Unfit where there is none."""
        if not choices:
            raise Unfit
        return self.draw(st.sampled_from(choices))

    def options(self, **choices: Sequence[Any]) -> dict[str, Any]:
        """Draw options: each is left out, or has one of several values."""
        return {k: self.one(several) for k, several in choices.items() if self.draw(st.booleans())}

    def leaf(self, shape: Shape, kind: str = "x") -> str:
        """Return a leaf: a new one, or an existing one of that shape and kind."""
        old = [k for k, a in self.leaves.items() if a.shape == shape and k.startswith(kind)]
        if (name := self.one([None, *old])) is not None:
            return str(name)
        content = self.one(list(FILL[kind]))
        rng = np.random.default_rng(self.draw(st.integers(0, 2**16)))
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
        """Return a value that fits, the newest first, or a leaf of a shape."""
        fitting = [name for name in reversed(self.values) if fits(self.values[name])]
        left = [name for name in self.left() if name in fitting]  # likelier than the others
        name = self.one([*left, *fitting, None])
        return self.leaf(shapes(self), kind) if name is None else str(name)

    def like(self, x: str, kind: str = "x") -> str:
        """Return an operand of the shape of x."""
        shape = self.shape(x)
        return self.operand(lambda a: a.shape == shape and WITHIN[kind](a), lambda _: shape, kind)

    def weight(self, *shape: int) -> str:
        """Return an operand of a shape."""
        return self.operand(lambda a: a.shape == shape, lambda _: shape)

    def side(self, largest: int = SIDE) -> int:
        """Draw the length of a side."""
        return self.draw(st.integers(1, largest))

    def left(self) -> list[str]:
        """Return the nodes that nothing has consumed, the newest first."""
        used = {name for node in self.nodes for name in node.inputs}
        return [node.name for node in reversed(self.nodes) if node.name not in used]

    def finish(self) -> None:
        """Add up the nodes that nothing has consumed; arrays are weighted and summed."""
        total = ""
        for name in self.left()[::-1]:
            if self.shape(name):
                weight = self.leaf(self.shape(name), "c")
                name = self.node("sum", self.node("multiply", name, weight))  # noqa: PLW2901 it
            total = self.node("add", total, name) if total else name


def _boxes(rng: np.random.Generator, shape: Shape, *, ties: bool) -> Array:
    half = (*shape[:-1], 2)
    low = rng.integers(0, 3, half) if ties else rng.random(half)
    size = rng.integers(1, 3, half) if ties else 0.25 + rng.random(half)
    return np.concatenate([low, low + size], axis=-1)


FILL: dict[str, dict[str, Callable[[np.random.Generator, Shape], Array]]] = {
    "x": {
        "equal": lambda _, shape: np.full(shape, 0.5),
        "zero": lambda _, shape: np.zeros(shape),
        "ties": lambda rng, shape: rng.integers(-1, 2, shape),
        "mask": lambda rng, shape: rng.integers(0, 2, shape),
        "normal": lambda rng, shape: rng.standard_normal(shape),
        "small": lambda rng, shape: rng.standard_normal(shape) * 2.0**-20,
        "special": lambda rng, shape: rng.choice(SPECIAL, shape),
    },
    "p": {
        "equal": lambda _, shape: np.full(shape, 0.5),
        "mask": lambda rng, shape: rng.integers(0, 2, shape),
        "random": lambda rng, shape: rng.random(shape),
    },
    "distribution": {
        "one-hot": lambda rng, shape: np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])],
        "random": distributions,
    },
    "box": {
        "equal": lambda _, shape: np.broadcast_to([0.25, 0.25, 0.75, 1.25], shape),
        "ties": lambda rng, shape: _boxes(rng, shape, ties=True),
        "random": lambda rng, shape: _boxes(rng, shape, ties=False),
    },
    "c": {"normal": lambda rng, shape: rng.standard_normal(shape) / 8},
}
"""Kind of a leaf (numbers, probabilities, distributions, boxes, weights) -> what may fill it."""


def is_box(a: Array) -> bool:
    """Return whether these are boxes whose sides are all at least 1/16."""
    if a.ndim != 2 or a.shape[-1] != 4 or np.max(np.abs(a)) > LARGEST:
        return False
    return bool(np.all(a[:, 2:] - a[:, :2] >= 1 / 16))


def is_distribution(a: Array) -> bool:
    """Return whether rows are probabilities whose sum is 1 in every precision."""
    return bool(np.all((a >= 0) & (64 * a % 1 == 0)) and np.all(np.sum(a, axis=-1) == 1))


WITHIN: dict[str, Callable[[Array], bool]] = {
    "x": lambda _: True,
    "p": lambda a: bool(np.all((a >= 0) & (a <= 1))),
    "distribution": is_distribution,
    "box": is_box,
}
"""Kind -> whether a value is of that kind."""
