"""Certificates: every link of the chain rule, on every network, in every precision."""

from reference.findings import KnownFinding
from tests.report import Cell
from tests.verification.certificates import Certificates


def test_certified(
    implementation: str,
    precision: str,
    case: str,
    seed: int,
    certificates: Certificates,
    known: tuple[KnownFinding, ...],
    cell: Cell,
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
    holds, as_recorded = certificate.refuted is None, recorded == seen

    assert holds, f"{implementation}, {case}, {precision}, seed {seed}: {certificate.refuted}"
    assert as_recorded, (
        f"{implementation}, {case}, {precision}, seed {seed}: recorded {sorted(recorded)}, "
        f"seen {'; '.join(map(str, certificate.degraded))}"
    )
