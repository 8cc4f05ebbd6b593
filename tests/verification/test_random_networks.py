"""Random networks over all ops, and campaigns' kept graphs: every link is inside or known."""

import time
from dataclasses import replace
from itertools import islice, takewhile

import pytest

from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.protocol import Unsupported
from backproof.campaign import saved_graphs
from backproof.campaign.campaign import Campaign
from backproof.campaign.campaign import judge as judged_graph
from backproof.campaign.script import script, shown
from backproof.reference.verdict.known.predict import Witness
from backproof.report import cells as report
from backproof.report.cells import RefutedError
from backproof.running.judge import Judge


def test_random_networks(
    column: Column,
    shard: int,
    judge: Judge,
    pytestconfig: pytest.Config,
) -> None:
    """Every link of every drawn network is inside its ball or a recorded finding.

    --examples networks are drawn from one seed; with --campaign as many as the time allows, and
    findings are kept. Each shard has its own seed.
    """
    cell = judge.cell(report.RANDOM, column, "any", report.NETWORKS, iteration=shard)
    campaign = Campaign(judge.implementations, column, judge.known, cell)
    drawn = campaign.graphs(pytestconfig.getoption("--seed") + 2**20 * shard)
    seconds = pytestconfig.getoption("--campaign")
    if seconds is None:
        examples = -(-pytestconfig.getoption("--examples") // traits(column).share)
        texts = [shown(one) for one in campaign.findings(islice(drawn, examples))]
    else:
        end = time.monotonic() + seconds
        found = campaign.findings(takewhile(lambda _: time.monotonic() < end, drawn))
        texts = [f"{shown(one)}\nkept: {saved_graphs.keep(one).name}" for one in found]
    if texts:
        cell.known = ()
        raise RefutedError("\n\n".join(texts))
    if cell.known:
        pytest.xfail("known: " + "; ".join(cell.known))
    if not cell.entries:
        raise Unsupported("each of the random networks")


def test_kept(kept: str, judge: Judge) -> None:
    """A campaign's finding is right by now, or a recorded finding of the case "campaign/..."."""
    found = saved_graphs.load(saved_graphs.kept()[kept])
    case = found.network.name
    cell = judge.cell(case, found.column, found.precision, report.NETWORKS)
    judged = judged_graph(judge.implementations, found.column, found.network, found.leaves, ())
    decided = [link for link in judged.certificate.links if link not in judged.undecided]
    certificate = replace(judged.certificate, links=tuple(decided))
    judge.report_verdict(certificate, cell, Witness(judged.replay), explain=lambda: script(found))
