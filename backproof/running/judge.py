"""The judge of one test: its cell, and the verdict on its certificate."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import pytest

from backproof.adapters.column import Column
from backproof.adapters.gaps import left_out
from backproof.reference.findings import (
    NOTHING_TRIED,
    KnownFinding,
    Site,
    Tried,
    Underflow,
    compare,
    described,
)
from backproof.reference.network import Network
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import Diagnosis
from backproof.reference.verdict.known.predict import Witness
from backproof.reference.verdict.replay import Replay
from backproof.report.cause import Cause
from backproof.report.cells import Cell, RefutedError, fill
from backproof.running.causes import causes, judged
from backproof.running.implementations import Implementations


@dataclass(frozen=True, slots=True)
class Judge:
    """Fills the cell of one test.

    implementations: whose numbers are certified.
    known:           the recorded findings that are seen on this machine's processor.
    reproduce:       the command that runs the test again, alone.
    show:            puts the test's cell into the report.
    underflows:      where nothing can be decided, as declared.
    """

    implementations: Implementations
    known: Sequence[KnownFinding]
    reproduce: str
    show: Callable[[Cell], None]
    underflows: Sequence[Underflow] = ()

    def cell(
        self, network: str, column: Column, precision: str, group: str, iteration: int = 0
    ) -> Cell:
        """Return the test's cell, which the report shows. iteration: the seed."""
        version = self.implementations.version(column.framework)
        quantity, against = "every link", "its own numbers"
        found = Cell(network, str(column), against, version, precision, iteration, quantity, group)
        self.show(found)
        return found

    def report_verdict(
        self,
        certificate: Certificate,
        cell: Cell,
        tried: Tried = NOTHING_TRIED,
        *,
        network: Network | None = None,
        explain: Callable[[], Iterable[Diagnosis]] = tuple,
        note: Callable[[], str] = str,
    ) -> None:
        """Fill the cell. What is wrong must be as a finding predicts, and vice versa.

        tried: tries the findings' formulas. network: names the ops of what is wrong. explain:
        diagnoses it. note: adds to the message. Raises RefutedError, also where nothing is
        certified or a link is undecided; pytest's xfail where all that is wrong is known.
        """
        fill(cell, certificate)
        cell.properties = (*cell.properties, *(left_out(network) if network else ()))
        site = site_of(cell, is_strict=cell.iteration == 0)
        found = compare(self.here(cell), certificate.wrong, tried, site, self.underflows)
        if certificate.links and not found.new and not found.vanished:
            cell.known = found.known
            if cell.known:
                pytest.xfail("known: " + "; ".join(cell.known))
            return
        # What is refuted comes first: of what is undecided, nothing is known to be wrong.
        red = sorted(found.new or certificate.wrong, key=lambda link: link.verdict == "undecided")
        if red and red[0].verdict == "undecided" and not found.vanished:
            cell.verdict = "undecided"
        others = "all links are inside" if certificate.links else "nothing is certified"
        first = certificate.said(red[0]) if red else others
        diagnoses = [*explain()]
        vanished = ", ".join(found.vanished)
        gone = f"recorded as a finding, and no longer seen: {vanished}" if vanished else ""
        made_by = network or cell.network.partition("/")[0]
        recorded = partial(described, self.known, tried=tried, site=site)
        cell.causes = causes(red, diagnoses, made_by, cell.adapter, self.reproduce, recorded)
        if gone or not red:
            cell.causes.append(Cause(cell.adapter, (gone or others,), command=self.reproduce))
        lines = [
            f"{cell.adapter}, {cell.network}, {cell.precision}, seed {cell.iteration}: {first}",
            *recorded(found.new),
            *(f"diagnosis: {one}" for one in diagnoses),
            counted(cell.causes) if len(judged(red)) > 1 else "",
            note(),
            gone,
            f"reproduce: {self.reproduce}",
        ]
        raise RefutedError("\n".join(filter(None, lines)))

    def predicted(self, replay: Replay | None, cell: Cell) -> tuple[str, ...]:
        """Return the recorded causes of a pass, if they predict all that is wrong with it.

        replay: of the pass; None of a number that belongs to none, which nothing predicts.
        """
        if replay is None:
            return ()
        site, wrong = site_of(cell, is_strict=False), replay.certificate().wrong
        found = compare(self.here(cell), wrong, Witness(replay), site)
        return () if found.new else found.known

    def here(self, cell: Cell) -> list[KnownFinding]:
        """Return the findings of the release that made a cell's numbers."""
        return [finding for finding in self.known if finding.releases.include(cell.version)]


def site_of(cell: Cell, *, is_strict: bool) -> Site:
    """Return where a cell's numbers were seen. is_strict: whether what is recorded must be seen."""
    columns = (cell.adapter, Column.parse(cell.adapter).framework)
    return Site(columns, cell.network, cell.precision, is_strict=is_strict)


def counted(found: Sequence[Cause]) -> str:
    """Return how many red links each cause has."""
    return f"red links: {', '.join(f'{one.named[0]} ({one.links})' for one in found if one.links)}"
