"""How often a certificate of a right pass is red: random networks of many seeds.

`python -m tests.benchmarks.false_alarms` certifies random networks in each framework, in its
precisions in turn, and prints for each seed how many networks and links there were, how many links
are undecided, how many recorded findings were seen, and how many new ones. Each new one is printed,
too: either the framework is wrong there, or it is a false alarm.

Options: names of frameworks or variants; `seeds=20`; `networks=1000`, the number for each seed.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice

from backproof import adapters
from backproof.adapters.column import Column
from backproof.campaign.campaign import Campaign
from backproof.campaign.script import shown
from backproof.reference import findings
from backproof.reference.article.figures import load
from backproof.reference.table import table
from backproof.report.cells import NETWORKS, RANDOM
from backproof.running.implementations import Implementations
from backproof.running.judge import Judge


def rows(columns: Sequence[Column], seeds: int, networks: int) -> Iterator[list[object]]:
    """Yield a row for each column and seed; print what is found, one finding per place."""
    implementations = Implementations(load(), {column.framework: None for column in columns})
    known = findings.seen_here(findings.load(), implementations.processor)
    judge = Judge(implementations, known, reproduce="", show=lambda _: None)
    for column in columns:
        for seed in range(seeds):
            cell = judge.cell(RANDOM, column, "any", NETWORKS, seed)
            campaign = Campaign(implementations, column, known, cell)
            new = 0
            for one in campaign.findings(islice(campaign.graphs(seed), networks)):
                new += 1
                print(shown(one), flush=True)
            yield [column, seed, networks, cell.links, cell.undecided, len(cell.known), new]


def main(options: Sequence[str]) -> None:
    """Print the table."""
    numbers = dict(option.split("=") for option in options if "=" in option)
    names = [option for option in options if "=" not in option]
    columns = [Column.parse(name) for name in names] or [Column(name) for name in adapters.DEFAULT]
    counts = int(numbers.get("seeds", 20)), int(numbers.get("networks", 1000))
    head = ["", "seed", "networks", "links", "undecided links", "known findings", "new findings"]
    print(table(head, list(rows(columns, *counts))))


if __name__ == "__main__":
    main(sys.argv[1:])
