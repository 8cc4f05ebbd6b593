"""Random networks over all ops: graphs that grow step by step.

Each step adds an op, on operands from all earlier nodes (so residuals and fan-out arise) or from
new and old leaves (so weights are shared). Every number is known while a graph grows, so an op is
applied only where it is defined. Nodes that nothing consumes go into the loss.

Graphs are drawn by need: of ops, of options' values and of pairs of neighbouring ops, those that
earlier graphs have reached least come next.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from backproof.campaign.choices import Choices, Places
from backproof.campaign.graph_builder import GraphBuilder, Unfit, option_values
from backproof.campaign.steps import steps
from backproof.reference.backprop import backprop
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.scenarios.op_cases import extent
from backproof.scenarios.op_options import OP_OPTIONS

STEPS = 10
"""The largest number of steps."""

LIMIT = {"float16": 64.0}
"""The largest value or cotangent, so that no op's square overflows; by default `WIDE`."""
WIDE = 1e4


@dataclass(frozen=True, slots=True)
class Graph:
    """A random network, the precision to run it in, and the places that it was made of."""

    network: Network
    precision: str
    places: Places


def graphs(
    seed: int, precisions: Sequence[str] = tuple(PRECISIONS), without: Collection[str] = ()
) -> Iterator[Graph]:
    """Yield random graphs without end, in each precision in turn.

    They depend on the arguments alone. without: ops, and "op option", that are not drawn.
    """
    reached: Counter[Hashable] = Counter()
    n = 0
    while True:
        precision = precisions[(seed + n) % len(precisions)]
        rng = np.random.default_rng((seed, n))
        grown = None
        while grown is None:
            choices = Choices(rng, reached.copy())
            grown = graph(choices, precision, without)
        yield grown
        reached = choices.reached
        n += 1


@cache
def draws(op: str) -> int:
    """Return how often an op is drawn, beside others: as often as it has values of one option.

    Its op cases have values that no step draws, so it is drawn once for two of them at least.
    """
    cases = sum(one.op == op for one in OP_OPTIONS.values())
    return max(-(-cases // 2), *map(len, option_values(op).values()), 1)


def graph(choices: Choices, precision: str, without: Collection[str] = ()) -> Graph | None:
    """Return the graph of some choices; None if it has no node, or numbers beyond the limit."""
    g = GraphBuilder(choices, LIMIT.get(precision, WIDE), without)
    ops = [
        (op, n)
        for op in steps()
        if op not in without and precision in extent(op, "ordinary").always
        for n in range(draws(op))
    ]
    for _ in range(g.side(STEPS)):
        op, _ = g.one(ops, ops)
        g = g.after(op, steps()[op])
    try:
        network = g.network()
    except Unfit:
        return None
    with np.errstate(all="ignore"):
        trace = backprop(network, network.inputs)
    numbers = (*trace.cotangents.values(), *trace.gradients.values())
    if not all(np.all(np.abs(d) <= g.limit) for d in numbers):
        return None
    choices.reached = g.choices.reached
    return Graph(network, precision, tuple(choices.taken))
