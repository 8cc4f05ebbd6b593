"""A campaign of random graphs: each link inside, undecided, known, or found and kept."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from backproof import adapters
from backproof.adapters.column import Column
from backproof.adapters.frameworks import traits
from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.campaign import saved_graphs
from backproof.campaign.graphs import graphs
from backproof.campaign.saved_graphs import Found, Place, places, quantities
from backproof.reference.backprop import forward
from backproof.reference.findings import KnownFinding, Sighting
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import LOWER, PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate, Replay
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.passes import certify_passes
from backproof.report.cells import Cell, RefutedError
from backproof.running.certificates import traced
from backproof.running.implementations import Implementations
from backproof.scenarios.op_cases import OP_CASES

COMPILED_PRECISIONS = ("float64", "float32")
"""Of what is compiled as a whole: of narrower numbers a compiler keeps more digits between ops that
it fuses, and no one sees these."""

SIMPLEST = 1
"""hypothesis begins with the simplest graph, always the same: none of those asked for, nor run."""

ROUND = 20
"""How many graphs of a seed, or a share; a campaign looks at the clock after them."""


def columns(names: Sequence[str]) -> list[Column]:
    """Return the columns to try: implementations, and those of their variants that have a share."""
    own = {name: adapters.TABLE[name].variants for name in names if name in adapters.TABLE}
    every = [Column(name, variant) for name in names for variant in ("", *own.get(name, ()))]
    return [column for column in every if traits(column).share]


@dataclass(frozen=True, slots=True)
class Judged:
    """One graph in one column.

    certificate: of all links.
    known:       the causes recorded of what is not inside.
    undecided:   links whose ball has no bound: the precision allows any number there.
    new:         what is left of those that are not inside: findings.
    """

    certificate: Certificate
    known: tuple[str, ...]
    undecided: tuple[Link, ...]
    new: tuple[Link, ...]


@dataclass(slots=True)
class Campaign:
    """Random graphs in one column.

    cell: of the report, filled as graphs are certified. places: where something was found already.
    undecided: links that were.
    """

    implementations: Implementations
    column: Column
    known: Sequence[KnownFinding]
    cell: Cell
    places: frozenset[Place] = frozenset()
    undecided: int = 0

    def rounds(self, seed: int, seconds: float) -> Iterator[Found]:
        """Yield what is found until the time is over, each place once."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.round(seed, max(ROUND // traits(self.column).share, 1)):
                self.places |= places(found.network, found.quantity)
                yield found
            seed += 1

    def round(self, seed: int, examples: int) -> Found | None:
        """Return the smallest graph with a new finding among so many, if there is one.

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
            # Where each graph takes seconds, only the last step is made: to the op alone.
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
        """Return what was found as one op of the numbers it had there, if it shows so."""
        network, leaves = found.network, found.leaves
        shapes = {name: a.shape for name, a in forward(network, network.inputs).items()}
        trace, _ = traced(self.implementations, self.column, network, leaves, shapes)
        name, backward = found.quantity.of, found.quantity.kind == "derivative"
        for node in network.nodes:
            if name not in (node.inputs if backward else (node.name,)):
                continue
            # In rows, as they are kept: another layout is kept with what made it.
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
        """Return what is to be kept of a graph: its leaves as they were given."""
        given = network.leaves(lambda a: np.asarray(a).astype(precision).astype(float, order="C"))
        same = Network(network.name, given, {}, network.nodes, frozenset())
        version = str(self.implementations.version(self.column.framework))
        return Found(self.column, version, precision, link.quantity, link.index, str(link), same)

    def count(self, judged: Judged) -> None:
        """Add a graph to the cell. What is undecided is no link held to a ball."""
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
    """Return why a graph ends the process, in one sentence; None where nothing is known to."""
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
    """Return the leaves, rounded into a precision, in rows."""
    return network.leaves(lambda a: np.asarray(a, float).astype(precision, order="C"))


def judge(
    implementations: Implementations,
    column: Column,
    network: Network,
    leaves: Mapping[str, Array],
    known: Sequence[KnownFinding],
) -> Judged:
    """Run a graph and certify it. Raises AdapterError, Unsupported.

    leaves: in the precision asked for. known: the recorded findings.
    """
    precision = next(iter(leaves.values())).dtype.name
    with np.errstate(all="ignore"):
        values = forward(network, network.leaves(lambda a: np.asarray(a, float)))
        shapes = {name: np.shape(value) for name, value in values.items()}
        trace, plain = traced(implementations, column, network, leaves, shapes)
        replay = Replay(network, leaves, trace, PRECISIONS[precision], plain)
        certificate = certify_passes(replay, compiled=traits(column).compiles_passes)
        red = [link for link in certificate.links if link.verdict != "inside"]
        undecided = tuple(link for link in red if has_no_bound(replay, link))
    version = implementations.version(column.framework)
    names = {column.framework, str(column)}  # a variant's ops are the adapter's own
    recorded = [
        (finding.cause, sighting)
        for finding in known
        if finding.releases.include(version)
        for sighting in finding.where
        if names & {*sighting.columns} and precision in sighting.precisions
    ]
    left = [link for link in red if link not in undecided]
    causes = [
        [cause for cause, sighting in recorded if is_of(sighting, network, link, precision)]
        for link in left
    ]
    return Judged(
        certificate,
        tuple(dict.fromkeys(cause for several in causes for cause in several)),
        undecided,
        tuple(link for link, several in zip(left, causes, strict=True) if not several),
    )


def has_no_bound(replay: Replay, link: Link) -> bool:
    """Return whether the widest ball that an implementation may fill has no bound.

    So it is where a sum may cancel to zero, and is divided by; and if that is anywhere in a
    network, the bound on how far the pass without probes may be from the one with them has none.
    """
    if link.is_without_probes and not link.problem and not np.isfinite(link.rad):
        return True
    seen = replay.seen(link.quantity)
    if not isinstance(seen, np.ndarray | np.generic):
        return False
    ball = replay.ball(link.quantity, replay.precision.narrow().flushing())
    return ball.shape == seen.shape and not np.all(np.isfinite(ball.rad))


def is_of(sighting: Sighting, network: Network, link: Link, precision: str) -> bool:
    """Return whether an op that makes a link is one that a finding was seen at.

    What is further off than recorded is another finding.
    """
    grades = [*(p.name for p in LOWER[precision]), "refuted"]
    effective = "refuted" if link.verdict == "refuted" else link.precision
    if grades.index(effective) > grades.index(sighting.effective):
        return False
    return bool(places(network, link.quantity) & places_of(sighting))


def places_of(sighting: Sighting) -> frozenset[Place]:
    """Return the ops of a sighting, where it is of an op case or of a kept graph."""
    found: frozenset[Place] = frozenset()
    for case in (*sighting.cases, *sighting.elsewhere):
        if case in OP_CASES:
            network = OP_CASES[case].network()
        elif case.startswith("campaign/"):
            network = saved_graphs.load(saved_graphs.kept()[case.removeprefix("campaign/")]).network
        else:
            continue
        matched = [
            q for q in quantities(network) if any(fnmatchcase(str(q), p) for p in sighting.links)
        ]
        found = found.union(*(places(network, quantity) for quantity in matched))
    return found
