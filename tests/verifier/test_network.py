"""A network is data, and malformed data is refused."""

from dataclasses import replace

import pytest

from backproof.reference.network import Network, Node, unknown_node
from backproof.reference.networks import mlp

GOOD = mlp((2, 3, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": ()}, "has no nodes"),
        ({"trained": frozenset({"W9"})}, "trained names no parameter: ['W9']"),
        ({"inputs": {**GOOD.inputs, "y": [1.0]}}, "does not depend on ['y']"),
        ({"inputs": {**GOOD.inputs, "W1": [1.0]}}, "names used twice: ['W1']"),
        (
            {"nodes": (Node("E", "softmin", ("x",)),)},
            "node E: unknown op 'softmin'; known: dense, conv, conv_transpose, embedding",
        ),
        (
            {"nodes": (Node("E", "sigmoid", ("x",), {"slope": 2}),)},
            "node E, op 'sigmoid': got an unexpected keyword argument 'slope'",
        ),
        ({"nodes": (Node("E", "dense", ("x",)),)}, "node E, op 'dense': missing a required arg"),
        (
            {"nodes": (Node("E", "sigmoid", ("later",)),)},
            "node E: inputs ['later'] are no leaves, and no earlier nodes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed(change: dict[str, object], message: str) -> None:
    """The error names the network, the node and what is wrong with it."""
    with pytest.raises(ValueError, match=r"^network ") as caught:
        replace(GOOD, **change)

    assert message in str(caught.value)


def test_trained_says_what_moves() -> None:
    """A network may leave parameters, such as its biases, untrained."""
    assert isinstance(replace(GOOD, trained=frozenset({"W1"})), Network)


@pytest.mark.parametrize("function", ["gelu", "torch._C.special"])
def test_a_function_that_is_not_known(function: str) -> None:
    """A function that no op was read from is a node that is not known, whatever its name is."""
    network = Network("own", {"x": [1.0]}, {}, (unknown_node("E", function, ["x"]),), frozenset())

    assert not network.nodes[0].is_known
