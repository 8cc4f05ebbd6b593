"""Recorded findings: where today's frameworks are known to leave their balls.

fixtures/findings.toml keeps them, each with its evidence and a reproducer. A link that a finding
covers is reported as `known` and does not fail the run. Findings are strict: in the releases of a
finding, the run fails if the finding is no longer seen, just as it fails for a deviation that is
not recorded. In any other release a link that the finding covers fails the run, and the message
says that it is as recorded.
"""

import tomllib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from backproof.reference.fixtures import FIXTURES, FixtureError
from backproof.reference.releases import Releases
from backproof.reference.verdict.link import Link


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a finding is seen.

    columns:    the columns of the report: the adapter and its variants ("jax", "jax.jit").
    cases:      the networks, or single ops, where it is seen.
    elsewhere:  the cases where it is seen only with some seeds other than the recorded one.
    precisions: the precisions in which it is seen.
    links:      names of links, or patterns of names (`*` for anything).
    effective:  "refuted", or the lower precision whose ball holds those links.
    """

    columns: tuple[str, ...]
    cases: tuple[str, ...]
    elsewhere: tuple[str, ...]
    precisions: tuple[str, ...]
    links: tuple[str, ...]
    effective: str


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """One thing that a framework is known to get wrong.

    adapter:    the framework's adapter, by name.
    first, last: the first and the last release in which it was seen.
    cause:      what the framework does, in one sentence.
    point, seen, proven: one place where it shows, the framework's number there, the proven one.
    reproducer: a few lines of the framework alone that print the number seen.
    where:      the links where it is seen.
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
class Comparison:
    """The findings recorded of one certificate, compared with what is seen.

    known:    the findings that are seen.
    new:      links that are not inside, and that no finding covers.
    vanished: patterns of links that are recorded and not seen.
    """

    known: tuple[KnownFinding, ...]
    new: tuple[Link, ...]
    vanished: tuple[str, ...]


def seen_here(
    findings: Iterable[KnownFinding], processor: Callable[[str], Collection[str]]
) -> tuple[KnownFinding, ...]:
    """Return the findings that are seen on this machine.

    processor: adapter -> the processor features that it may use; called only where they matter.
    """
    return tuple(
        x for x in findings if not x.processors or {*x.processors} & {*processor(x.adapter)}
    )


def compare(
    recorded: Iterable[KnownFinding], links: Iterable[Link], *, everywhere: bool
) -> Comparison:
    """Compare the links of a certificate with the findings recorded of it.

    everywhere: whether a finding must be seen exactly as recorded. With a seed other than the
    recorded one, fewer links may show it, and their effective precision may differ.
    """
    red = [link for link in links if link.verdict != "inside"]
    recorded = tuple(recorded)
    strict = {one: everywhere and not x.sometimes for x in recorded for one in x.where}
    covered = {
        sighting: [link for link in red if covers(sighting, link, exactly=exactly)]
        for sighting, exactly in strict.items()
    }
    new = [link for link in red if not any(link in seen for seen in covered.values())]
    vanished = [
        f"{pattern} ({sighting.effective})"
        for sighting, seen in covered.items()
        for pattern in sighting.links
        if strict[sighting] and not any(fnmatchcase(_name(link), pattern) for link in seen)
    ]
    known = tuple(finding for finding in recorded if any(covered[one] for one in finding.where))
    return Comparison(known, tuple(new), tuple(vanished))


def covers(sighting: Sighting, link: Link, *, exactly: bool) -> bool:
    """Return whether a sighting covers a link that is not inside.

    exactly: whether the effective precision must be the recorded one.
    """
    effective = "refuted" if link.verdict == "refuted" else link.precision
    if exactly and effective != sighting.effective:
        return False
    return any(fnmatchcase(_name(link), pattern) for pattern in sighting.links)


def _name(link: Link) -> str:
    """Return the name of a link's quantity, the same for the passes with and without probes."""
    return str(replace(link.quantity, probes=True))


def recorded_of(
    findings: Iterable[KnownFinding], column: str, case: str, precision: str, *, everywhere: bool
) -> Sequence[KnownFinding]:
    """Return the findings of a column, in any release, as seen on a case in a precision.

    everywhere: as in `compare`.
    """

    def is_there(one: Sighting) -> bool:
        cases = one.cases if everywhere else (*one.cases, *one.elsewhere)
        return column in one.columns and case in cases and precision in one.precisions

    seen = [replace(one, where=tuple(filter(is_there, one.where))) for one in findings]
    return [finding for finding in seen if finding.where]


def load(path: Path = FIXTURES / "findings.toml") -> tuple[KnownFinding, ...]:
    """Return the findings recorded. Raises FixtureError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise FixtureError(f"{path.name}: {error}") from None
    if unknown := [key for key in content if key != "finding"]:
        raise FixtureError(f"{path.name}: unknown keys {unknown}")
    found = content.get("finding", [])
    return tuple(_finding(f"{path.name}: finding {i}", x) for i, x in enumerate(found, start=1))


def _finding(place: str, entry: object) -> KnownFinding:
    """Return the finding of an entry of the file."""
    content = _entry(place, entry, KnownFinding)
    sightings = [
        Sighting(**_entry(f"{place}: where {i}", x, Sighting))
        for i, x in enumerate(content["where"], start=1)
    ]
    found = KnownFinding(**{**content, "where": tuple(sightings)})
    try:
        str(found.releases)
    except ValueError as error:
        raise FixtureError(f"{place}: first, last: {error}") from None
    return found


def _entry(place: str, entry: object, of: type) -> dict[str, Any]:
    """Return the content of an entry whose keys are the fields of a dataclass.

    Fields with a default may be left out.
    """
    expected = {field.name: field.type for field in fields(of)}
    required = [field.name for field in fields(of) if field.default is MISSING]
    if not isinstance(entry, dict) or not {*required} <= {*entry} <= {*expected}:
        raise FixtureError(f"{place}: expected exactly the keys {required}")
    for key, value in entry.items():
        if expected[key] in (str, bool):
            kind = "a string" if expected[key] is str else "true or false"
            is_right = isinstance(value, expected[key])  # type: ignore[arg-type]
        else:
            one = str if expected[key] == tuple[str, ...] else dict
            kind = "strings" if one is str else "tables"
            is_right = isinstance(value, list) and all(isinstance(v, one) for v in value)
        if not is_right:
            raise FixtureError(f"{place}: {key}: expected {kind}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
