"""Which mistake gives a figure that is printed, and wrong?

A figure without a line shows no arithmetic that could be checked. So the training is made again, in
float64, with each fault of the catalogue, with every parameter updated, and rightly: where it gives
the figure, at its places, in the same pass or in the one before or after, that is an explanation.

It is what is computed, and no proof of what was done: of few digits, several mistakes may give the
same. Those that give most of all figures, right and wrong, come first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np

from backproof.reference.article.figures import Address, Article, Figure
from backproof.reference.network import Network
from backproof.reference.numbers.exact import nearest, rational
from backproof.reference.training import Iteration, iterations
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.faults.dense import MOVED_FIRST, moved_first
from backproof.reference.verdict.faults.families import faults
from backproof.reference.verdict.faults.fault import IMPOSSIBLE

NEAR = 20
"""Passes that all mistakes are tried on; only those that explain one of them are tried on later."""

SHIFTS = {0: "", -1: " one pass earlier", 1: " one pass later"}
"""Passes by which a count of updates may be off."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One training.

    said: what is wrong with it; empty where nothing is.
    run:  makes it: its iterations, without end.
    """

    said: str
    run: Callable[[], Iterator[Iteration]]


def explanations(article: Article, figures: Sequence[Figure]) -> dict[str, str]:
    """Return figure's id -> what gives it, in words; without those that nothing explains."""
    if not figures:
        return {}
    near = [figure for figure in article.figures if figure.iteration <= NEAR]
    wrong = {figure.id for figure in figures}
    found: dict[str, list[tuple[int, int, str]]] = {}
    for attempt in attempts(article):
        given = gives(article, attempt, near)
        rank = -sum(shift == 0 for shift in given.values())
        if wrong & given.keys() or not attempt.said:
            given = gives(article, attempt, figures)
        for id_ in wrong & given.keys():
            said = f"{attempt.said or 'the right value'}{SHIFTS[given[id_]]}"
            found.setdefault(id_, []).append((abs(given[id_]), rank, said))
    return {
        id_: f"{' or '.join(said for *_, said in sorted(told)[:2])} gives it"
        for id_, told in found.items()
    }


def attempts(article: Article) -> Iterator[Attempt]:
    """Yield the trainings to try: the right one first."""
    network, eta = article.network, float(article.eta)
    start = network.leaves(lambda a: a.astype(float))

    def made(said: str, of: Network, *rules: Any) -> Attempt:
        return Attempt(said, lambda: iterations(of, start, eta, *rules))

    yield made("", network)
    every = frozenset(network.parameters)
    if network.trained and network.trained != every:
        yield made("every parameter updated", replace(network, trained=every))
    at_this_rate = {one.name: one for one in faults("dense", {MOVED_FIRST: moved_first(eta)})}
    for name, fault in catalogue(network).items():
        own = at_this_rate.get(name, fault)
        yield made(name, network, own.rules, own.update)


def gives(article: Article, attempt: Attempt, figures: Sequence[Figure]) -> dict[str, int]:
    """Return id -> shift, of the figures that a training gives, in their pass or beside it."""
    wanted = {figure.iteration + shift for figure in figures for shift in SHIFTS}
    seen: dict[int, Iteration] = {}
    with np.errstate(all="ignore"):
        try:
            for n, iteration in enumerate(islice(attempt.run(), max(wanted, default=0)), start=1):
                seen |= {n: iteration} if n in wanted else {}
        except IMPOSSIBLE:
            pass  # a fault that cannot be made on these shapes; what it gave before counts
        return {
            figure.id: shift
            for figure in figures
            for shift in reversed(SHIFTS)
            if figure.iteration + shift in seen
            and rounds_to(article, figure, seen[figure.iteration + shift])
        }


def rounds_to(article: Article, figure: Figure, iteration: Iteration) -> bool:
    """Return whether a figure's quantity, in some pass, rounds to what is printed."""

    def at(address: Address) -> float:
        return float(address.of(iteration))

    try:
        value = float(article.value(figure.quantity, float, at))
        return Decimal(figure.printed) in nearest(rational(value), figure.places)
    except (*IMPOSSIBLE, KeyError):
        return False  # not finite
