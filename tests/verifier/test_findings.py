"""Recorded findings are true: their reproducers show them, and Arb proves them."""

import subprocess
import sys
from collections.abc import Collection

import pytest

from backproof import adapters
from backproof.adapters.column import Column
from backproof.reference.article.figures import Article
from backproof.reference.findings import KnownFinding, Sighting, covers, load, seen_here
from backproof.reference.numbers.exact import exact, workprec
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.verdict.tangents import TangentReplay, certify_tangents
from backproof.running.certificates import Certificates, replayed
from backproof.running.derivatives import passed
from backproof.running.implementations import Implementations
from backproof.scenarios.op_cases import OP_CASES
from tests.verifier.test_faults import OverBalls
from tests.verifier.test_tangents import TangentsOverBalls

FINDINGS = load()


def processor(adapter: str) -> Collection[str]:
    """Return the processor features that an adapter may use."""
    return adapters.load(adapter).processor


def skip_elsewhere(finding: KnownFinding) -> None:
    """Skip a finding that is seen only on other processors."""
    if not seen_here([finding], processor):
        pytest.skip(f"seen on {', '.join(finding.processors)}: {finding.cause}")


@pytest.mark.parametrize("adapter", dict.fromkeys(finding.adapter for finding in FINDINGS))
def test_reproducers(adapter: str) -> None:
    """Each reproducer, a few lines of the framework alone, prints the number that was seen."""
    own = [x for x in seen_here(FINDINGS, processor) if x.adapter == adapter]
    scripts = dict.fromkeys(finding.reproducer for finding in own)
    # One process runs all of them, each in a namespace of its own; those that need x64 come last.
    code = "\n".join(
        f"exec({text!r}, {{}})" for text in sorted(scripts, key=lambda text: "x64" in text)
    )
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    printed = done.stdout.split("\n")

    assert sorted({finding.seen for finding in own}) == sorted({*printed} - {""})


@pytest.mark.parametrize(
    ("finding", "sighting"),
    [
        pytest.param(
            finding, one, id=f"{one.cases[0]}-{one.links[0]}-{one.precisions[0]}-{one.columns[0]}"
        )
        for finding in FINDINGS
        for one in finding.where
        if one.cases[0] in OP_CASES
    ],
)
def test_settled_in_arb(finding: KnownFinding, sighting: Sighting, article: Article) -> None:
    """From the same operands, Arb proves a value inside the ball; the framework's is outside.

    The ball is that of the accumulator's precision, where there is one, else of the precision.
    """
    skip_elsewhere(finding)
    column, case, precision = sighting.columns[0], sighting.cases[0], sighting.precisions[0]
    certificates = Certificates(Implementations(article, {column: None}))
    found, plain = certificates.trace(column, case, precision, 0)
    network, leaves, _ = certificates.network(case, precision, 0)
    scale = certificates.scale(case, precision, 0)
    replay = replayed(network, leaves, found, plain, scale)
    certificate = replay.certificate()
    outside = [link for link in certificate.links if link.verdict != "inside"]
    red = [link for link in outside if covers(sighting, link, exactly=True)]
    assert red
    for link in red:
        ball = replay.ball(link.quantity, replay.precision.accumulator or replay.precision)
        with workprec():
            exactly = OverBalls(network, leaves, found, replay.precision, scale=scale).ball(
                link.quantity, replay.precision
            )
            proven = exactly[link.index] - exact(ball.mid)[link.index]
            assert abs(proven) < exact(ball.rad)[link.index], link
        assert not ball.contains(replay.seen(link.quantity))[link.index], link


@pytest.mark.parametrize(
    ("finding", "sighting"),
    [
        pytest.param(
            finding, one, id=f"{one.columns[0]}-{one.links[-1].removeprefix('tangent of ')}"
        )
        for finding in FINDINGS
        for one in finding.where
        if one.cases[0].startswith("every-op")
        and one.links[-1].startswith("tangent of ")
        and one.effective != "refuted"  # of another dtype: there is nothing to settle in Arb
    ],
)
def test_tangents_settled_in_arb(
    finding: KnownFinding, sighting: Sighting, article: Article
) -> None:
    """The same holds for a recorded tangent, from the same operands and their tangents."""
    skip_elsewhere(finding)
    column, case, precision = sighting.columns[0], sighting.cases[0], sighting.precisions[0]
    tangents = Column.parse(column)
    implementations = Implementations(article, {tangents.framework: None})
    network, leaves, (along, *_) = passed(implementations, tangents, case, precision)
    certificate = certify_tangents(network, leaves, *along, precision)
    of_tangents = [link for link in certificate.links if link.quantity.tangent]
    red = [link for link in of_tangents if covers(sighting, link, exactly=True)]
    assert red
    own = (network, leaves, along[1].values, PRECISIONS[precision])
    moved = {"directions": along[0], "along": along[1]}
    replay, exactly = TangentReplay(*own, **moved), TangentsOverBalls(*own, **moved)
    for link in red:
        ball = replay.ball(link.quantity, replay.precision.accumulator or replay.precision)
        with workprec():
            proven = exactly.ball(link.quantity, replay.precision) - exact(ball.mid)
            assert abs(proven[link.index]) < exact(ball.rad)[link.index], link
        assert not ball.contains(replay.seen(link.quantity))[link.index], link
