"""Networks for the tests of the suite itself, of seeded random numbers."""

from itertools import pairwise

import numpy as np

from reference.network import Network, Node


def mlp(sizes: tuple[int, ...], batch: int = 1, seed: int = 0) -> Network:
    """Return dense layers of `sizes` neurons, sigmoid after each, half squared error at the end."""
    draw = np.random.default_rng(seed).standard_normal
    parameters, nodes, last = {}, [], "x"
    for n, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
        parameters[f"W{n}"] = draw((inputs, outputs))
        parameters[f"b{n}"] = draw((outputs,))
        nodes.append(Node(f"net{n}", "dense", (last, f"W{n}", f"b{n}")))
        last = f"out{n}"
        nodes.append(Node(last, "sigmoid", (f"net{n}",)))
    nodes.append(Node("E", "half_squared_error", (last, "t")))
    inputs = {"x": draw((batch, sizes[0])), "t": draw((batch, sizes[-1]))}
    name = "-".join(map(str, sizes)) + f", batch {batch}"
    return Network(name, inputs, parameters, tuple(nodes), frozenset(parameters))


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
