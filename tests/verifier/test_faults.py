"""No classical mistake gets past the certificate, and each is named."""

from dataclasses import replace
from typing import Any

import pytest

from backproof.reference.backprop import RIGHT, Rules
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import FLOAT64, Precision
from backproof.reference.ops import OPS
from backproof.reference.verdict.faults import FAULTS, Fault, catalogue
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.recomputed import recomputed
from backproof.reference.verdict.replay import Replay
from tests.verifier.difference import close
from tests.verifier.planting import NETWORKS, Planted, ground_of, plant_all


@pytest.fixture(scope="module", params=NETWORKS)
def planted(request: pytest.FixtureRequest) -> list[Planted]:
    """Every fault, planted in one network."""
    return plant_all(request.param)


class OverBalls(Replay):
    """Replays links over Arb balls: their exact results for the framework's own numbers."""

    def operand(self, quantity: Quantity, p: Precision) -> Any:  # noqa: ARG002 exactly
        """Return a framework's numbers as exact Arb balls."""
        return exact(self.seen(quantity))

    def rounded(self, ball: Any, own: Precision) -> Any:  # noqa: ARG002 exactly
        """Return an op's result unchanged: there is no precision, so nothing is rounded."""
        return ball


def is_invisible(planted: Planted, link: Quantity) -> bool:
    """Return whether wrong and right rules give the same at a link, proven in Arb balls."""
    of = planted.replay
    replay = OverBalls(of.network, of.leaves, of.trace, of.precision, of.plain, of.update)

    def gives(rules: Rules, **update: Any) -> Any:
        return replay.ball(link, FLOAT64, rules, **update)

    with workprec():
        return close(gives(RIGHT), gives(planted.fault.rules, update=planted.fault.update))


def test_no_fault_gets_past(planted: list[Planted]) -> None:
    """Every link that a fault changes is refuted, or proven to have the same numbers.

    No other link is refuted: a fault is refuted where it is, not downstream.
    """
    for one in planted:
        assert set(one.red) <= set(one.changed), one.fault.name
        if any(link.problem for link in one.certificate.links):
            continue  # the certificate ends at NaN
        for link in one.changed:
            assert link in one.red or is_invisible(one, link), (one.fault.name, link)


def test_what_is_computed_again_hides_no_fault(planted: list[Planted]) -> None:
    """A refuted link stays refuted if it is replayed from its operands' balls, as if compiled.

    Every ninth fault is asked: these balls are no others' as well.
    """
    for one in planted[::9]:
        certificate = recomputed(one.certificate, one.replay)
        assert replace(one, certificate=certificate).red == one.red, one.fault.name


def test_passes_share_only_what_is_the_same(planted: list[Planted]) -> None:
    """What a fault's pass shares with the right one changes no verdict.

    Every 27th fault is asked: its certificate is made once more, alone.
    """
    for one in planted[::27]:
        of = one.replay
        alone = Replay(of.network, of.leaves, of.trace, of.precision, of.plain, of.update)
        assert repr(certify_passes(alone)) == repr(one.certificate), one.fault.name


def test_faults_are_located_and_named(planted: list[Planted]) -> None:
    """At least 95% of the visible faults are located, and 90% are named among the first two."""
    visible = [one for one in planted if one.red]
    located = [one for one in visible if one.is_located]
    named = [one for one in visible if one.is_named]
    missed = [one.fault.name for one in visible if one not in named]

    assert len(located) >= 0.95 * len(visible)
    assert len(named) >= 0.9 * len(visible), missed


def test_one_fault_is_one_finding(planted: list[Planted]) -> None:
    """All links that a fault explains belong to one finding: the same fault makes no second one."""
    several = [one.fault.name for one in planted if len(one.found) > 1]

    assert several == []


def test_every_fault_is_killed_somewhere() -> None:
    """Every fault, those of all ops included, is refuted on at least one network."""
    alive, killed = {fault.name for fault in of_ops()}, set[str]()
    for name in NETWORKS:
        ground = ground_of(name)
        alive |= ground.faults.keys() - killed
        killed |= {
            one for one in alive & ground.faults.keys() if ground.refutes(ground.faults[one])
        }
        alive -= killed

    assert sorted(alive) == []


def of_ops() -> list[Fault]:
    """Return the faults of all ops."""
    return [fault for faults in FAULTS.values() for fault in faults()]


def test_every_op_has_faults() -> None:
    """No op is without faults, and every fault has a name of its own."""
    names = [fault.name for fault in of_ops()]

    assert FAULTS.keys() == OPS.keys()
    assert len(set(names)) == len(names)
    assert all(fault.op == op for op, faults in FAULTS.items() for fault in faults())


def test_the_catalogue_is_large() -> None:
    """There are three hundred faults or more, each with a sentence and a source."""
    found = {}
    for network in NETWORKS.values():
        found |= catalogue(network, {})

    assert len(found) >= 300
    assert all(fault.gives and fault.source for fault in found.values())
