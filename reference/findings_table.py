"""The recorded findings as a table in Markdown."""

from collections.abc import Iterable

from backproof.reference.findings import KnownFinding

HEAD = ("release", "precisions", "what it computes", "at", "seen", "proven")


def to_markdown(findings: Iterable[KnownFinding]) -> str:
    """Return one row per reproducer: findings with the same reproducer have the same cause."""
    first = {one.reproducer: one for one in reversed([*findings])}
    rows = [HEAD, ["---"] * len(HEAD), *map(_row, reversed(first.values()))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(one: KnownFinding) -> list[str]:
    """Return the cells of a finding, in which a vertical bar does not end the cell."""
    precisions = dict.fromkeys(precision for where in one.where for precision in where.precisions)
    cells = (one.of, ", ".join(precisions), one.cause, one.point, one.seen, one.proven)
    return [cell.replace("|", "\\|") for cell in cells]
