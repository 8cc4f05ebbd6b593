"""A derivative that a program takes itself, recorded as a pass of its own.

While autograd takes it, the recorder's hooks see the cotangents of all values on the way, as in the
backward pass of the loss.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import torch

from backproof.adapters.recording import Place, Recording
from backproof.adapters.torch_graph import Graph, array, floats
from backproof.reference.backprop import Trace
from backproof.reference.network import Network, Node
from backproof.reference.ops import Array

Tensor = Any

GRAD = signature(torch.autograd.grad)


@dataclass(slots=True)
class Inner:
    """The derivative of the sum of <seed, output> over all outputs, with respect to inputs.

    place:   of the call. before: the nodes that were recorded until then.
    outputs, inputs: their names. seeds: the `grad_outputs` of each output, or None for ones.
    cotangents: node -> its cotangent. gradients: input -> its derivative.
    """

    place: Place
    before: tuple[Node, ...]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    seeds: tuple[Array | None, ...]
    cotangents: Mapping[str, Array] = field(default_factory=dict)
    gradients: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, place: Place, args: Any, named: Mapping[str, Any]) -> "Inner":
        """Return what a call of `torch.autograd.grad` is about to compute."""
        given = GRAD.bind(*args, **named).arguments
        outputs, inputs = (several(given[key]) for key in ("outputs", "inputs"))
        seeds = several(given.get("grad_outputs"))
        of, to = (tuple(graph.name(t, place) for t in tensors) for tensors in (outputs, inputs))
        arrays = tuple(None if t is None else np.array(array(t.detach())) for t in seeds)
        return cls(place, (*graph.nodes,), of, to, arrays or (None,) * len(outputs))

    def taken(self, cotangents: Mapping[str, Array], result: Sequence[Tensor | None]) -> "Inner":
        """Return it with what was computed. Where autograd returns None, there is nothing."""
        self.cotangents = cotangents
        pairs = zip(self.inputs, result, strict=True)
        self.gradients = {k: np.array(array(t.detach())) for k, t in pairs if t is not None}
        return self

    def recording(self, graph: Graph, **versions: Any) -> Recording | None:
        """Return its pass; None where the outputs do not depend on the inputs."""
        nodes = [*self.between()]
        if not nodes:
            return None
        arrays = {node.name: array(graph.values[node.name]) for node in nodes}
        used = dict.fromkeys(i for node in nodes for i in node.inputs if i not in arrays)
        leaves = {k: floats(array(graph.values[k])) for k in used}
        cotangents = {**self.cotangents}
        cotangents |= {k: a for k, a in self.gradients.items() if k in arrays}
        added = []
        for node, value, cotangent, seed in self.seeded(graph, arrays):
            nodes.append(node)
            added.append(node.name)
            arrays[node.name], cotangents[node.name] = value, cotangent
            leaves |= seed
        parameters = {k: a for k, a in leaves.items() if k in self.inputs}
        constants = {k: a for k, a in leaves.items() if k not in parameters}
        network = Network(
            f"the derivative by {self.place}",
            constants,
            parameters,
            (*nodes,),
            frozenset(),
            frozenset(constants),
        )
        found = {k: self.gradients.get(k, np.zeros_like(a)) for k, a in parameters.items()}
        # Where nothing arrives, autograd hands on nothing: zeros.
        seen = {k: cotangents.get(k, np.zeros_like(a)) for k, a in arrays.items()}
        places = {k: graph.places.get(k, self.place) for k in arrays}
        trace = Trace(arrays, seen, found)
        return Recording(
            network, leaves, trace, places, (*parameters,), added=frozenset(added), **versions
        )

    def between(self) -> Iterable[Node]:
        """Return the nodes on a way from an input to an output, in their order."""
        moved = {*self.inputs}
        depending = []
        for node in self.before:
            if not moved.isdisjoint(node.inputs):
                moved.add(node.name)
                depending.append(node)
        needed, found = {*self.outputs}, []
        for node in reversed(depending):
            if node.name in needed:
                needed.update(node.inputs)
                found.append(node)
        return reversed(found)

    def seeded(
        self, graph: Graph, arrays: Mapping[str, Array]
    ) -> Iterator[tuple[Node, Array, Array, Mapping[str, Array]]]:
        """Yield the nodes of the sum of all <seed, output>: their values, cotangents and leaves.

        The values are zeros, since the derivative does not depend on them. There are no nodes where
        the derivative is that of one output, whose seeds are ones.
        """
        pairs = [(k, seed) for k, seed in zip(self.outputs, self.seeds, strict=True) if k in arrays]
        if len(pairs) == 1 and (pairs[0][1] is None or np.all(pairs[0][1] == 1)):
            return
        total = ""
        for output, seed in pairs:
            like = arrays[output]
            given = np.ones_like(like) if seed is None else seed
            zero, one = np.zeros((), like.dtype), np.ones((), like.dtype)
            leaf, product, added, both = map(graph.new_name, ("seed", "product", "sum", "total"))
            node = Node(product, "multiply", (output, leaf))
            yield node, np.zeros_like(like), np.ones_like(like), {leaf: given}
            yield Node(added, "sum", (product,)), zero, one, {}
            if total:
                yield Node(both, "add", (total, added)), zero, one, {}
            total = both if total else added


def several(given: Any) -> tuple[Any, ...]:
    """Return an argument that may be one tensor, several, or None, as several."""
    return () if given is None else (given,) if isinstance(given, torch.Tensor) else (*given,)
