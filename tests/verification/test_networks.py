"""Certificates: every link of the chain rule, on every network, in every precision."""

import pytest

from reference.findings import KnownFinding
from tests.report import Cell, RefutedError
from tests.verification.certificates import Certificates


def test_certified(
    implementation: str,
    precision: str,
    case: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
    request: pytest.FixtureRequest,
) -> None:
    """Every number lies in the ball that the framework's own numbers before it allow.

    Or in a lower precision's, where that is a recorded finding.
    """
    certificate = certificates.of(implementation, case, precision, seed)
    cell.links, cell.inside = len(certificate.links), certificate.inside
    cell.entries, cell.share = certificate.entries, certificate.share
    cell.properties = certificate.properties
    cell.digits = certificates.digits(implementation, case, precision, seed)
    recorded = {
        (finding.link, finding.effective)
        for finding in known
        if (finding.adapter, finding.version) == (implementation, cell.version)
        and (finding.network, finding.precision) == (case, precision)
    }
    seen = {(link.name, link.precision) for link in certificate.degraded}
    if certificate.refuted is None and recorded == seen:
        return
    found = certificate.refuted or "; ".join(map(str, certificate.degraded)) or "nothing degraded"
    lines = [
        f"{implementation}, {case}, {precision}, seed {seed}: {found}",
        certificates.explanation(implementation, case, precision, seed, certificate),
        f"recorded findings: {sorted(recorded)}" if recorded != seen else "",
        f"reproduce: {certificates.command(implementation, request.node.nodeid)}",
    ]
    raise RefutedError("\n".join(filter(None, lines)))
