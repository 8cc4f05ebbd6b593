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
from backproof.reference.verdict.diagnosis import diagnose
from backproof.reference.verdict.faults import catalogue
from backproof.reference.verdict.known.predict import Witness
from backproof.report import cells as report
from backproof.report.cause import Cause
from backproof.report.cells import RefutedError
from backproof.running.causes import causes
from backproof.running.judge import Judge


def test_random_networks(
    column: Column, shard: int, judge: Judge, pytestconfig: pytest.Config
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
        found = [*campaign.findings(islice(drawn, examples))]
        texts = [shown(one) for one in found]
    else:
        end = time.monotonic() + seconds
        new = campaign.findings(takewhile(lambda _: time.monotonic() < end, drawn))
        kept = {saved_graphs.keep(one).name: one for one in new}
        found = [*kept.values()]
        texts = [f"{shown(one)}\nkept: {name}" for name, one in kept.items()]
    if texts:
        cell.causes = [cause for one in found for cause in causes_of(one, judge)]
        cell.known = ()
        raise RefutedError("\n\n".join(texts))
    if cell.known:
        pytest.xfail("known: " + "; ".join(cell.known))
    if not cell.entries:
        raise Unsupported("each of the random networks")


def causes_of(found: saved_graphs.Found, judge: Judge) -> list[Cause]:
    """Return what is wrong with a finding's graph."""
    network = found.network
    judged = judged_graph(judge.implementations, found.column, network, found.leaves, judge.known)
    diagnoses = diagnose(judged.replay, judged.certificate, catalogue(network).values())
    return causes(judged.new, diagnoses, network, str(found.column), judge.reproduce)


def test_kept(kept: str, judge: Judge) -> None:
    """A campaign's finding is right by now, or a recorded finding of the case "campaign/..."."""
    found = saved_graphs.load(saved_graphs.kept()[kept])
    case = found.network.name
    cell = judge.cell(case, found.column, found.precision, report.NETWORKS)
    judged = judged_graph(judge.implementations, found.column, found.network, found.leaves, ())
    decided = [link for link in judged.certificate.links if link not in judged.undecided]
    certificate = replace(judged.certificate, links=tuple(decided))
    judge.report_verdict(
        certificate, cell, Witness(judged.replay), network=found.network, note=lambda: script(found)
    )
