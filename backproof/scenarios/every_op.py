"""All ops in one network, each with every option, so that compilers run once."""

from collections.abc import Mapping

import numpy as np

from backproof.adapters.gaps import Why, why
from backproof.reference.network import Network
from backproof.reference.networks.build import Builder
from backproof.scenarios.op_cases import op_network
from backproof.scenarios.op_options import OP_OPTIONS


def every_op(points: str, seed: int, unsupported: Mapping[str, Why]) -> Network:
    """Return the network whose loss is the sum of all op cases' losses at one set of points.

    unsupported: ops and options to leave out. Names are "gelu.x1", "gelu.y", ...
    """
    g = Builder(np.random.default_rng(seed))
    without = lacking(unsupported)
    losses = []
    for name in OP_OPTIONS:
        if name in without or points not in OP_OPTIONS[name].points:
            continue
        one = op_network(name, points, seed)
        for leaf, array in one.inputs.items():
            g.input(f"{name}.{leaf}", array)
        for node in one.nodes:
            inputs = (f"{name}.{k}" for k in node.inputs)
            g.node(f"{name}.{node.name}", node.op, *inputs, **node.options)
        losses.append(f"{name}.E")
    total = losses[0]
    for n, loss in enumerate(losses[1:], start=1):
        total = g.node(f"total{n}", "add", total, loss)
    return g.network(f"every-op/{points}")


def lacking(unsupported: Mapping[str, Why]) -> list[str]:
    """Return the op cases whose op, or one of whose options, is unsupported."""
    return [name for name, one in OP_OPTIONS.items() if why(unsupported, one.op, one.options)]
