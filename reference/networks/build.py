"""Putting a network together, node by node."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backproof.reference.network import Network, Node
from backproof.reference.ops import Array


@dataclass(slots=True)
class Builder:
    """A network in the making; `node`, `input` and `parameter` return the name they were given.

    rng: draws all numbers. inputs, parameters, nodes: those of the network so far.
    """

    rng: np.random.Generator
    inputs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Array] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def input(self, name: str, array: Any) -> str:
        """Add data."""
        self.inputs[name] = array
        return name

    def parameter(self, name: str, array: Array) -> str:
        """Add a parameter; if there is one of that name already, it is shared."""
        self.parameters.setdefault(name, array)
        return name

    def normal(self, name: str, *shape: int, scale: float) -> str:
        """Add a parameter of normal numbers, `scale` their standard deviation."""
        return self.parameter(name, scale * self.rng.standard_normal(shape))

    def near(self, name: str, *shape: int, mean: float = 0.0) -> str:
        """Add a parameter near `mean`: a gain or bias; exact ones and zeros hide faults."""
        return self.parameter(name, mean + self.rng.standard_normal(shape) / 8)

    def node(self, name: str, op: str, *inputs: str, **options: Any) -> str:
        """Add a node."""
        self.nodes.append(Node(name, op, inputs, options))
        return name

    def network(self, name: str) -> Network:
        """Return the network; all its parameters are trained."""
        return Network(
            name, self.inputs, self.parameters, tuple(self.nodes), frozenset(self.parameters)
        )
