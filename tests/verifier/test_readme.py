"""What the README says is so."""

import re

import pytest

from reference.findings import KnownFinding, load
from reference.ops import OPS
from reference.verdict.article import Finding, errata
from reference.verdict.faults import catalogue
from tests.verifier.planting import NETWORKS
from tests.verifier.sandbox import COMPLEX_STEP, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_is_the_file() -> None:
    """The adapter shown is the one that the tests run."""
    (shown,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    assert COMPLEX_STEP.read_text(encoding="utf-8") == shown


def test_the_errata_are_counted(findings: dict[str, Finding]) -> None:
    """The counts in the text and in the table of verdicts are the audit's."""
    wrong = errata(findings.values())

    assert f"{len(wrong)} of its {len(findings)} figures are wrong" in README
    for verdict in ("holds", "rounding", "carried", "slip"):
        count = sum(f.verdict == verdict for f in findings.values())
        assert re.search(rf"^\| `{verdict}` .* \| {count} \|$", README, re.MULTILINE)


@pytest.mark.parametrize(
    ("printed", "corrected", "ids"),
    [
        ("0.68566", "0.68557", ["1.1-exp"]),
        ("0.67530", "0.67537", ["1.2-exp"]),
        ("0.27482", "0.27481", ["2-E"]),
        ("0.13851", "0.13850", ["3.1-delta_o"]),
        ("0.24127", "0.24130", ["4.1-slope"]),
        ("0.24063", "0.24061", ["4.2-slope"]),
        ("0.0003", "0.0007, 0.0004, 0.0007", ["5-shift2", "5-shift3", "5-shift4"]),
        ("0.59315, 0.59676", "0.59325, 0.59686", ["6-out_h1", "6-out_h2"]),
        ("0.74217", "0.74209", ["6-out_o1"]),
        ("0.26804", "0.26798", ["6-E"]),
    ],
)
def test_the_errata_shown(
    findings: dict[str, Finding], printed: str, corrected: str, ids: list[str]
) -> None:
    """A row of the table of errata has the audit's figures, correction and verdict."""
    found = [findings[id_] for id_ in ids]

    assert f"| {printed} | {corrected} | {found[0].verdict} |" in README
    assert corrected.split(", ") == [f.corrected for f in found]
    assert {f.printed for f in found} == set(printed.split(", "))


def test_the_findings_shown() -> None:
    """Every reproducer's finding stands in the table, with what is seen and what is proven."""
    by_reproducer: dict[str, KnownFinding] = {}
    for finding in load():
        by_reproducer.setdefault(finding.reproducer, finding)

    assert all(
        f"| {one.cause} | {one.point} | {one.seen} | {one.proven} |" in README
        for one in by_reproducer.values()
    )


def test_the_faults_are_counted() -> None:
    """As many as the catalogue holds on the networks that they are planted on."""
    faults = {name for network in NETWORKS.values() for name in catalogue(network, {})}

    assert f"holds {len(faults)} classical mistakes" in README


def test_the_ops_are_counted() -> None:
    """As many as the table holds."""
    assert f"on {len(OPS)} ops alone" in README
