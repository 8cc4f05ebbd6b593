"""A derivative that a program takes itself, recorded as a pass of its own.

While autograd takes it, the recorder's hooks see the cotangents of all values on the way, as in the
backward pass of the loss.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import torch

from backproof.adapters.recording import Place, Taken, floats
from backproof.adapters.torch_graph import Graph, array
from backproof.reference.backprop import Trace
from backproof.reference.network import Network, Node, behind
from backproof.reference.ops import Array

Tensor = Any

GRAD = signature(torch.autograd.grad)


@dataclass(slots=True)
class Inner:
    """The derivative of the sum of <seed, output> over all outputs, with respect to inputs.

    place:   of the call. before: the nodes that were recorded until then.
    outputs, inputs: their names. seeds: that of each output's `grad_outputs`; "" for ones.
    cotangents: node -> its cotangent. gradients: input -> its derivative.
    results: the name of a result -> that of its input.
    """

    place: Place
    before: tuple[Node, ...]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    seeds: tuple[str, ...]
    cotangents: Mapping[str, Array] = field(default_factory=dict)
    gradients: dict[str, Array] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, place: Place, args: Any, named: Mapping[str, Any]) -> "Inner":
        """Return what a call of `torch.autograd.grad` is about to compute."""
        given = GRAD.bind(*args, **named).arguments
        outputs, inputs, seeds = (
            tuple("" if t is None else graph.name(t, place) for t in several(given.get(key)))
            for key in ("outputs", "inputs", "grad_outputs")
        )
        return cls(place, (*graph.nodes,), outputs, inputs, seeds or ("",) * len(outputs))

    def keep(self, name: str, i: int, result: Tensor) -> None:
        """Keep a result. name: its own. i: the place of its input among the inputs."""
        self.results[name] = self.inputs[i]
        self.gradients[self.inputs[i]] = np.array(array(result.detach()))

    def recordings(self, graph: Graph, **versions: Any) -> Iterator[Taken]:
        """Yield its pass, where the outputs depend on the inputs, and before it that of its seeds.

        In the pass of the seeds nothing moves. It has what they were computed from, which the loss
        need not have: where a backward function is wrong, the loss may depend on none of it.
        """
        self.before = tuple(graph.lost.get(node.name, node) for node in self.before)
        reached = self.reached()
        if reached <= {*self.inputs}:
            return
        seeds = dict.fromkeys(name for name in self.seeds if name not in {"", *graph.constants})
        if seeds:
            yield self.recording(graph, [(name, name) for name in seeds], set(), **versions)
        pairs = [one for one in zip(self.outputs, self.seeds, strict=True) if one[0] in reached]
        yield self.recording(graph, pairs, reached, results=self.results, **versions)

    def recording(
        self, graph: Graph, pairs: list[tuple[str, str]], reached: set[str], **others: Any
    ) -> Taken:
        """Return the pass back from the sum of <seed, output>, pairs of names. others: fields."""
        added = [*weighted(graph, pairs)]
        nodes = [*behind(self.before, {output for output, _ in pairs})]
        arrays = {node.name: array(graph.values[node.name]) for node in nodes}
        # Where nothing arrives, autograd hands on nothing: zeros.
        cotangents = {
            name: self.cotangents.get(name, self.gradients.get(name, np.zeros_like(a)))
            for name, a in arrays.items()
            if name in reached
        }
        seeds: dict[str, str] = {}
        leaves: dict[str, Array] = {}
        for node, value, seed in added:
            arrays[node.name], cotangents[node.name] = value, np.ones_like(value)
            for leaf, name in seed.items():
                leaves[leaf] = array(graph.values[name]) if name else np.ones_like(value)
                seeds |= {leaf: name} if name else {}
        nodes += [node for node, *_ in added]
        used = dict.fromkeys(i for node in nodes for i in node.inputs if i not in arrays)
        leaves = {k: floats(array(graph.values[k])) for k in used if k not in leaves} | leaves
        parameters = {k: a for k, a in leaves.items() if k in reached}
        data = {k: a for k, a in leaves.items() if k not in parameters}
        return Taken(
            Network(
                f"{'' if reached else 'the seeds of '}the derivative by {self.place}",
                data,
                parameters,
                (*nodes,),
                frozenset(),
                frozenset(data),
            ),
            leaves,
            Trace(
                arrays,
                cotangents,
                {k: self.gradients.get(k, np.zeros_like(a)) for k, a in parameters.items()},
            ),
            {name: graph.places.get(name, self.place) for name in arrays},
            (*parameters,),
            reached=frozenset([*reached, *(node.name for node, *_ in added)]),
            added=frozenset(node.name for node, *_ in added),
            seeds=seeds,
            constant=frozenset(others.get("results", {}).keys() & graph.constants),
            **others,
        )

    def reached(self) -> set[str]:
        """Return the inputs, and the nodes on a way from an input to an output."""
        depending = {*self.inputs}
        for node in self.before:
            if not depending.isdisjoint(node.inputs):
                depending.add(node.name)
        needed = {*self.outputs} & depending
        for node in reversed(self.before):
            if node.name in needed:
                needed |= depending.intersection(node.inputs)
        return needed


def weighted(
    graph: Graph, pairs: list[tuple[str, str]]
) -> Iterator[tuple[Node, Array, Mapping[str, str]]]:
    """Yield the nodes of the sum of all <seed, output>: a node, its value, its seed and its name.

    pairs: the names of outputs and seeds. The values are zeros, since the derivative does not
    depend on them. There are no nodes where it is that of one output, whose seeds are ones.
    """
    if len(pairs) == 1 and not pairs[0][1]:
        return
    total = ""
    for output, seed in pairs:
        like = array(graph.values[output])
        zero = np.zeros((), like.dtype)
        of, product, added, both = map(graph.new_name, ("seed", "product", "sum", "total"))
        yield Node(product, "multiply", (output, of)), np.zeros_like(like), {of: seed}
        yield Node(added, "sum", (product,)), zero, {}
        if total:
            yield Node(both, "add", (total, added)), zero, {}
        total = both if total else added


def one_by_one(*args: Any, **named: Any) -> tuple[Tensor | None, ...]:
    """Return what `torch.autograd.grad` computes in several directions at once, one by one."""
    given = GRAD.bind(*args, **{**named, "is_grads_batched": False}).arguments
    directions = zip(*several(given.pop("grad_outputs")), strict=True)
    each = [torch.autograd.grad(**given, grad_outputs=one) for one in directions]
    columns = zip(*each, strict=True)
    return tuple(
        None if any(one is None for one in column) else torch.stack(column) for column in columns
    )


def several(given: Any) -> tuple[Any, ...]:
    """Return an argument that may be one tensor, several, or None, as several."""
    return () if given is None else (given,) if isinstance(given, torch.Tensor) else (*given,)
