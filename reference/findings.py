"""Recorded findings: where today's frameworks are known to leave their balls.

fixtures/findings.toml keeps them, each with its evidence and a reproducer. They make a run say
`known` instead of red, and are strict: one that is no longer seen fails the run as much as one
that is not recorded. So a fixed release turns it red again.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from reference.fixtures import FIXTURES, FixtureError
from reference.verdict.certificate import Link


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """One thing that a framework is known to get wrong.

    adapter, version: whose; the framework's version in which it was seen.
    columns:    variants of the adapter in which it is seen too ("jax.jit").
    cases:      the networks, or ops alone, where it is seen.
    elsewhere:  those where it is seen only with some other seeds than the one recorded.
    precisions: in which.
    links:      names of links, or patterns of names (`*` for anything).
    effective:  "refuted", or the lower precision whose ball holds those links.
    cause:      what the framework does, in one sentence.
    point, seen, proven: one place where it shows, what the framework says, what is proven.
    reproducer: a few lines of the framework alone that print what is seen.
    """

    adapter: str
    version: str
    columns: tuple[str, ...]
    cases: tuple[str, ...]
    elsewhere: tuple[str, ...]
    precisions: tuple[str, ...]
    links: tuple[str, ...]
    effective: str
    cause: str
    point: str
    seen: str
    proven: str
    reproducer: str


SEVERAL = ("columns", "cases", "elsewhere", "precisions", "links")
"""The keys that hold several strings."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is recorded of one certificate, beside what is seen.

    known:    the findings that are seen.
    new:      links that are not inside, and that no finding is of.
    vanished: patterns of links that are recorded and not seen.
    """

    known: tuple[KnownFinding, ...]
    new: tuple[Link, ...]
    vanished: tuple[str, ...]


def compare(
    recorded: Iterable[KnownFinding], links: Iterable[Link], *, everywhere: bool
) -> Comparison:
    """Hold the links of a certificate against the findings recorded of it.

    everywhere: whether a finding must be seen; not so for seeds other than the one it was
    recorded with, where it may be seen less, or in another effective precision.
    """
    red = [link for link in links if link.verdict != "inside"]
    recorded = tuple(recorded)
    covered = {
        finding: [link for link in red if covers(finding, link, exactly=everywhere)]
        for finding in recorded
    }
    new = [link for link in red if not any(link in seen for seen in covered.values())]
    vanished = [
        f"{pattern} ({finding.effective})"
        for finding, seen in covered.items()
        for pattern in finding.links
        if everywhere and not any(fnmatchcase(_name(link), pattern) for link in seen)
    ]
    known = tuple(finding for finding, seen in covered.items() if seen)
    return Comparison(known, tuple(new), tuple(vanished))


def covers(finding: KnownFinding, link: Link, *, exactly: bool) -> bool:
    """Return whether a finding is of a link that is not inside."""
    effective = "refuted" if link.verdict == "refuted" else link.precision
    if exactly and effective != finding.effective:
        return False
    return any(fnmatchcase(_name(link), pattern) for pattern in finding.links)


def _name(link: Link) -> str:
    return link.name.removesuffix(" without probes")


def recorded_of(
    findings: Iterable[KnownFinding],
    adapter: str,
    version: str | None,
    case: str,
    precision: str,
    *,
    everywhere: bool,
) -> Sequence[KnownFinding]:
    """Return the findings of an adapter (or variant) in a version, on a case, in a precision.

    everywhere: as in `compare`.
    """
    return [
        finding
        for finding in findings
        if adapter in (finding.adapter, *finding.columns)
        and finding.version == version
        and case in (finding.cases if everywhere else (*finding.cases, *finding.elsewhere))
        and precision in finding.precisions
    ]


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
    expected = [field.name for field in fields(KnownFinding)]
    if not isinstance(entry, dict) or sorted(entry) != sorted(expected):
        raise FixtureError(f"{place}: expected exactly the keys {expected}")
    content: dict[str, Any] = {}
    for key, value in entry.items():
        values = value if key in SEVERAL else [value]
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            kind = "strings" if key in SEVERAL else "a string"
            raise FixtureError(f"{place}: {key}: expected {kind}")
        content[key] = tuple(values) if key in SEVERAL else value
    return KnownFinding(**content)
