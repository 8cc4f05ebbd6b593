"""Planted faults of forward mode and of second order are refuted where they change a number."""

from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.protocol import Unsupported
from backproof.reference.article.figures import Article
from backproof.reference.backprop import RIGHT, Trace
from backproof.reference.network import Network, Node
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT64, Precision
from backproof.reference.verdict.diagnosis import diagnose
from backproof.reference.verdict.directions import certify_directions, certify_tangents
from backproof.reference.verdict.faults.tangents import tangents
from backproof.reference.verdict.identities import adjoint, symmetry
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.tangents import (
    BY_OPERAND,
    DualTrace,
    TangentReplay,
    along,
    by_operand,
)
from backproof.running import derivatives
from backproof.running.implementations import Implementations
from backproof.scenarios.derivatives import drawn
from tests.verifier.difference import close
from tests.verifier.planting import NETWORKS

FAULTS = {fault.name: fault for fault in tangents()}
PLANTED = ("sigmoid", "tanh", "shared", "activations", "arithmetic", "gpt")
OFF = 1e-6
"""The relative error of a wrong entry."""


@cache
def passed(name: str, fault: str = "", seed: int = 0) -> tuple[Any, ...]:
    """Return a network, its leaves, a direction, and the reference's pass with a fault planted."""
    network = NETWORKS[name]
    leaves = network.leaves(lambda a: np.asarray(a).astype(float))
    directions = drawn(leaves, seed)
    rules = FAULTS[fault].rules if fault else RIGHT
    return network, leaves, directions, along(network, leaves, directions, rules)


class TangentsOverBalls(TangentReplay):
    """Replays the tangents of links over Arb balls."""

    def operand(self, quantity: Quantity, p: Precision) -> Dual:  # noqa: ARG002 no precision: exactly
        """Return a framework's numbers and their tangents as exact Arb balls."""
        tangent = replace(quantity, tangent=True)
        return Dual(exact(self.seen(quantity)), exact(self.seen(tangent)))

    def rounded(self, ball: Any, own: Precision) -> Any:  # noqa: ARG002 none
        """Return the tangent of an op's result: there is no precision, so nothing is rounded."""
        return ball.whole_tangent()


@pytest.mark.parametrize("name", PLANTED)
def test_the_reference_is_inside(name: str) -> None:
    """The reference's own pass along a direction is inside, and satisfies the identities."""
    network, leaves, directions, found = passed(name)
    other = passed(name, seed=1)
    certificate = certify_tangents(network, leaves, directions, found, "float64")
    both = symmetry(network, leaves, (directions, found), other[2:], "float64")

    assert [link for link in certificate.links if link.verdict != "inside"] == []
    assert adjoint(network, leaves, directions, found, "float64").holds
    assert both.holds
    assert both.relative < OFF  # else the errors planted below would be too small to see


@pytest.mark.parametrize("loss", ["huber", "mean_squared_error"])
def test_operand_by_operand(loss: str) -> None:
    """Tangents of operands that move almost alike may be rounded each, before they cancel."""
    rng = np.random.default_rng(0)
    y, t = (rng.standard_normal((4, 5)).astype("float32") for _ in range(2))
    network = Network(loss, {"y": y, "t": t}, {}, (Node("E", loss, ("y", "t")),), frozenset())
    directions = {"y": y, "t": y + np.float32(1e-3) * t}
    found = along(network, network.inputs, directions, by_operand(RIGHT))
    links = certify_tangents(network, network.inputs, directions, found, "float32").links

    assert [str(link) for link in links if link.verdict != "inside"] == []
    assert [link.name for link in links if BY_OPERAND in link.properties] == [
        "tangent of dE/dy",
        "tangent of dE/dt",
    ]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", PLANTED)
def test_planted(name: str, fault: str) -> None:
    """A fault is refuted at every link that it changes, or proven to change nothing, and named."""
    network, leaves, directions, found = passed(name, fault)
    certificate = certify_tangents(network, leaves, directions, found, "float64")
    red = [link.quantity for link in certificate.links if link.verdict != "inside"]
    changed = [
        ln.quantity for ln in certificate.links if FAULTS[fault].changes(network, ln.quantity)
    ]

    assert set(red) <= set(changed)
    for link in changed:
        assert link in red or is_invisible(name, fault, link), link
    if red:
        own = network, leaves, found.values, FLOAT64
        replay = TangentReplay(*own, directions=directions, along=found)
        assert fault in next(diagnose(replay, certificate, FAULTS.values())).faults


def is_invisible(name: str, fault: str, link: Quantity) -> bool:
    """Return whether right and wrong rules give the same tangent at a link, proven in Arb balls."""
    network, leaves, directions, found = passed(name, fault)
    own = network, leaves, found.values, FLOAT64
    replay = TangentsOverBalls(*own, directions=directions, along=found)
    with workprec():
        right = replay.ball(link, FLOAT64)
        return close(right, replay.ball(link, FLOAT64, FAULTS[fault].rules))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault: str) -> None:
    """On some network a fault is refuted."""
    certificates = [certify_tangents(*passed(name, fault), "float64") for name in PLANTED]

    assert any(certificate.refuted for certificate in certificates)


@pytest.mark.parametrize("part", ["values", "tangents"])
@pytest.mark.parametrize("kind", ["values", "cotangents", "gradients"])
@pytest.mark.parametrize("name", ["tanh", "gpt"])
def test_every_direction_is_certified(name: str, kind: str, part: str) -> None:
    """What a pass along a second direction gets wrong is refuted, and the link says so."""
    network, leaves, *first = passed(name)
    _, _, direction, right = passed(name, seed=1)
    found = [tuple(first), (direction, wrong(right, part, kind))]
    certificate = certify_directions(network, leaves, found, "float64")
    red = [link for link in certificate.links if link.verdict != "inside"]

    assert red
    assert {link.quantity.direction for link in red} == {1}
    assert red[0].name.endswith(" in direction 2")


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_what_is_kept_of_an_earlier_run_is_seen(precision: str, article: Article) -> None:
    """A method that keeps the tangents, or the values, of its first run is refuted."""
    right = adapters.load("torch")
    for kept in (0, 1):  # the values, the tangents
        first: list[Any] = []

        def stale(*arguments: Any, kept: int = kept, first: list[Any] = first) -> Any:
            pairs = [*right.forward_mode["jvp"](*arguments)]
            first.append(pairs[kept])
            pairs[kept] = first[0]
            return tuple(pairs)

        implementations = Implementations(article, {"torch": None})
        implementations.adapter = lambda _, stale=stale: replace(  # type: ignore[method-assign]
            right, forward_mode={"jvp": stale}
        )
        network, leaves, found = derivatives.passed(
            implementations, Column("torch", "jvp"), "5-6-3", precision
        )
        assert not certify_directions(network, leaves, found, precision).holds


def test_every_op_is_without_what_a_precision_lacks(article: Article) -> None:
    """An op that is not supported in one precision is left out of every op in that one alone."""
    right = adapters.load("torch")
    unsupported = {**right.unsupported, "exp float32": "why"}
    implementations = Implementations(article, {"torch": None})
    implementations.adapter = lambda _: replace(  # type: ignore[method-assign]
        right, unsupported=unsupported
    )

    def has_exp(precision: str) -> bool | None:
        along = implementations, Column("torch", "jvp"), "every-op/ordinary", precision
        with suppress(Unsupported):
            return "exp" in {node.op for node in derivatives.passed(*along)[0].nodes}
        return None

    assert (has_exp("float64"), has_exp("float32")) == (True, False)


def test_another_dtype() -> None:
    """A tangent of another dtype is one finding: later links are still replayed from it."""
    network, leaves, directions, found = passed("tanh")
    right = certify_tangents(network, leaves, directions, found, "float64")
    tangents = {**found.tangents.values}
    tangents[network.loss] = tangents[network.loss].astype(np.longdouble)
    other = replace(found, tangents=replace(found.tangents, values=tangents))
    certificate = certify_tangents(network, leaves, directions, other, "float64")
    red = [link for link in certificate.links if link.verdict != "inside"]

    assert [link.name for link in red] == [f"tangent of {network.loss}"]
    assert "expected dtype float64, found" in str(red[0])
    assert len(certificate.links) == len(right.links)


def test_from_what_is_missing_nothing_is_judged() -> None:
    """A missing tangent is refuted, and what follows from it is not judged."""
    network, leaves, directions, found = passed("tanh")
    tangents = {**found.tangents.values}
    del tangents["net1"]
    other = replace(found, tangents=replace(found.tangents, values=tangents))
    links = certify_tangents(network, leaves, directions, other, "float64").links
    first, *after = (link for link in links if link.verdict != "inside")

    assert str(first) == "tangent of net1: refuted: is missing"
    assert str(after[0]) == (
        f"{after[0].name}: undecided: not judged: tangent of net1 is no operand"
    )
    assert all(link.quantity.tangent and link.cause == first.quantity for link in after)


def wrong(found: DualTrace, part: str, kind: str) -> DualTrace:
    """Return a trace with the first entry of its first array of one kind off by a millionth."""
    trace: Trace = getattr(found, part)
    arrays = dict(getattr(trace, kind))
    name = next(iter(arrays))
    arrays[name] = np.array(arrays[name])
    arrays[name].flat[0] *= 1 + OFF
    return replace(found, **{part: replace(trace, **{kind: arrays})})


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize(
    ("part", "kind"), [("values", "gradients"), ("tangents", "values")], ids=["gradient", "tangent"]
)
def test_a_wrong_entry_is_not_adjoint(name: str, part: str, kind: str) -> None:
    """A gradient's or a tangent's entry off by a millionth breaks <gradients, v> = tangent of E."""
    network, leaves, directions, found = passed(name)
    planted = wrong(found, part, kind)
    if kind == "values":  # the loss's own tangent
        slope = {**found.tangents.values}
        slope[network.loss] = slope[network.loss] * (1 + OFF)
        planted = replace(found, tangents=replace(found.tangents, values=slope))

    assert not adjoint(network, leaves, directions, planted, "float64").holds


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_entry_is_not_symmetric(name: str) -> None:
    """An entry of the Hessian times a vector off by a millionth breaks <u, H v> = <v, H u>."""
    network, leaves, directions, found = passed(name)
    planted = wrong(found, "tangents", "gradients")
    both = symmetry(network, leaves, (directions, planted), passed(name, seed=1)[2:], "float64")

    assert not both.holds
