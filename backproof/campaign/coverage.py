"""What random graphs have reached: ops, values of options, pairs of neighbouring ops, faults."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backproof.campaign.graphs import Graph
from backproof.campaign.saved_graphs import quantities
from backproof.campaign.steps import is_single
from backproof.reference.backprop import backprop
from backproof.reference.network import Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import OPS
from backproof.reference.verdict.faults import FAULTS, Fault
from backproof.reference.verdict.faults.fault import IMPOSSIBLE
from backproof.reference.verdict.replay import Replay
from backproof.scenarios.op_options import OP_OPTIONS

NAMED = 5
"""How many things a line names."""


@dataclass(slots=True)
class Coverage:
    """What some graphs have reached.

    graphs: how many. sequences: their sequences of ops. options: "op option=value".
    pairs: an op, and the op that takes its value. faults: the faults of ops that they show.
    """

    graphs: int = 0
    sequences: set[tuple[str, ...]] = field(default_factory=set)
    ops: set[str] = field(default_factory=set)
    options: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)

    def add(self, graph: Graph) -> None:
        """Count what a graph reaches."""
        nodes = graph.network.nodes
        op_of = {node.name: node.op for node in nodes}
        self.graphs += 1
        self.sequences.add(tuple(node.op for node in nodes))
        self.ops |= {*op_of.values()}
        self.options |= {one for node in nodes for one in options(node)}
        self.pairs |= {(op_of[k], node.op) for node in nodes for k in node.inputs if k in op_of}
        every = [fault for op in {*op_of.values()} for fault in FAULTS[op]()]
        left = [fault for fault in every if fault.name not in self.faults]
        self.faults |= {*shown(graph, left)}

    @property
    def missing(self) -> dict[str, list[str]]:
        """What there is, and was not reached: ops, values of options in op cases, faults."""
        return {name: sorted(every - getattr(self, name)) for name, every in every_one().items()}

    def lines(self) -> list[str]:
        """Return what was reached, and what was not, in sentences."""
        counts = [f"{len(self.sequences)} sequences of ops"]
        for name, every in every_one().items():
            counts.append(f"{len(every & getattr(self, name))} of {len(every)} {NAMES[name]}")
        counts.append(f"{len(self.pairs)} pairs of neighbouring ops")
        found = [f"{self.graphs} networks reach {', '.join(counts)}"]
        for name, missing in self.missing.items():
            if missing:
                found.append(f"{NAMES[name]} not reached: {few(missing)}")
        return found


NAMES = {"ops": "ops", "options": "values of options", "faults": "faults of ops"}
"""Field of `Coverage` -> what it counts."""


def few(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def every_one() -> dict[str, set[str]]:
    """Return field of `Coverage` -> all that graphs can reach."""
    cases = [Node(name, one.op, (), one.options) for name, one in OP_OPTIONS.items()]
    return {
        "ops": {*OPS},
        "options": {option for node in cases for option in options(node)},
        "faults": {fault.name for faults in FAULTS.values() for fault in faults()},
    }


def options(node: Node) -> Iterator[str]:
    """Yield "op option=value", or "op option" where the value depends on the operands' shapes."""
    for option, value in node.options.items():
        yield f"{node.op} {option}={value}" if is_single(value) else f"{node.op} {option}"


def shown(graph: Graph, faults: list[Fault]) -> Iterator[str]:
    """Yield the names of the faults that a graph shows in its precision.

    It shows a fault if what the fault gives, for right operands, lies outside the widest ball that
    an implementation may fill.
    """
    network, p = graph.network, PRECISIONS[graph.precision]
    leaves = network.leaves(lambda a: np.asarray(a, float))
    with np.errstate(all="ignore"):
        trace = backprop(network, leaves)
        right = Replay(network, leaves, trace, p)
        wrong = replace(right, number=lambda array, *_: array, balls={})
        balls = {}
        for fault in faults:
            for quantity in quantities(network):
                if not quantity.probes or not fault.changes(network, quantity):
                    continue
                if quantity not in balls:
                    balls[quantity] = right.ball(quantity, p.narrow().flushing())
                try:
                    found = np.asarray(wrong.ball(quantity, p, fault.rules), float)
                except IMPOSSIBLE:
                    continue
                ball = balls[quantity]
                inside = ball.contains(found) if found.shape == ball.shape else False
                if not np.all(inside | ~np.isfinite(ball.rad)):
                    yield fault.name
                    break
