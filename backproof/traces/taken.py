"""A derivative that a program takes itself is read: what there is of it beside its pass."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from backproof.adapters.recording import Recording, Taken
from backproof.reference.ops import Array
from backproof.reference.verdict.room import over
from backproof.traces.json_object import Object, refuse_others

SUMS = ("multiply", "sum", "add")
"""The ops of nodes that add up <seed, output>, whose values no derivative depends on."""


def taken_of_json(head: Object, found: Recording, values: Mapping[str, Array]) -> Taken:
    """Return the pass of a derivative that a program takes itself. values: the program's.

    Raises ValueError.
    """
    nodes = [node.name for node in found.network.nodes]
    both = {*found.leaves, *nodes}
    seeds, results = (names_of(head, key) for key in ("seeds", "results"))
    refuse_others(seeds, found.leaves, "seeds", "leaf")
    refuse_others(results.values(), both, "results", "leaf or node")
    taken = Taken(
        **{key.name: getattr(found, key.name) for key in fields(found)},
        reached=frozenset(head.names("reached", both, "leaf or node")),
        added=frozenset(head.names("added", nodes, "node")),
        seeds=seeds,
        results=results,
        constant=frozenset(head.names("constant", results, "result")),
    )
    refuse_what_is_not_judged(taken)
    refuse_what_differs(taken, values)
    return taken


def names_of(head: Object, key: str) -> dict[str, str]:
    """Return a field that is an object of names, each for a name. Raises ValueError."""
    found = head.inner(key, default={})
    return {name: found.get(name, "a string") for name in found.content}


def refuse_what_differs(taken: Taken, values: Mapping[str, Array]) -> None:
    """Raise ValueError where seeds or results are not what the program has by their names.

    values: the program's.
    """
    found = over(taken.trace.cotangents, taken.trace.gradients)
    pairs = [(name, taken.leaves[seed], "seeds") for seed, name in taken.seeds.items()]
    pairs += [(name, found[of], "results") for name, of in taken.results.items()]
    for name, a, key in pairs:
        if name in values and not np.array_equal(values[name], a, equal_nan=True):
            raise ValueError(f"{key}: {name} has other numbers in the program")


def refuse_what_is_not_judged(taken: Taken) -> None:
    """Raise ValueError where something that the derivative depends on would not be judged."""
    for node in taken.network.nodes:
        if node.name in taken.added and node.op not in SUMS:
            raise ValueError(f"added: {node.name}: only the ops {', '.join(SUMS)} may be added")
        if node.name not in taken.added and (wrong := taken.added.intersection(node.inputs)):
            raise ValueError(f"added: {min(wrong)}: {node.name} uses it, which is not added")
    moved = {*taken.network.parameters, *taken.results.values()}
    for node in taken.network.nodes:
        if not moved.isdisjoint(node.inputs):
            moved.add(node.name)
    if missing := moved - taken.reached:
        raise ValueError(f"reached: {min(missing)} depends on an input, and is not there")
