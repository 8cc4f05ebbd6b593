"""Numbers that a compiler computes again are told from wrong numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from backproof.reference.backprop import RIGHT, Trace, backprop
from backproof.reference.network import Network, Node
from backproof.reference.networks import resnet
from backproof.reference.numbers.precision import FLOAT32
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import WITHOUT_PROBES, Quantity
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.recomputed import AGAIN
from backproof.reference.verdict.replay import Replay
from backproof.running.certificates import in_precision

OPERAND, KERNEL = "3.1b.conv", "3.1b.kernel"
"""A convolution into a batch norm, through which its cotangent cancels; and its kernel."""

Change = Callable[[Replay, Trace], Trace]


def another(replay: Replay, trace: Trace, cotangent: Array) -> Trace:
    """Return the trace with the kernel's gradient computed from another cotangent."""
    node = replay.nodes[OPERAND]
    known = {
        name: np.float64(replay.seen(Quantity("value", name))) for name in (OPERAND, node.inputs[0])
    }
    known[KERNEL] = np.float64(replay.leaves[KERNEL])
    _, gradient = RIGHT.hands_on(node, cotangent, known)
    return replace(trace, gradients={**trace.gradients, KERNEL: gradient.astype("float32")})


def moved(share: float) -> Change:
    """Take the kernel's gradient from the operand's midpoint, moved by a share of its radius."""

    def change(replay: Replay, trace: Trace) -> Trace:
        ball = replay.ball(Quantity("derivative", OPERAND), FLOAT32)
        return another(replay, trace, ball.mid + share * ball.rad)

    return change


def wrong(replay: Replay, trace: Trace) -> Trace:
    """Show the operand a hundredth too large, but use the right one."""
    right = trace.cotangents[OPERAND]
    shown = {**trace.cotangents, OPERAND: right * np.float32(1.01)}
    return another(replay, replace(trace, cotangents=shown), np.float64(right))


@pytest.fixture(scope="module")
def certified() -> Callable[[Change], Certificate]:
    """Return a function that changes a trace of the reference, and certifies it as compiled."""
    network = resnet(1, 4, image=8, classes=4, batch=2)
    leaves, _ = in_precision(network, "float32")
    right = backprop(network, leaves)

    def of(change: Change, factor: float = 1) -> Certificate:
        trace = change(Replay(network, leaves, right, FLOAT32), right)
        gradients = {**right.gradients, KERNEL: right.gradients[KERNEL] * np.float32(factor)}
        plain = Trace(right.values, {}, gradients)
        replay = Replay(network, leaves, trace, FLOAT32, plain)
        return certify_passes(replay, compiled=True)

    return of


def outside(certificate: Certificate) -> list[str]:
    """Return the names of the links that are not inside."""
    return [link.name for link in certificate.links if link.verdict != "inside"]


def test_as_seen(certified: Callable[[Change], Certificate]) -> None:
    """A trace that follows from the numbers seen is inside without any property."""
    certificate = certified(lambda _, trace: trace)

    assert (outside(certificate), certificate.properties) == ([], ())


def test_computed_again(certified: Callable[[Change], Certificate]) -> None:
    """A gradient from another number in the operand's ball is inside, and the link says why."""
    certificate = certified(moved(0.9))
    shown = [link.name for link in certificate.links if AGAIN in link.properties]

    assert (outside(certificate), shown) == ([], [f"dE/d{KERNEL}"])


@pytest.mark.parametrize(
    ("change", "red"),
    [
        pytest.param(moved(2), {f"dE/d{KERNEL}"}, id="two radii off"),
        pytest.param(moved(-2), {f"dE/d{KERNEL}"}, id="two radii off, downwards"),
        pytest.param(wrong, {f"dE/d{OPERAND}", f"dE/d{KERNEL}"}, id="the operand is wrong"),
    ],
)
def test_wrong(change: Change, red: set[str], certified: Callable[[Change], Certificate]) -> None:
    """A gradient that no operand inside its ball gives is refuted, also if the operand is wrong."""
    certificate = certified(change)

    assert red <= {*outside(certificate)}
    assert AGAIN not in certificate.properties


@pytest.mark.parametrize("factor", [0.99, 1.01, -1, 0, np.nan])
def test_wrong_without_probes(factor: float, certified: Callable[..., Certificate]) -> None:
    """A gradient wrong only without probes is refuted, even where operands are computed again."""
    assert outside(certified(moved(0.9), factor)) == [f"dE/d{KERNEL}{WITHOUT_PROBES}"]


def test_room_for_either_run(certified: Callable[..., Certificate]) -> None:
    """Where one run computes operands again, the bound on the two runs' distance is larger."""
    bounds = [
        next(
            x.rad
            for x in certified(change, 1.0001).links
            if x.name == f"dE/d{KERNEL}{WITHOUT_PROBES}"
        )
        for change in (lambda _, trace: trace, moved(0.9))
    ]

    assert bounds[0] < bounds[1]


Y, P, E = (
    Node("y", "power", ("x",), {"exponent": -0.75}),
    Node("p", "multiply", ("y", "c")),
    Node("E", "sum", ("p",)),
)
"""E = sum p, p = c y: p, and dE/dc, which is y, are computed from y."""


def fused(share: float, shown: str) -> Certificate:
    """Certify a pass that, without probes, computes p or dE/dc from another y than it shows.

    share: of y's radius by which the other y is off its midpoint.
    """
    x, c = np.linspace(1, 2, 7), np.linspace(2, 3, 7)
    network = Network("fused", {"x": x, "c": c}, {}, (Y, P, E), frozenset())
    leaves, _ = in_precision(network, "float32")
    right = backprop(network, leaves)
    ball = Replay(network, leaves, right, FLOAT32).ball(Quantity("value", "y"), FLOAT32)
    other = (ball.mid + share * ball.rad).astype("float32")
    p = other * leaves["c"]
    values = {**right.values, "p": p, "E": np.sum(p)} if shown == "p" else right.values
    gradients = right.gradients if shown == "p" else {**right.gradients, "c": other}
    plain = Trace(values, {}, gradients)
    return certify_passes(Replay(network, leaves, right, FLOAT32, plain), compiled=True)


@pytest.mark.parametrize("shown", ["p", "dE/dc"])
def test_computed_again_without_probes(shown: str) -> None:
    """A number without probes from another number in its operand's ball is inside."""
    certificate = fused(0.9, shown)
    again = [link.name for link in certificate.links if AGAIN in link.properties]

    assert (outside(certificate), again) == ([], [shown + WITHOUT_PROBES])


@pytest.mark.parametrize("shown", ["p", "dE/dc"])
def test_wrong_operand_without_probes(shown: str) -> None:
    """It is refuted where no number in the operand's ball gives it."""
    assert outside(fused(9, shown)) == [shown + WITHOUT_PROBES]
