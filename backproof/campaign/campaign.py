"""A campaign of random graphs: each link is inside, undecided, known, or a new finding."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.campaign.graphs import graphs
from backproof.campaign.saved_graphs import Found, Place, places
from backproof.reference.backprop import forward
from backproof.reference.findings import KnownFinding, Site, compare
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.known.predict import Witness
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.passes import certify_passes
from backproof.reference.verdict.replay import Replay
from backproof.report.cells import Cell, RefutedError
from backproof.running.certificates import replayed, traced
from backproof.running.implementations import Implementations
from backproof.running.loss_scale import loss_scale

COMPILED_PRECISIONS = ("float64", "float32")
"""The precisions for columns that compile a whole pass. In narrower ones a compiler keeps more
digits between the ops that it fuses, and a trace does not show them."""

SIMPLEST = 1
"""The number of graphs that are not run: hypothesis always draws the simplest graph first."""

ROUND = 20
"""Graphs per seed, divided by the column's `share`; a campaign checks the time after each seed."""


def columns(names: Sequence[str]) -> list[Column]:
    """Return the implementations and variants whose `share` of random networks is not zero."""
    own = {name: adapters.TABLE[name].variants for name in names if name in adapters.TABLE}
    every = [Column(name, variant) for name in names for variant in ("", *own.get(name, ()))]
    return [column for column in every if traits(column).share]


@dataclass(frozen=True, slots=True)
class Judged:
    """One graph in one column.

    certificate: the certificate of all links.
    known:       the recorded causes of links that are not inside.
    undecided:   links whose ball has no bound: the precision allows any number there.
    new:         all other links that are not inside: new findings.
    replay:      of its passes.
    """

    certificate: Certificate
    known: tuple[str, ...]
    undecided: tuple[Link, ...]
    new: tuple[Link, ...]
    replay: Replay


@dataclass(slots=True)
class Campaign:
    """Random graphs in one column.

    cell: the report's cell, filled as graphs are certified. places: the ops that already have a
    finding. undecided: the number of undecided links.
    """

    implementations: Implementations
    column: Column
    known: Sequence[KnownFinding]
    cell: Cell
    places: frozenset[Place] = frozenset()
    undecided: int = 0

    def rounds(self, seed: int, seconds: float) -> Iterator[Found]:
        """Yield findings until the time is over, one per place."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.round(seed, max(ROUND // traits(self.column).share, 1)):
                self.places |= places(found.network, found.quantity)
                yield found
            seed += 1

    def round(self, seed: int, examples: int) -> Found | None:
        """Return the smallest of `examples` random graphs that has a new finding, if one has.

        Raises AdapterError where a graph makes the adapter raise.
        """
        own = traits(self.column)
        precisions = COMPILED_PRECISIONS if own.compiles_passes else tuple(PRECISIONS)
        last: list[Found] = []
        drawn_before: list[Network] = []

        @seeded(seed)
        @settings(
            max_examples=SIMPLEST + examples,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            # Where each graph takes seconds, a finding is only reduced to one op.
            phases=[Phase.generate, *([] if own.slow else [Phase.shrink])],
            suppress_health_check=list(HealthCheck),
        )
        @given(graphs(precisions=precisions))
        def every_link_is_inside(drawn: tuple[Network, str]) -> None:
            network, precision = drawn
            drawn_before.append(network)
            if len(drawn_before) <= SIMPLEST:
                return
            leaves = leaves_in(network, precision)
            if cause := aborts(self.column, network, precision):
                self.cell.known = tuple(dict.fromkeys((*self.cell.known, cause)))
                return
            try:
                judged = judge(self.implementations, self.column, network, leaves, self.known)
            except Unsupported:
                return
            except AdapterError as error:
                raise AdapterError(f"{error}\n" + "\n".join(map(str, network.nodes))) from error
            new = [x for x in judged.new if not places(network, x.quantity) & self.places]
            if not last:
                self.count(judged)
            if new:
                last[:] = [self.found(network, precision, new[0])]
                raise RefutedError(str(new[0]))

        try:
            every_link_is_inside()
        except RefutedError:
            return self.as_op_case(last[0]) or last[0]
        return None

    def as_op_case(self, found: Found) -> Found | None:
        """Return the finding as one op on its numbers in the graph, if that shows it."""
        network, leaves = found.network, found.leaves
        shapes = {name: a.shape for name, a in forward(network, network.inputs).items()}
        scale = loss_scale(network, leaves)
        trace, _ = traced(self.implementations, self.column, network, leaves, shapes, scale)
        name, backward = found.quantity.of, found.quantity.kind == "derivative"
        for node in network.nodes:
            if name not in (node.inputs if backward else (node.name,)):
                continue
            # In C order, as in files: a finding in another layout keeps its whole graph.
            known = {k: np.ascontiguousarray(a) for k, a in {**leaves, **trace.values}.items()}
            operands = {k: known[k] for k in node.inputs}
            last = (Node("weighted", "multiply", (node.name, "c")), Node("E", "sum", ("weighted",)))
            one = Network(
                network.name,
                {**operands, "c": np.ascontiguousarray(trace.cotangents[node.name])},
                {},
                (node, *last),
                frozenset(),
            )
            judged = judge(self.implementations, self.column, one, dict(one.inputs), self.known)
            if judged.new:
                return self.found(one, found.precision, judged.new[0])
        return None

    def found(self, network: Network, precision: str, link: Link) -> Found:
        """Return the finding to keep: the graph, with its leaves as they were given."""
        given = network.leaves(lambda a: np.asarray(a).astype(precision).astype(float, order="C"))
        same = Network(network.name, given, {}, network.nodes, frozenset())
        version = str(self.implementations.version(self.column.framework))
        return Found(self.column, version, precision, link.quantity, link.index, str(link), same)

    def count(self, judged: Judged) -> None:
        """Add a graph to the cell. Undecided links are not counted: no ball bounds them."""
        certificate = judged.certificate
        self.cell.links += len(certificate.links) - len(judged.undecided)
        self.cell.inside += certificate.inside
        self.cell.entries += certificate.entries
        decided = [x.share for x in certificate.links if x.verdict == "inside"]
        self.cell.share = max([self.cell.share or 0.0, *decided])
        self.cell.known = tuple(dict.fromkeys((*self.cell.known, *judged.known)))
        self.undecided += len(judged.undecided)
        if self.undecided:
            self.cell.properties = [f"{self.undecided} links undecided: their balls have no bound"]


def aborts(column: Column, network: Network, precision: str) -> str | None:
    """Return why a graph aborts the process, in one sentence; None if no node is known to."""
    if column.framework not in adapters.TABLE:
        return None
    adapter = adapters.load(str(column))
    with np.errstate(all="ignore"):
        known = {**network.inputs, **forward(network, network.inputs)}
    causes = (
        adapter.aborts(node, [known[name].shape for name in node.inputs], precision)
        for node in network.nodes
    )
    return next(filter(None, causes), None)


def leaves_in(network: Network, precision: str) -> dict[str, Array]:
    """Return the leaves, rounded to a precision, in C order."""
    return network.leaves(lambda a: np.asarray(a, float).astype(precision, order="C"))


def judge(
    implementations: Implementations,
    column: Column,
    network: Network,
    leaves: Mapping[str, Array],
    known: Sequence[KnownFinding],
) -> Judged:
    """Run a graph and certify it. Raises AdapterError, Unsupported.

    leaves: in the precision to certify. known: the recorded findings.
    """
    precision = next(iter(leaves.values())).dtype.name
    with np.errstate(all="ignore"):
        values = forward(network, network.leaves(lambda a: np.asarray(a, float)))
        shapes = {name: np.shape(value) for name, value in values.items()}
        scale = loss_scale(network, leaves)
        trace, plain = traced(implementations, column, network, leaves, shapes, scale)
        replay = replayed(network, leaves, trace, plain, scale)
        certificate = certify_passes(replay, compiled=traits(column).compiles_passes)
    version = implementations.version(column.framework)
    here = [finding for finding in known if finding.releases.include(version)]
    site = Site((str(column), column.framework), network.name, precision, is_strict=False)
    undecided = tuple(link for link in certificate.undecided if not link.problem)
    left = [link for link in certificate.wrong if link not in undecided]
    found = compare(here, left, Witness(replay), site)
    return Judged(certificate, found.known, undecided, found.new, replay)
