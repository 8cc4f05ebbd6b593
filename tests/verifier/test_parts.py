"""Forms of several nodes that hand on to one array: each node has its own, computed once."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from backproof.reference.backprop import Rules, Trace, backprop
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import FLOAT32, Precision
from backproof.reference.ops import OPS
from backproof.reference.verdict.forms import MIXED
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay
from tests.verifier.lazy import Lazy

torch, bt = map(Lazy, ("torch", "backproof.torch"))

OPS_OF_X = ("gelu", "silu", "sigmoid", "tanh", "softmax", "log_softmax")


def entering() -> Network:
    """Return a network whose leaf x enters several ops; the loss is the sum of their squares."""
    made = [Node(op, op, ("x",)) for op in OPS_OF_X]
    total, sums = made[0].name, list[Node]()
    for i, node in enumerate(made[1:]):
        sums.append(Node(f"sum {i}", "add", (total, node.name)))
        total = sums[-1].name
    last = [Node("square", "multiply", (total, total)), Node("loss", "sum", ("square",))]
    x = np.random.default_rng(0).standard_normal((4, 3))
    return Network("entering", {}, {"x": x}, (*made, *sums, *last), frozenset({"x"}))


def judged(
    scaled: float, counted: Counter[tuple[str, Precision]], network: Network | None = None
) -> Link:
    """Return the verdict on a gradient times a number.

    counted: how often each op hands on, in each precision.
    """
    network = network or entering()
    leaves = {name: np.float32(a) for name, a in network.parameters.items()}
    found = backprop(network, leaves)
    wrong = {name: np.float32(scaled) * a for name, a in found.gradients.items()}
    replay = Replay(network, leaves, Trace(found.values, found.cotangents, wrong), FLOAT32)
    right = Rules.hands_on

    def hands_on(self: Rules, node: Node, dy: Any, known: Any) -> Any:
        counted[node.op, dy.precision] += 1
        return right(self, node, dy, known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rules, "hands_on", hands_on)
        quantity = Quantity("derivative", "x")
        return replay.judge(quantity, replay.ball(quantity, FLOAT32))


def test_each_form_of_a_node_is_computed_once() -> None:
    """A wrong gradient is tried in all combinations, whose parts are computed once each."""
    counted = Counter[tuple[str, Precision]]()

    assert judged(1.0, counted).verdict == "inside"
    assert {*counted.values()} == {1}
    counted.clear()
    assert judged(1.01, counted).verdict == "refuted"
    assert len({p for _, p in counted}) > 1
    for (op, p), times in counted.items():
        first = p == FLOAT32  # the formula, before any forms
        assert times <= 1 + len(OPS[op].forms) + first, op


TIES = {
    "max beside amax": lambda a: torch.cat([a.max(1)[0], a.amax(0)]),
    "amin beside min": lambda a: torch.cat([a.amin(1), a.min(0)[0]]),
    "maximum beside fmax": lambda a: torch.maximum(a, a.detach()) + torch.fmax(a, a.detach()),
    "several": lambda a: torch.cat([a.max(1)[0], a.amax(0), a.amax(1), a.median(1)[0]]),
}


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("name", TIES)
def test_ties_are_handled_by_each_node_in_its_own_way(name: str, *, second: bool) -> None:
    """One array may enter two nodes of one op, of which one takes the first of equal numbers."""
    torch.manual_seed(0)
    a = torch.randint(1, 4, (5, 4)).float().requires_grad_()

    def loss() -> Any:
        y = TIES[name](a).flatten()
        return (y * torch.linspace(-1, 2, len(y))).square().sum()

    certificate = bt.certify(loss, {"a": a}, second=second)
    assert certificate.holds, str(certificate)

    a.register_hook(lambda d: d.flip(0))
    wrong = bt.certify(loss, {"a": a})
    assert not wrong.holds
    assert [link.name for link in wrong.links if link.verdict == "refuted"] == ["dE/da"]


def test_ties_of_one_node_among_many() -> None:
    """A node of many handles ties in its own way, though their forms are too many to be combined.

    At its bounds the slope of a clamp is 1, and that of a hard tanh, which is a clamp, 0.
    """
    a = torch.tensor([0.0, 1.0, -1.0, 0.5], requires_grad=True)
    names = ("relu", "hardtanh", "sigmoid", "tanh", "leaky_relu")
    functions = [getattr(torch.nn.functional, name) for name in names]

    def loss() -> Any:
        y = torch.clamp(a, min=0) + sum(i * f(a) for i, f in enumerate(functions, 2))
        return (y * torch.linspace(1, 2, len(y))).square().sum()

    right = bt.certify(loss, {"a": a})
    assert right.holds, str(right)

    a.register_hook(lambda d: d.flip(0))
    wrong = bt.certify(loss, {"a": a})
    assert [link.name for link in wrong.links if link.verdict == "refuted"] == ["dE/da"]


def test_the_form_names_the_node() -> None:
    """Where nodes of one op work in different forms, the property names the node."""
    a = torch.tensor([1.0, 1.0], requires_grad=True)
    b = torch.tensor([1.0, 2.0])

    def loss() -> Any:
        return torch.cat([torch.maximum(a, b), torch.fmax(a, b)]).square().sum()

    (link,) = (x for x in bt.certify(loss, {"a": a}).links if x.name == "dE/da")
    named = [one for one in link.properties if one != MIXED]
    assert named
    assert [one for one in named if " in " not in one] == []


def test_the_ball_tried_first_is_not_made_again() -> None:
    """What one op hands on by its formula alone is computed once in each precision."""
    x = np.linspace(-2, 2, 7, dtype=np.float32)
    nodes = (Node("y", "silu", ("x",)), Node("E", "sum", ("y",)))
    network = Network("one", {}, {"x": x}, nodes, frozenset({"x"}))
    counted = Counter[tuple[str, Precision]]()

    assert judged(1.01, counted, network).verdict == "refuted"
    assert len(counted) > 1
    assert {*counted.values()} == {1}
