"""A campaign of random graphs: each link is inside, undecided, known, or a new finding."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.commanded import Commanded
from backproof.adapters.frameworks import traits
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.campaign.choices import Choices, Places, reduced
from backproof.campaign.coverage import Coverage, few
from backproof.campaign.graphs import Graph, graph, graphs
from backproof.campaign.saved_graphs import Found, Place, places
from backproof.reference.backprop import forward
from backproof.reference.findings import KnownFinding, Site, compare
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.judging import problem_of
from backproof.reference.verdict.known.predict import Witness
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.replay import Replay
from backproof.report.cells import Cell
from backproof.running.certificates import certified, traced
from backproof.running.implementations import Implementations
from backproof.running.loss_scale import loss_scale
from backproof.running.options import REFERENCE

WIDE = tuple(name for name, p in PRECISIONS.items() if not p.accumulator)
"""The precisions for the reference, since NumPy has no native matrix product in narrower ones, and
for columns that compile a whole pass: in narrower ones a compiler keeps more digits between the ops
that it fuses, and a trace does not show them."""

TRIES = 100
"""How many simpler graphs are run at most to reduce a finding."""


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
    undecided:   links whose ball proves nothing: it holds zeros as well, or has no bound.
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

    cell:      the report's cell, filled as graphs are certified.
    places:    the ops that already have a finding.
    coverage:  what the certified graphs have reached.
    undecided: where a graph is undecided -> how many are.
    left_out:  why a graph is not run -> how many are not.
    """

    implementations: Implementations
    column: Column
    known: Sequence[KnownFinding]
    cell: Cell
    places: frozenset[Place] = frozenset()
    coverage: Coverage = field(default_factory=Coverage)
    undecided: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def graphs(self, seed: int) -> Iterator[Graph]:
        """Yield random graphs of what the column supports. Raises AdapterError."""
        if self.column.framework == REFERENCE:
            return graphs(seed, WIDE)
        adapter = self.implementations.adapter(self.column)
        without = {} if isinstance(adapter, Commanded) else adapter.unsupported
        every = WIDE if traits(self.column).compiles_passes else PRECISIONS
        return graphs(seed, [name for name in every if name not in without], without)

    def findings(self, drawn: Iterable[Graph]) -> Iterator[Found]:
        """Certify graphs, and yield their new findings, each reduced, one per place.

        Raises AdapterError where a graph makes the adapter raise.
        """
        for one in drawn:
            judged = self.judged(one)
            if judged:
                self.count(one, judged)
            self.cell.properties = self.lines()
            new = self.new(one, judged) if judged else None
            if new:
                found = self.reduced(one, new)
                self.places |= places(one.network, new.quantity)
                self.places |= places(found.network, found.quantity)
                yield found

    def judged(self, one: Graph) -> Judged | None:
        """Run and certify a graph; None, and counted, if it cannot be run. Raises AdapterError."""
        network = one.network
        if cause := aborts(self.column, network, one.precision):
            self.cell.known = tuple(dict.fromkeys((*self.cell.known, cause)))
            self.left_out[cause] += 1
            return None
        leaves = leaves_in(network, one.precision)
        try:
            return judge(self.implementations, self.column, network, leaves, self.known)
        except Unsupported as cause:
            self.left_out[str(cause)] += 1
            return None
        except AdapterError as error:
            raise AdapterError(f"{error}\n" + "\n".join(map(str, network.nodes))) from error

    def new(self, one: Graph, judged: Judged) -> Link | None:
        """Return the first new finding of a graph at a place that has none yet."""
        found = (x for x in judged.new if not places(one.network, x.quantity) & self.places)
        return next(found, None)

    def reduced(self, one: Graph, link: Link) -> Found:
        """Return a graph's finding on a simpler graph, if possible one op alone.

        Where each graph takes seconds, a finding is only reduced to one op.
        """
        of = places(one.network, link.quantity)
        found = {one.places: self.found(one.network, one.precision, link)}

        def again(given: Places) -> Places | None:
            simpler = graph(Choices(given=given), one.precision)
            if simpler is None or aborts(self.column, simpler.network, one.precision):
                return None
            network, leaves = simpler.network, leaves_in(simpler.network, one.precision)
            try:
                judged = judge(self.implementations, self.column, network, leaves, self.known)
            except (Unsupported, AdapterError):
                return None
            same = [x for x in judged.new if places(network, x.quantity) & of]
            if not same:
                return None
            found[simpler.places] = self.found(network, one.precision, same[0])
            return simpler.places

        tries = 0 if traits(self.column).slow else TRIES
        smallest = found[reduced(one.places, again, tries)]
        return self.as_op_case(smallest) or smallest

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

    def count(self, one: Graph, judged: Judged) -> None:
        """Add a graph to the cell."""
        certificate = judged.certificate
        self.cell.links += len(certificate.links)
        self.cell.inside += certificate.inside
        self.cell.undecided += len(judged.undecided)
        self.cell.entries += certificate.entries
        decided = [x.share for x in certificate.links if x.verdict == "inside"]
        self.cell.share = max([self.cell.share or 0.0, *decided])
        self.cell.known = tuple(dict.fromkeys((*self.cell.known, *judged.known)))
        self.coverage.add(one)
        if judged.undecided:
            self.undecided[where(one, judged.undecided[0])] += 1

    def lines(self) -> list[str]:
        """Return what was reached, what is undecided, and what was not run."""
        found = self.coverage.lines()
        if total := self.undecided.total():
            found.append(f"{total} networks undecided at {few(counted(self.undecided))}")
        if total := self.left_out.total():
            found.append(f"{total} networks not run: {few(counted(self.left_out))}")
        return found


def where(one: Graph, link: Link) -> str:
    """Return where a graph is undecided: the ops of the link, and the precision."""
    ops = " and ".join(sorted(f"{op} {way}" for op, way in places(one.network, link.quantity)))
    passes = " without probes" if link.is_without_probes else ""
    return f"{ops}{passes} in {one.precision}"


def counted(causes: Counter[str]) -> list[str]:
    """Return causes with their counts, the most common first."""
    return [f"{cause} ({count})" for cause, count in causes.most_common()]


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
        replay, certificate = certified(implementations, column, network, leaves, shapes)
    version = implementations.version(column.framework)
    here = [finding for finding in known if finding.releases.include(version)]
    site = Site((str(column), column.framework), network.name, precision, is_strict=False)
    with np.errstate(all="ignore"):
        unbounded = {x.quantity for x in certificate.wrong if has_no_bound(replay, x)}
    undecided = tuple(
        link
        for link in certificate.wrong
        if (link.verdict == "undecided" and not link.problem)
        or unbounded & {link.quantity, link.cause}
    )
    left = [link for link in certificate.wrong if link not in undecided]
    found = compare(here, left, Witness(replay), site)
    return Judged(certificate, found.known, undecided, found.new, replay)


def has_no_bound(replay: Replay, link: Link) -> bool:
    """Return whether a link is wrong only where the reference itself gives no number.

    It is undecided for that, or refuted where the widest ball that rounding explains has no bound,
    or no finite midpoint: the divisor is a sum that may cancel to zero, or 0/0 on paper.
    """
    if link.verdict != "refuted":
        return bool(link.problem) and not link.is_not_judged
    is_swept = link.is_without_probes or link.quantity.end_to_end
    if is_swept and not link.problem and not np.isfinite(link.rad):
        return True
    seen = replay.seen(link.quantity)
    ball = replay.ball(link.quantity, replay.precision.narrow().flushing())
    if problem_of(seen, ball.shape, replay.precision):
        return False
    unbounded = ~np.isfinite(ball.mid + ball.rad)
    return bool(np.any(unbounded) and np.all(unbounded | ball.contains(seen)))
