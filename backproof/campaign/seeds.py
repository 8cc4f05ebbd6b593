"""Campaigns of many seeds, each a task: for this process, or for the workers of an executor."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import astuple, dataclass
from itertools import islice, product

from backproof.adapters.column import Column
from backproof.campaign.campaign import Campaign
from backproof.campaign.script import shown
from backproof.reference import findings
from backproof.reference.article.figures import load
from backproof.reference.table import table
from backproof.report.cells import NETWORKS, RANDOM
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge


@dataclass(frozen=True, slots=True)
class Counts:
    """What the random networks of one seed came to in one column.

    undecided: how many links are. known: how many recorded findings were seen. new: how many
    others, one per place: either the framework is wrong there, or it is a false alarm.
    """

    column: str
    seed: int
    networks: int
    links: int
    undecided: int
    known: int
    new: int


HEAD = ("", "seed", "networks", "links", "undecided links", "known findings", "new findings")


def certified(column: str, seed: int, networks: int) -> tuple[Counts, list[str]]:
    """Certify the first networks of a seed; return the counts, and each new finding as a text.

    Raises AdapterError.
    """
    of = Column.parse(column)
    implementations = Implementations(load(), {of.framework: None})
    known = findings.seen_here(findings.load(), implementations.processor)
    judge = Judge(implementations, known, reproduce="", show=lambda _: None)
    cell = judge.cell(RANDOM, of, "any", NETWORKS, seed)
    campaign = Campaign(implementations, of, known, cell)
    texts = [shown(one) for one in campaign.findings(islice(campaign.graphs(seed), networks))]
    counts = (cell.links, cell.undecided, len(cell.known), len(texts))
    return Counts(column, seed, networks, *counts), texts


def campaigns(
    columns: Sequence[str], seeds: int, networks: int, executor: Executor | None = None
) -> Iterator[tuple[Counts, list[str]]]:
    """Yield the counts and the new findings of each column and seed, in their order.

    executor: any of `concurrent.futures`; what its workers are sent and return is plain data.
    Raises AdapterError.
    """
    tasks = [(column, seed, networks) for column, seed in product(columns, range(seeds))]
    if executor is None:
        yield from (certified(*task) for task in tasks)
    else:
        yield from executor.map(certified, *zip(*tasks, strict=True))


def to_text(rows: Sequence[Counts]) -> str:
    """Return the counts as a table."""
    return table(HEAD, [astuple(row) for row in rows])
