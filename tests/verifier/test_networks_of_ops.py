"""GPT-2, the CIFAR ResNet and the detector: their gradients and the structure of their papers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import RIGHT, Rules, Trace, backprop, forward, sum_of
from backproof.reference.network import Network, Node
from backproof.reference.networks import gpt, resnet, yolo
from backproof.reference.numbers.exact import exact
from backproof.reference.ops import boxes
from tests.verifier.difference import close, drawn, on_paper, quotients

TINY_GPT = partial(gpt, 1, 2, 4, context=3, vocabulary=5)
TINY_YOLO = partial(yolo, 1, image=32, classes=2, batch=1)

TINY: dict[str, Callable[..., Network]] = {
    "gpt": partial(TINY_GPT, batch=1),
    "gpt-fused": partial(TINY_GPT, batch=1, attention="fused"),
    "resnet-padded": partial(resnet, 1, 1, image=4, classes=3, batch=2),
    "resnet-projection": partial(resnet, 1, 1, image=4, classes=3, batch=2, shortcut="projection"),
    "yolo": TINY_YOLO,
}
"""Name -> the smallest network of its kind."""

MOST = 8
"""At how many entries of each leaf a quotient is taken: each costs two passes over balls."""

BITS = 400
"""In networks of this depth, balls of 200 bits grow too wide."""


@dataclass(frozen=True, slots=True)
class Held(Rules):
    """The rules of the function that is differentiated: complete IoU's alpha is held constant.

    alphas: node -> alpha.
    """

    alphas: Mapping[str, Any] = field(default_factory=dict)

    def value(self, node: Node, known: Mapping[str, Any]) -> Any:
        """Return a node's value."""
        if node.name not in self.alphas:
            return RIGHT.value(node, known)
        return boxes.loss(_overlap(node, known), self.alphas[node.name])


def proven(network: Network, leaves: Mapping[str, Any]) -> Trace:
    """Return the trace over balls; the cotangent of the loss, else an integer, is a ball too."""
    one = Rules(receive=lambda _, handed_on: sum_of(handed_on) + exact(0)[()])
    return backprop(network, leaves, one)


def _overlap(node: Node, known: Mapping[str, Any]) -> boxes.Overlap:
    return boxes.overlap(*(known[name] for name in node.inputs), EPS)


EPS = signature(boxes.complete_iou_forward).parameters["eps"].default


@pytest.mark.parametrize("name", TINY)
def test_gradients(name: str) -> None:
    """The gradients of all leaves are right, at some of their entries."""
    network = TINY[name]()
    with on_paper(BITS):
        leaves = network.leaves(exact)
        trace = proven(network, leaves)
        known = {**leaves, **trace.values}
        alphas = {
            node.name: boxes.trade_off(_overlap(node, known), EPS)
            for node in network.nodes
            if node.op == "complete_iou"
        }
        for leaf, array in leaves.items():

            def loss(a: Any, leaf: str = leaf) -> Any:
                return forward(network, {**leaves, leaf: a}, Held(alphas=alphas))[network.loss]

            where = drawn(array.shape, MOST)
            expected = quotients(loss, array, where)
            found = np.asarray(trace.gradients[leaf], dtype=object)

            assert array.shape == found.shape
            assert close(expected, [found[index] for index in where]), leaf


def test_a_wrong_gradient_is_seen() -> None:
    """If alpha is not held constant, the detector's gradients are not those of its loss."""
    network = TINY_YOLO()
    with on_paper(BITS):
        leaves = network.leaves(exact)
        gradient = proven(network, leaves).gradients["fine.bias"]
        expected = quotients(
            lambda a: forward(network, {**leaves, "fine.bias": a})[network.loss],
            leaves["fine.bias"],
            np.ndindex(gradient.shape),
        )

        assert not close(expected, gradient)
        assert close(expected[4:], gradient[4:])  # objectness and classes, which are no box


def test_fused_attention_is_the_composed_one() -> None:
    """Fused and composed attention give GPT-2 the same values and gradients."""
    wide = partial(gpt, 1, 2, 8, context=3, vocabulary=5)  # heads of 4, whose root is a float
    composed, fused = wide(), wide(attention="fused")
    with on_paper(BITS):
        one, two = (proven(net, net.leaves(exact)) for net in (composed, fused))

        assert len(composed.nodes) > len(fused.nodes)
        assert composed.parameters.keys() == fused.parameters.keys()
        assert all(close(one.values[name], two.values[name]) for name in two.values)
        assert all(close(one.cotangents[name], two.cotangents[name]) for name in two.values)
        assert all(close(one.gradients[name], two.gradients[name]) for name in two.gradients)


def parameters(network: Network) -> int:
    """Return how many trained numbers a network has."""
    return sum(np.size(network.parameters[name]) for name in network.trained)


@pytest.mark.parametrize(("layers", "width", "context", "vocabulary"), [(1, 4, 3, 5), (3, 8, 2, 7)])
def test_parameters_of_gpt(layers: int, width: int, context: int, vocabulary: int) -> None:
    """The number of parameters is GPT-2's; the smallest GPT-2 has 124,439,808."""
    expected = _gpt_parameters(layers, width, context, vocabulary)

    assert expected == parameters(gpt(layers, 2, width, context=context, vocabulary=vocabulary))
    assert _gpt_parameters(12, 768, 1024, 50257) == 124_439_808


def _gpt_parameters(L: int, C: int, T: int, V: int) -> int:
    return V * C + T * C + L * (12 * C * C + 13 * C) + 2 * C


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(("shortcut", "more"), [("padded", 0), ("projection", 2)])
def test_layers_of_resnet(n: int, shortcut: str, more: int) -> None:
    """6n + 2 layers have weights, as in the paper's name; projections are not counted there."""
    network = resnet(n, 1, image=4, batch=1, shortcut=shortcut)
    weighted = [node for node in network.nodes if node.op in ("conv", "dense")]

    assert network.name == f"resnet-{6 * n + 2}"
    assert 6 * n + 2 + more == len(weighted)


@pytest.mark.parametrize(("n", "expected"), [(3, 269_722), (5, 464_154), (9, 853_018)])
def test_parameters_of_resnet(n: int, expected: int) -> None:
    """He et al. (2015), table 6: 0.27, 0.46 and 0.85 million for 20, 32 and 56 layers."""
    assert expected == parameters(resnet(n, 16, image=4, batch=1))


def test_images_through_resnet() -> None:
    """Stages have 32, 16 and 8 rows and columns and 16, 32 and 64 channels (the paper's table)."""
    network = resnet(1, 16, batch=1)
    values = forward(network, network.leaves(np.asarray))

    assert [values[f"{stage}.1"].shape for stage in (1, 2, 3)] == [
        (1, 16, 32, 32),
        (1, 32, 16, 16),
        (1, 64, 8, 8),
    ]
    assert values["pooled"].shape == (1, 64, 1, 1)
    assert values["logits"].shape == (1, 10)


@pytest.mark.parametrize(("image", "batch"), [(32, 1), (48, 2)])
def test_cells_of_yolo(image: int, batch: int) -> None:
    """The loss is finite, and every 16 or 8 pixels there is a cell of 5 + K numbers."""
    network = yolo(1, image=image, classes=4, batch=batch)
    values = forward(network, network.leaves(np.asarray))

    assert np.isfinite(values["E"])
    for scale, side in (("coarse", 16), ("fine", 8)):
        assert (batch * (image // side) ** 2, 9) == values[f"{scale}.cells"].shape


@pytest.mark.parametrize("name", TINY)
def test_networks_of_one_seed_are_equal(name: str) -> None:
    """Sizes and seed determine a network; another seed gives other numbers."""
    one, two, other = TINY[name](), TINY[name](), TINY[name](seed=1)
    leaves = [network.leaves(np.asarray) for network in (one, two, other)]

    assert all(np.array_equal(leaves[0][key], leaves[1][key]) for key in leaves[0])
    assert any(not np.array_equal(leaves[0][key], leaves[2][key]) for key in leaves[0])
    assert [node.name for node in one.nodes] == [node.name for node in other.nodes]
