"""JAX's scan: layers that differ only in their numbers, as one loop over stacked leaves."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from backproof.adapters.protocol import AdapterError, Tensor, step
from backproof.reference.network import Network, Node


@dataclass(frozen=True, slots=True)
class Layers:
    """A run of equal layers: each takes the value of the last node of the layer before it.

    entry: the node before the first layer. layers: the nodes of each layer. leaves: leaf of the
    first layer -> the corresponding leaf of every layer, in order.
    """

    entry: str
    layers: tuple[tuple[Node, ...], ...]
    leaves: Mapping[str, tuple[str, ...]]


def scanned(
    ops: Mapping[str, Callable[..., Tensor]],
    network: Network,
    leaves: Mapping[str, Tensor],
    probes: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Return every node's value; the longest run of equal layers is one `lax.scan`.

    Raises AdapterError where no two layers are equal, and as `adapters.protocol.walk`.
    """
    run = equal_layers(network, {name: leaf.shape for name, leaf in leaves.items()})
    first = run.layers[0]
    known = dict(leaves)

    def body(x: Tensor, own: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        inner = {**known, run.entry: x, **own}
        for node in first:
            inner[node.name] = step(ops, node, inner, own.get(f"probe of {node.name}"))
        return inner[first[-1].name], {node.name: inner[node.name] for node in first}

    start = network.nodes.index(first[0])
    for node in network.nodes[:start]:
        known[node.name] = step(ops, node, known, probes.get(node.name))
    stacked = {name: jnp.stack([leaves[n] for n in names]) for name, names in run.leaves.items()}
    for i, node in enumerate(first):
        if node.name in probes:
            each = [probes[layer[i].name] for layer in run.layers]
            stacked[f"probe of {node.name}"] = jnp.stack(each)
    _, values = lax.scan(body, known[run.entry], stacked)
    for k, layer in enumerate(run.layers):
        known |= {node.name: values[same.name][k] for node, same in zip(layer, first, strict=True)}
    for node in network.nodes[start + len(first) * len(run.layers) :]:
        known[node.name] = step(ops, node, known, probes.get(node.name))
    return {node.name: known[node.name] for node in network.nodes}


def equal_layers(network: Network, shapes: Mapping[str, tuple[int, ...]]) -> Layers:
    """Return the run that covers the most nodes, of the shortest layers. Raises AdapterError."""
    runs = [run for run in _runs(network, shapes) if len(run.layers) > 1]
    if not runs:
        raise AdapterError("scan: no two layers of this network are equal")
    return max(runs, key=lambda run: len(run.layers) * len(run.layers[0]))


def _runs(network: Network, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Layers]:
    """Yield the run of equal layers of every length, from every start."""
    nodes = network.nodes
    for length in range(1, len(nodes) // 2 + 1):
        for start in range(1, len(nodes) - length + 1):
            first, entry = nodes[start : start + length], nodes[start - 1].name
            layers = [first]
            leaves: dict[str, tuple[str, ...]] = {}
            while True:
                at = start + length * len(layers)
                layer, before = nodes[at : at + length], nodes[at - 1].name
                same = {entry: before, **_names(first, layer)}
                own = _matched(first, layer, same, shapes) if len(layer) == length else None
                if own is None or (leaves and own.keys() != leaves.keys()):
                    break
                leaves = {name: (*leaves.get(name, (name,)), own[name]) for name in own}
                layers.append(layer)
            yield Layers(entry, tuple(layers), leaves)


def _names(one: tuple[Node, ...], other: tuple[Node, ...]) -> dict[str, str]:
    return {a.name: b.name for a, b in zip(one, other, strict=False)}


def _matched(
    one: tuple[Node, ...],
    other: tuple[Node, ...],
    same: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, str] | None:
    """Return leaf of one layer -> the other's corresponding leaf; None if the layers differ."""
    leaves: dict[str, str] = {}
    for a, b in zip(one, other, strict=True):
        if a.op != b.op or len(a.inputs) != len(b.inputs) or not _equal(a.options, b.options):
            return None
        for x, y in zip(a.inputs, b.inputs, strict=True):
            if x in same:
                if same[x] != y:
                    return None
            elif x not in shapes or shapes.get(y) != shapes[x] or leaves.setdefault(x, y) != y:
                return None
    return leaves


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)
