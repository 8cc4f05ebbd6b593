"""What is recorded as a finding is so: its reproducer shows it, and Arb settles it."""

import subprocess
import sys

import pytest

from reference.article import Article
from reference.findings import KnownFinding, covers, load
from reference.numbers.exact import exact, workprec
from reference.numbers.precision import PRECISIONS
from reference.verdict.certificate import Replay, certify
from tests.verification.alone import OPS_ALONE
from tests.verification.certificates import Certificates
from tests.verification.runs import Runs
from tests.verifier.test_faults import OverBalls

FINDINGS = load()


@pytest.mark.parametrize("adapter", dict.fromkeys(finding.adapter for finding in FINDINGS))
def test_reproducers(adapter: str) -> None:
    """Each reproducer, a few lines of the framework alone, prints what was seen."""
    own = [finding for finding in FINDINGS if finding.adapter == adapter]
    scripts = dict.fromkeys(finding.reproducer for finding in own)
    # One process for all: each in a namespace of its own, and what needs float64 last.
    code = "\n".join(
        f"exec({text!r}, {{}})" for text in sorted(scripts, key=lambda text: "x64" in text)
    )
    done = subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    printed = done.stdout.split("\n")

    assert sorted({finding.seen for finding in own}) == sorted({*printed} - {""})


@pytest.mark.parametrize(
    "finding",
    [finding for finding in FINDINGS if finding.cases[0] in OPS_ALONE],
    ids=lambda finding: f"{finding.adapter}-{finding.cases[0]}-{finding.precisions[0]}",
)
def test_settled_in_arb(finding: KnownFinding, article: Article) -> None:
    """From the same operands, Arb proves a value inside the ball, and the framework's is outside.

    Both of the ball in which every step is in the precision, or better, and of no narrower one.
    """
    certificates = Certificates(Runs(article, {finding.adapter: None}))
    case, precision = finding.cases[0], finding.precisions[0]
    found, plain = certificates.trace(finding.adapter, case, precision, 0)
    network, leaves, _ = certificates.network(case, precision, 0)
    certificate = certify(network, leaves, found, precision, plain)
    outside = [link for link in certificate.links if link.verdict != "inside"]
    red = [link for link in outside if covers(finding, link, exactly=True)]
    assert red
    for link in red:
        replay = Replay(network, leaves, found, PRECISIONS[precision], plain)
        ball = replay.ball(link.name, replay.precision.accumulator or replay.precision)
        with workprec():
            exactly = OverBalls(network, leaves, found, replay.precision, plain).ball(
                link.name, replay.precision
            )
            proven = exactly[link.index] - exact(ball.mid)[link.index]
            assert abs(proven) < exact(ball.rad)[link.index], link
        assert not ball.contains(replay.seen(link.name))[link.index], link
