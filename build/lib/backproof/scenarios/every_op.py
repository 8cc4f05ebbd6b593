"""All ops in one network, each with every option: what is compiled is compiled once."""

from collections.abc import Collection

import numpy as np

from backproof.reference.network import Network
from backproof.reference.networks.build import Builder
from backproof.scenarios.op_cases import ALONE, alone_network


def together(points: str, seed: int, without: Collection[str] = ()) -> Network:
    """Return the sum of the losses of every op alone, at one set of points.

    without: names in ALONE of those that are left out. Names are "gelu.x1", "gelu.y", ...
    """
    g = Builder(np.random.default_rng(seed))
    losses = []
    for name in ALONE:
        if name in without or points not in ALONE[name].points:
            continue
        alone = alone_network(name, points, seed)
        for leaf, array in alone.inputs.items():
            g.input(f"{name}.{leaf}", array)
        for node in alone.nodes:
            inputs = (f"{name}.{k}" for k in node.inputs)
            g.node(f"{name}.{node.name}", node.op, *inputs, **node.options)
        losses.append(f"{name}.E")
    total = losses[0]
    for n, loss in enumerate(losses[1:], start=1):
        total = g.node(f"total{n}", "add", total, loss)
    return g.network(f"every-op/{points}")
