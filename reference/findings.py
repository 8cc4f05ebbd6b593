"""Recorded findings: what today's frameworks are known to compute in a lower precision.

fixtures/findings.toml keeps them, each with its evidence. They are strict: a finding that is no
longer seen fails the run as much as one that is not recorded.
"""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from reference.fixtures import FIXTURES, FixtureError


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """One degraded link.

    adapter, version: whose; the framework's version in which it was seen.
    network, precision, link: where.
    effective: the precision whose ball holds it.
    evidence:  why it is the framework's and not ours, for people.
    """

    adapter: str
    version: str
    network: str
    precision: str
    link: str
    effective: str
    evidence: str


def load(path: Path = FIXTURES / "findings.toml") -> tuple[KnownFinding, ...]:
    """Return the findings recorded. Raises FixtureError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise FixtureError(f"{path.name}: {error}") from None
    expected = [field.name for field in fields(KnownFinding)]
    found = content.get("finding", [])
    for i, entry in enumerate(found, start=1):
        strings = isinstance(entry, dict) and all(isinstance(v, str) for v in entry.values())
        if not strings or sorted(entry) != sorted(expected):
            raise FixtureError(f"{path.name}: finding {i}: expected the strings {expected}")
    if unknown := [key for key in content if key != "finding"]:
        raise FixtureError(f"{path.name}: unknown keys {unknown}")
    return tuple(KnownFinding(**entry) for entry in found)
