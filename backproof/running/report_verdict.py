"""What becomes of a certificate: green, known, or red with all that a reader needs."""

from collections.abc import Callable, Sequence

import pytest

from backproof.reference.findings import KnownFinding, compare, covers, recorded_of
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import Link
from backproof.report.cells import Cell, RefutedError, chain


def report_verdict(
    certificate: Certificate,
    cell: Cell,
    known: Sequence[KnownFinding],
    reproduce: str,
    explain: Callable[[], str] = str,
) -> None:
    """Fill the cell. What is not inside must be a recorded finding, and what is recorded seen.

    reproduce: the command that runs the test alone. explain: makes the diagnosis, where there is
    something to explain. Raises RefutedError; pytest's xfail where all that is red is known.
    """
    cell.links, cell.inside = len(certificate.links), certificate.inside
    cell.entries, cell.share = certificate.entries, certificate.share
    cell.properties, cell.chain = certificate.properties, chain(certificate)
    first_seed = cell.iteration == 0
    recorded = recorded_of(known, cell.adapter, cell.network, cell.precision, everywhere=first_seed)
    here = [finding for finding in recorded if finding.releases.include(cell.version)]
    found = compare(here, certificate.links, everywhere=first_seed)
    if not found.new and not found.vanished:
        cell.known = tuple(finding.cause for finding in found.known)
        if cell.known:
            pytest.xfail("known: " + "; ".join(cell.known))
        return
    red = (certificate.refuted, *certificate.degraded, "all links are inside")
    first = next(str(link) for link in (*found.new, *red) if link)
    lines = [
        f"{cell.adapter}, {cell.network}, {cell.precision}, seed {cell.iteration}: {first}",
        *(f"as recorded for {one.of}: {one.cause}" for one in described(found.new, recorded)),
        explain(),
        f"recorded as a finding, and no longer seen: {', '.join(found.vanished)}"
        if found.vanished
        else "",
        f"reproduce: {reproduce}",
    ]
    raise RefutedError("\n".join(filter(None, lines)))


def described(links: Sequence[Link], recorded: Sequence[KnownFinding]) -> list[KnownFinding]:
    """Return the findings, of whichever releases, that describe links which are not excused."""
    return [
        finding
        for finding in recorded
        if any(covers(one, link, exactly=False) for one in finding.where for link in links)
    ]
