"""Recorded findings: where today's frameworks are known to leave their balls.

fixtures/findings.toml keeps them, each with its evidence, a reproducer and the formula that is
computed instead. A link is known where the formula of a finding predicts its numbers: it is
reported as `known` and does not fail the run. All other numbers at the same place are new. Findings
are strict: in the releases of a finding, the run fails if the finding is no longer seen where it is
recorded. In any other release a link with the predicted numbers fails the run, and the message says
that it is as recorded.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from backproof.reference.files import FIXTURES, FileError, read
from backproof.reference.releases import Releases
from backproof.reference.verdict.known import FORMULAS
from backproof.reference.verdict.link import Link, Quantity


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a finding is seen, and what it predicts there.

    formula:    the name of what is computed instead, in `reference.verdict.known`.
    columns:    the columns of the report: the adapter and its variants ("jax", "jax.jit").
    cases:      the networks, or single ops, where it is seen with the recorded seed.
    precisions: the precisions in which it is seen.

    Every column is seen in every precision on every case, wherever the three are run together.
    """

    formula: str
    columns: tuple[str, ...]
    cases: tuple[str, ...]
    precisions: tuple[str, ...]

    def is_of(self, columns: Collection[str], precision: str) -> bool:
        """Return whether it may be seen in a column, whatever the case.

        columns: the column, and its adapter's: a variant has its adapter's ops.
        """
        return precision in self.precisions and bool({*columns} & {*self.columns})

    def is_recorded(self, column: str, case: str, precision: str) -> bool:
        """Return whether it must be seen."""
        return column in self.columns and case in self.cases and precision in self.precisions


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """One thing that a framework is known to get wrong.

    adapter:    the framework's adapter, by name.
    first, last: the first and the last release in which it was seen.
    cause:      what the framework does, in one sentence.
    point, seen, proven: one place where it shows, the framework's number there, the proven one.
    reproducer: a few lines of the framework alone that print the number seen.
    where:      where it is seen, and what it predicts.
    package:    the package that the releases are of; if empty, the adapter's framework.
    processors: the processor features with which it is seen, in the adapter's words; if empty, all.
    sometimes:  whether it may be absent, as where a framework reads memory that nobody wrote.
    """

    adapter: str
    first: str
    last: str
    cause: str
    point: str
    seen: str
    proven: str
    reproducer: str
    where: tuple[Sighting, ...]
    package: str = ""
    processors: tuple[str, ...] = ()
    sometimes: bool = False

    @property
    def releases(self) -> Releases:
        """The releases in which it was seen."""
        return Releases(self.first, self.last)

    @property
    def of(self) -> str:
        """The package and the releases that the finding is about, in words: "torch 2.13.0"."""
        return f"{self.package or self.adapter} {self.releases}"


@dataclass(frozen=True, slots=True)
class Underflow:
    """Where the true numbers are below the smallest number of a precision: nothing can be decided.

    cases, precisions: as in `Sighting`. The true numbers are the same in every column, also that of
    your own adapter. Which links are undecided follows from their balls (`Link.underflows`).
    """

    cases: tuple[str, ...]
    precisions: tuple[str, ...]

    def is_of(self, site: "Site") -> bool:
        """Return whether it may be seen there."""
        return site.case in self.cases and site.precision in self.precisions


UNDERFLOW = "the true numbers underflow"
"""The cause of what is declared as `Underflow`."""


@dataclass(frozen=True, slots=True)
class Site:
    """One cell of the report.

    columns:   the column, and its adapter's: a variant has its adapter's ops.
    case, precision: the cell's.
    is_strict: whether the numbers are those of the recorded seed, so that findings must be seen.
    """

    columns: tuple[str, ...]
    case: str
    precision: str
    is_strict: bool = True

    def of(self, findings: Iterable[KnownFinding]) -> Sequence[KnownFinding]:
        """Return the findings that may be seen here, with their sightings."""
        found = (
            replace(x, where=tuple(w for w in x.where if w.is_of(self.columns, self.precision)))
            for x in findings
        )
        return [one for one in found if one.where]

    def records(self, one: Sighting) -> bool:
        """Return whether something is recorded here."""
        return one.is_recorded(self.columns[0], self.case, self.precision)


class Tried(Protocol):
    """What tries formulas on the links of a certificate: `reference.verdict.known.predict`."""

    def concerns(self, formula: str, quantity: Quantity) -> bool:
        """Return whether a quantity is computed by a formula."""

    def missed(self, formula: str, quantity: Quantity) -> str | None:
        """Return where numbers are not as a formula predicts, in words; None where all are."""


class _Nothing:
    """Where no formula is tried, nothing is predicted, and every link that is not inside is new."""

    def concerns(self, formula: str, quantity: Quantity) -> bool:  # noqa: ARG002 whatever they are
        """Return False."""
        return False

    def missed(self, formula: str, quantity: Quantity) -> str | None:  # noqa: ARG002 as above
        """Return that nothing is predicted, in words."""
        return "predicts no number"


NOTHING_TRIED: Tried = _Nothing()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The links of one certificate, compared with what is known.

    known:    the causes of the findings that are seen, and the underflows that are declared.
    new:      links that are not inside, and whose numbers nothing predicts.
    vanished: the causes of what is recorded here and not seen.
    """

    known: tuple[str, ...]
    new: tuple[Link, ...]
    vanished: tuple[str, ...]


def compare(
    findings: Iterable[KnownFinding],
    links: Iterable[Link],
    tried: Tried,
    site: Site,
    underflows: Iterable[Underflow] = (),
) -> Comparison:
    """Compare the links of a certificate with the findings and underflows of its release."""
    red = [link for link in links if link.verdict != "inside"]
    if red and not red[0].is_not_judged:  # what is not judged has its cause in it
        red = [link for link in red if not link.is_not_judged]
    tiny = [link for link in red if link.underflows and any(x.is_of(site) for x in underflows)]
    red = [link for link in red if link not in tiny]
    missing = cache(tried.missed)
    here = site.of(findings)
    seen: dict[KnownFinding, None] = {}
    new = []
    for link in red:
        tries = [] if link.is_not_judged else here
        by = [x for x in tries if any(not missing(w.formula, link.quantity) for w in x.where)]
        own = [x for x in by if any(map(site.records, x.where))]
        seen |= dict.fromkeys(own or by[:1])
        new += [] if by else [link]
    strict = [x for x in here if site.is_strict and not x.sometimes]
    gone = [x.cause for x in strict if any(map(site.records, x.where)) and x not in seen]
    known = [x.cause for x in seen] + [UNDERFLOW] * bool(tiny)
    return Comparison(tuple(dict.fromkeys(known)), tuple(new), tuple(gone))


def described(
    findings: Iterable[KnownFinding], links: Iterable[Link], tried: Tried, site: Site
) -> Iterator[str]:
    """Yield what the findings, of any release, say of links that are new."""
    links = [link for link in links if not link.is_not_judged]
    for finding in site.of(findings):
        told = [
            (w.formula, link.quantity)
            for link in links
            for w in finding.where
            if tried.concerns(w.formula, link.quantity)
        ]
        missed = [tried.missed(*one) for one in told]
        about = f"recorded for {finding.of}: {finding.cause}"
        if None in missed:
            yield f"as {about}"
        elif missed:
            yield f"not as {about}; it {missed[0]}"


def seen_here(
    findings: Iterable[KnownFinding], processor: Callable[[str], Collection[str]]
) -> tuple[KnownFinding, ...]:
    """Return the findings that are seen on this machine.

    processor: adapter -> the processor features that it may use; called only where they matter.
    """
    return tuple(
        x for x in findings if not x.processors or {*x.processors} & {*processor(x.adapter)}
    )


def load(path: Path = FIXTURES / "findings.toml") -> tuple[KnownFinding, ...]:
    """Return the findings recorded. Raises FileError."""
    return _recorded(path, _written(path))[0]


def load_underflows(path: Path = FIXTURES / "findings.toml") -> tuple[Underflow, ...]:
    """Return the underflows declared. Raises FileError."""
    return _recorded(path, _written(path))[1]


def _written(path: Path) -> int | None:
    """Return when a file was written, in nanoseconds; None where that is not known."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


@cache
def _recorded(path: Path, _: int | None) -> tuple[tuple[KnownFinding, ...], tuple[Underflow, ...]]:
    """Return the findings and the underflows of a file, which is read once; every run asks."""
    content = read(path, "findings")
    found = enumerate(content.get("finding", []), start=1)
    return (
        tuple(_finding(f"{path}: finding {i}", x) for i, x in found),
        tuple(Underflow(**_tuples(x)) for x in content.get("underflow", [])),
    )


def _finding(place: str, entry: Mapping[str, Any]) -> KnownFinding:
    """Return the finding of an entry of the file."""
    sightings = tuple(Sighting(**_tuples(x)) for x in entry["where"])
    if unknown := [w.formula for w in sightings if w.formula not in FORMULAS]:
        raise FileError(f"{place}: unknown formulas {unknown}")
    found = KnownFinding(**{**_tuples(entry), "where": sightings})
    try:
        str(found.releases)
    except ValueError as error:
        raise FileError(f"{place}: first, last: {error}") from None
    return found


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with tuples for lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
