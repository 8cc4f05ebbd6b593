"""An op that is composed of others: a network as one link of another network."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT, Rules, forward, sweep_back
from backproof.reference.network import Network, Node
from backproof.reference.one_sum import in_one_sum
from backproof.reference.ops import Op
from backproof.reference.ops.functions import stored

MOST = 32
"""As many ways to compute a composed op are tried at most: a wrong one is tried in all of them."""

READS_STORED = "reads what the forward pass has stored"


@dataclass(frozen=True, slots=True)
class Composed(Op):
    """An op that is composed of others. network: what it is composed of."""

    network: Network = field(kw_only=True)


def composed(network: Network) -> Composed:
    """Return the op whose value is a network's last node, as a function of all its leaves.

    The inputs of the op are the network's inputs, then its parameters, in their order. Each of its
    ops may be computed in any of its own forms, all nodes of one op in the same. Where these are
    more than `MOST` together, one op at a time is. A backward pass may also read what the forward
    pass has stored, instead of the numbers before they were rounded: those of attention and of a
    standard deviation read the result.
    """
    *_, last = network.nodes
    several = {node.op: {"": node.rule, **node.rule.forms} for node in network.nodes}
    is_read = any(node.op == "cast" for node in network.nodes) or last.rule.forms
    reads = ("", READS_STORED) if is_read else ("",)
    forms = {
        ", ".join(filter(None, (*names.values(), read))): swept(
            network,
            replace(RIGHT, ops={**RIGHT.ops, **{op: several[op][k] for op, k in names.items()}}),
            reads_stored=bool(read),
        )
        for read in reads
        for names in choices(several, MOST)
    }
    return replace(forms.pop(""), forms=forms)


def sum_of(name: str, parts: Sequence[Node]) -> tuple[tuple[str, ...], Composed]:
    """Return the sum of several nodes as one op: the names of its operands, and the op."""
    operands = [*dict.fromkeys(i for part in parts for i in part.inputs)]
    leaf = {operand: f"x{i}" for i, operand in enumerate(operands)}
    total, nodes = "", list[Node]()
    for i, part in enumerate(parts):
        inputs = tuple(leaf[operand] for operand in part.inputs)
        # Two parts may have different ops of one name.
        nodes.append(Node(f"part {i}", f"{part.op} {i}", inputs, part.options, part.rule))
        if total:
            nodes.append(Node(f"sum {i}", "add", (total, f"part {i}")))
        total = nodes[-1].name
    network = Network(name, dict.fromkeys(leaf.values(), 0.0), {}, (*nodes,), frozenset())
    return (*operands,), composed(network)


def choices(several: Mapping[str, Collection[str]], most: int) -> Iterator[dict[str, str]]:
    """Yield op -> its form, "" for its own; several: op -> all of its forms.

    That is every combination; or, where they are more than `most`, one op at a time.
    """
    if prod(map(len, several.values())) <= most:
        yield from (dict(zip(several, names, strict=True)) for names in product(*several.values()))
        return
    for op, forms in several.items():
        yield from ({**dict.fromkeys(several, ""), op: form} for form in forms)


def alike(one: Any, other: Any) -> bool:
    """Return whether two ops are one: the same, or composed of such; or two options of them."""
    if isinstance(one, Composed) and isinstance(other, Composed):
        return one is other or alike(parts(one), parts(other))
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return one is other if isinstance(one, Op) else bool(one == other)


def parts(op: Composed) -> list[Any]:
    """Return what makes two composed ops one: all but the numbers of leaves, and names."""
    network = op.network
    leaves = (*network.inputs, *network.parameters)
    places = {name: i for i, name in enumerate((*leaves, *(n.name for n in network.nodes)))}
    nodes = [
        (node.rule, [places[name] for name in node.inputs], sorted(node.options.items()))
        for node in network.nodes
    ]
    return [[*op.forms], len(leaves), places[network.loss], nodes]


def swept(network: Network, rules: Rules, *, reads_stored: bool = False) -> Composed:
    """Return the op that sweeps over a network by some rules.

    reads_stored: whether the sweep back reads the result, and what a cast has rounded, as stored.
    """
    names = (*network.inputs, *network.parameters)

    def op_forward(*leaves: Any) -> Any:
        known = dict(zip(names, leaves, strict=True))
        return forward(network, known, in_one_sum(rules, leaves))[network.loss]

    def op_backward(dy: Any, y: Any, *leaves: Any) -> tuple[Any, ...]:
        known = dict(zip(names, leaves, strict=True))
        sweep = in_one_sum(rules, (dy, *leaves))
        known |= forward(network, known, sweep)
        if reads_stored:
            known[network.loss] = y
        for node in network.nodes if reads_stored else ():
            if node.op == "cast":
                (x,) = node.inputs
                known[x] = stored(known[x], node.options.get("to", ""))
        _, gradients = sweep_back(network, known, dy, sweep)
        return tuple(gradients[name] for name in names)

    return Composed(op_forward, op_backward, network=network)
