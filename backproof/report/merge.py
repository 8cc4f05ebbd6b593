"""Merges the reports of several runs: of other frameworks, networks, seeds or machines."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from backproof.reference.table import table
from backproof.report.cells import RANDOM, as_dict, in_order
from backproof.report.compare import KEY, Key, keyed
from backproof.report.document import OUTCOMES, ReportError, verdict_of

WORST = ("refuted", "undecided", "not run", "known", "unsupported", "agrees")
"""Verdicts; of contradictory cells, the one stays that comes first here."""

Report = Mapping[str, Any]
Contradictions = Mapping[Key, Mapping[str, str]]
"""Key of a cell -> report: its verdict there."""


def merge(reports: Mapping[str, Report]) -> tuple[dict[str, Any], Contradictions]:
    """Return one report of several, and the cells that contradict each other.

    reports: name -> report. A comparison that several runs made is in it once: the worst of them,
    the first of those. Campaigns draw other networks in each run, so that all of theirs stay: their
    iterations are counted on. Raises ReportError where an adapter has several versions, or a
    report two cells of one key.
    """
    every = [*reports.values()]
    found: dict[Key, dict[str, Any]] = {}
    verdicts: dict[Key, dict[str, str]] = {}
    for name, report in reports.items():
        for key, one in keyed(report).items():
            cell = as_dict(one)
            if cell["network"] == RANDOM:
                while (key := key_of(cell)) in found and found[key] != cell:
                    cell["iteration"] += 1
            verdicts.setdefault(key, {})[name] = cell["verdict"]
            before = found.setdefault(key, cell)
            found[key] = min(before, cell, key=lambda c: WORST.index(c["verdict"]))
    order = {name: [cell[name] for cell in found.values()] for name in ORDER}
    cells = in_order(found.values(), order)
    counts = Counter(cell["verdict"] for cell in cells)
    failed = [*dict.fromkeys(test for report in every for test in report["failed"])]
    complete = all(report["verdict"] != "incomplete" for report in every)
    findings = {(f["adapter"], f["cause"]): f for report in every for f in report["findings"]}
    merged = {
        **every[0],
        "command": "; ".join(dict.fromkeys(report["command"] for report in every)),
        "date": min(report["date"] for report in every),
        "seconds": round(sum(report["seconds"] for report in every), 1),
        "commit": of_all(report["commit"] for report in every),
        "seeds": sorted({seed for report in every for seed in report["seeds"]}),
        "machine": machine([report["machine"] for report in every]),
        "versions": versions(reports, {cell["adapter"] for cell in cells}),
        "verdict": verdict_of(counts, failed, complete=complete),
        "counts": {name: counts[name] for name in OUTCOMES},
        "failed": failed,
        "findings": [*findings.values()],
        "article": next((report["article"] for report in every if report["article"]), None),
        "networks": {name: one for report in every for name, one in report["networks"].items()},
        "cells": cells,
    }
    return merged, {key: one for key, one in verdicts.items() if len({*one.values()}) > 1}


ORDER = ("adapter", "precision", "group", "network")
"""Fields whose values stand in the order in which the reports have them."""


def key_of(cell: Mapping[str, Any]) -> Key:
    """Return the key of a cell."""
    return tuple(cell[name] for name in KEY)


def versions(reports: Mapping[str, Report], adapters: Collection[str]) -> dict[str, str]:
    """Return package or adapter -> version. Of a package that a run uses all versions are said.

    adapters: those that have cells. Raises ReportError where one, or backproof, has several.
    """
    found: dict[str, str] = {}
    whose: dict[str, str] = {}
    for report, content in reports.items():
        for name, version in content["versions"].items():
            whose.setdefault(name, report)
            before = found.setdefault(name, version)
            if version in before.split(", "):
                continue
            if name in ("backproof", *adapters):
                first = f"{name} {found[name]} in {whose[name]}"
                raise ReportError(f"{report}: {name} {version}, but {first}; use `compare`")
            found[name] = f"{before}, {version}"
    return found


def machine(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is known of several machines: each text once; what is counted, where all agree.

    Of the features of their processors these are the ones that all have.
    """
    found: dict[str, Any] = {}
    for name, first in each[0].items():
        values = [one[name] for one in each]
        if isinstance(first, list):
            found[name] = [x for x in first if all(x in value for value in values)]
        elif isinstance(first, str):
            found[name] = ", ".join(dict.fromkeys(values))
        else:
            found[name] = of_all(values)
    return found


def of_all(values: Iterable[Any]) -> Any:
    """Return the value that all have; None where they differ."""
    each = {*values}
    return each.pop() if len(each) == 1 else None


def contradicted(contradictions: Contradictions) -> str:
    """Return the cells that contradict each other as a table."""
    rows = (
        (*key, ", ".join(f"{verdict} in {name}" for name, verdict in one.items()))
        for key, one in contradictions.items()
    )
    return f"contradictory: {len(contradictions)}\n{table((*KEY, 'verdicts'), rows)}"
