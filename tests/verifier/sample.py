"""Reports made without a run: real certificates of small networks, any names, any verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from backproof.reference import findings
from backproof.reference.article.figures import load
from backproof.reference.article.golden import read
from backproof.reference.backprop import backprop
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.passes import certify
from backproof.report.cause import Cause
from backproof.report.cells import NETWORKS, OPS_ALONE, PAIRS, Cell, as_dict, fill
from backproof.running.make_document import group, make_document
from backproof.scenarios.networks import CASES

SMALL = ("article", "saturated-tanh")
PRECISIONS = ("float64", "float32")
CAUSE = findings.load()[0].cause


def report(
    names: Sequence[str] = ("reference", "torch", "jax"), verdict: str = "agrees", cells: int = 0
) -> dict[str, Any]:
    """Return a report of implementations with at least `cells` cells, all of one verdict."""
    found = [*compared(names, verdict), *certified(names, verdict)]
    ops = [cell for cell in found if cell.group == OPS_ALONE]
    while len(found) < cells:
        found.append(replace(ops[len(found) % len(ops)], network=f"op-{len(found) // len(ops)}"))
    return of(found)


def of(cells: Sequence[Cell], **changed: Any) -> dict[str, Any]:
    """Return the report of some cells."""
    given: dict[str, Any] = {
        **_today(),
        "adapters": [*dict.fromkeys(cell.adapter for cell in cells)],
        "command": "backproof verify",
        "started": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "seconds": 67.8,
        "seeds": 1,
        "failed": [],
        "complete": True,
    }
    return make_document(map(as_dict, cells), **given | changed)


@cache
def _today() -> dict[str, Any]:
    """Return what a report says about the article and about known findings."""
    article = load()
    return {"article": article, "golden": read(article), "recorded": findings.load()}


def compared(names: Sequence[str], verdict: str) -> Iterator[Cell]:
    """Yield the article's cells: quantities, figures and pairs, with the proven values."""
    article = load()
    proven = read(article).iterations[1]
    for precision in PRECISIONS:
        for name in names:
            for quantity, at in article.addresses.items():
                if at.kind != "leaves":
                    yield _cell(name, precision, quantity, group(article, quantity), verdict)
            for figure in article.figures:
                one = _cell(name, precision, figure.quantity, figure.part, verdict)
                one.against, one.value = figure.id, float(proven.get(figure.quantity, "0.5"))
                yield one
        for name, other in pairwise(names):
            one = _cell(name, precision, "E", PAIRS, verdict)
            one.against = other
            yield one


def certified(names: Sequence[str], verdict: str) -> Iterator[Cell]:
    """Yield the cells of certificates: two networks and one op alone, in each precision."""
    for title, network in [*((NETWORKS, name) for name in SMALL), (OPS_ALONE, "tanh/ordinary")]:
        for precision in PRECISIONS:
            certificate = _certificate(network if title == NETWORKS else SMALL[1], precision)
            for name in names:
                one = _cell(name, precision, "every link", title, verdict)
                one.network, one.against, one.iteration = network, "its own numbers", 0
                fill(one, certificate)
                yield spoiled(one, verdict)


SAID = {"refuted": "1 of 1 entries outside", "undecided": "1.0 +- 2 holds 1.0, and zeros as well"}
WRONG = Cause(
    "", ("sigmoid: lost factor 1 - s", "sigmoid: derivative of the logit"), "dE/dnet_o[0, 0]",
    "0.13849856162855698 +- 9.23e-17 (float64)", "0.5570358170478331",
    "0.419, 4.54e+15 radii; 1 of 1 entries are outside", "dE/dnet_o is dout s: all 1 of 1 entries",
    "backproof verify 'test_networks.py::test_certified[article-0-float64-jax]'", 2,
)  # fmt: skip
"""A cause of cells that are refuted."""


def spoiled(cell: Cell, verdict: str) -> Cell:
    """Return the cell of a certificate with a verdict, and all links with it, if links have it."""
    if verdict == "agrees":
        return replace(cell, verdict=verdict)
    none = replace(cell, verdict=verdict, inside=0)
    if verdict == "not run":
        return replace(none, links=0, chain=[], share=None, proven=None, digits=None, entries=0)
    none.undecided = cell.links if verdict == "undecided" else 0
    if verdict not in SAID:
        return none
    none.chain = [
        [name, verdict, 2e9, None, n, seen, f"{name}: {verdict}: {SAID[verdict]}"]
        for name, _, _, _, n, seen in cell.chain[: cell.links]
    ]
    return replace(none, proven=None, fewest=None, end_to_end=0, decided=0)


def _cell(name: str, precision: str, quantity: str, title: str, verdict: str) -> Cell:
    known = [CAUSE] if verdict == "known" else []
    message = None if verdict == "agrees" else f"{name}: {quantity} is {verdict}"
    digits = 15.5 if precision == "float64" else 6.9
    version = None if verdict == "not run" else "1.0"
    causes = [replace(WRONG, adapter=name)] if verdict == "refuted" else []
    return Cell(
        "article", name, "proven", version, precision, 1, quantity, title, verdict, digits, message,
        known=known, value=0.25, causes=causes,
    )  # fmt: skip


@cache
def _certificate(case: str, precision: str) -> Certificate:
    network = CASES[case].network()
    leaves = network.leaves(lambda a: np.asarray(a).astype(float).astype(precision))
    return certify(network, leaves, backprop(network, leaves), precision)
