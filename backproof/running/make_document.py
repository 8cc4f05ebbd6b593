"""The document of a run: its results, and all that its reports show.

The reports in backproof/report/ read the document alone. A page that is made of it later shows the
article, the networks and the findings as they were on the day of the run.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import backproof
from backproof.reference.article import audit as audits
from backproof.reference.article.figures import Article
from backproof.reference.article.golden import Golden
from backproof.reference.findings import KnownFinding
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.report.cells import CERTIFIED, NETWORKS, PAIRS, RANDOM, in_order
from backproof.report.document import OUTCOMES, SCHEMA, VERSION, verdict_of
from backproof.running.implementations import installed
from backproof.running.machine import commit, machine
from backproof.running.options import REFERENCE
from backproof.scenarios.networks import CASES
from backproof.scenarios.op_cases import OP_CASES

PACKAGES = ("numpy", "python-flint", "ml_dtypes", "scipy", "pytest")
"""The packages that every run uses; the report says their versions."""


def make_document(
    cells: Iterable[Mapping[str, Any]],
    *,
    article: Article,
    golden: Golden,
    recorded: tuple[KnownFinding, ...],
    adapters: Sequence[str],
    command: str,
    started: datetime,
    seconds: float,
    seeds: int,
    failed: Sequence[str],
    complete: bool,
) -> dict[str, Any]:
    """Return the document.

    cells:    as dicts, in any order. article, golden: included if the article was verified.
    recorded: the known findings, whether they were seen or not.
    adapters: those that were verified, without the reference and without variants.
    command:  the command line. seeds: the number of seeds of each network.
    started:  when, in any time zone. seconds: how long it took.
    failed:   the tests that failed and have no cell. complete: whether the run was finished.
    """
    cells = in_order(cells, order(article, adapters))
    failed = [*failed, *certify_nothing(cells, adapters)]
    counts = Counter(cell["verdict"] for cell in cells)
    seen = {cause for cell in cells for cause in cell["known"]}
    verified = any(cell["network"] == article.network.name for cell in cells)
    versions = {
        c["adapter"]: c["version"] for c in cells if c["adapter"] in adapters and c["version"]
    }
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "command": command,
        "date": started.astimezone(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "commit": commit(),
        "seeds": list(range(seeds)),
        "machine": machine(),
        "versions": {
            "backproof": backproof.__version__,
            **{name: installed(name) for name in PACKAGES},
            **versions,
        },
        "verdict": verdict_of(counts, failed, complete=complete),
        "counts": {name: counts[name] for name in OUTCOMES},
        "failed": failed,
        "findings": [_finding(one) for one in recorded if one.cause in seen],
        "article": _article(article, golden) if verified else None,
        "networks": _networks(cells),
        "cells": cells,
    }


def certify_nothing(cells: Sequence[Mapping[str, Any]], adapters: Iterable[str]) -> list[str]:
    """Return a sentence about each adapter that has results, all of them "unsupported".

    cells: as dicts. adapters: those that were asked for; the results of variants are theirs too.
    """
    found = []
    for name in adapters:
        own = [c["verdict"] for c in cells if f"{c['adapter']}.".startswith(f"{name}.")]
        if {*own} == {"unsupported"}:
            what = f"all {len(own)} of its results are declared unsupported"
            found.append(f"adapter {name}: certifies nothing: {what}")
    return found


def group(article: Article, quantity: str) -> str:
    """Return the row of the matrix in which a quantity of the article stands."""
    at = article.addresses[quantity]
    if at.kind != "gradients":
        return {"values": "node values", "updated": "updated weights"}.get(at.kind, at.kind)
    if at.array in article.network.inputs:
        return "gradients of inputs"
    return f"gradients of {'weights' if at.array in article.network.trained else 'biases'}"


def order(article: Article, adapters: Iterable[str]) -> dict[str, list[Any]]:
    """Return field of a cell -> its values, first to last, as `in_order` takes them."""
    quantities = sorted(group(article, quantity) for quantity in article.addresses)
    parts = [figure.part for figure in article.figures]
    return {
        "adapter": [REFERENCE, *adapters],  # variants come after them, by name
        "precision": [*PRECISIONS, "any"],
        "group": [*quantities, *parts, PAIRS, *CERTIFIED],
        "network": [article.network.name, *OP_CASES, *CASES, RANDOM],
    }


def _finding(one: KnownFinding) -> dict[str, str]:
    """Return what a report shows of a known finding."""
    return {
        "adapter": one.adapter,
        "of": one.of,
        "cause": one.cause,
        "point": one.point,
        "seen": one.seen,
        "proven": one.proven,
        "reproducer": one.reproducer.strip(),
    }


def _article(article: Article, golden: Golden) -> dict[str, Any]:
    """Return the article: its figures as audited, its network, its proven values."""
    audit, proven = audits.audit(article), golden.iterations[1]
    return {
        "counts": audits.counts(audit),
        "figures": [
            {"part": figure.part, "at": figure.at, **asdict(finding)}
            for figure, finding in zip(article.figures, audit, strict=True)
        ],
        "nodes": _nodes(article.network),
        "quantities": [
            {"name": name, **asdict(at), "index": [*at.index], "proven": proven[name]}
            for name, at in article.addresses.items()
        ],
        "losses": [{"updates": n, **values} for n, values in golden.trajectory.items()],
    }


def _networks(cells: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return name -> nodes of the networks that were certified; a campaign's are not drawn."""
    certified = [c["network"] for c in cells if c["group"] == NETWORKS and c["chain"]]
    return {
        name: _nodes(CASES[name].network()) for name in dict.fromkeys(certified) if name in CASES
    }


def _nodes(network: Network) -> list[dict[str, Any]]:
    """Return the nodes; an input that is no node is a leaf."""
    return [{"name": n.name, "op": n.op, "inputs": [*n.inputs]} for n in network.nodes]
