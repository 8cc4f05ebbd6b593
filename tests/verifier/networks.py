"""Networks for the tests of the suite itself, of seeded random numbers."""

import numpy as np

from backproof.reference.network import Network, Node


def shared() -> Network:
    """Return a network that uses one weight twice and one node twice, with a shared bias."""
    draw = np.random.default_rng(7).standard_normal
    nodes = (
        Node("net1", "dense", ("x", "W", "b")),
        Node("out1", "sigmoid", ("net1",)),
        Node("net2", "dense", ("out1", "W", "b")),
        Node("out2", "sigmoid", ("net2",)),
        Node("E", "half_squared_error", ("out2", "out1")),
    )
    parameters = {"W": draw((3, 3)), "b": draw(())}
    return Network("shared", {"x": draw((2, 3))}, parameters, nodes, frozenset({"W"}))
