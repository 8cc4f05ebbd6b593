"""From a recording to its certificate."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np

from backproof.adapters.recording import Recording, Taken, said_by
from backproof.programs.certificate import ProgramCertificate, Unknown
from backproof.programs.progress import Watch, watched
from backproof.programs.replaying import Failed, again, named, replay_of
from backproof.programs.twins import beside, with_paper
from backproof.programs.updates import with_updates
from backproof.reference.composed import alike
from backproof.reference.findings import KnownFinding, Site, compare, load, seen_here
from backproof.reference.network import Network, Node, unknown_node
from backproof.reference.own import DERIVED
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.conventions import in_one_form
from backproof.reference.verdict.diagnosis import diagnose
from backproof.reference.verdict.faults import Fault, catalogue
from backproof.reference.verdict.known.predict import Witness
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.mixed_precision import is_stored
from backproof.reference.verdict.passes import held_end_to_end, held_without_probes
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.room import ENOUGH, Room, over
from backproof.reference.verdict.tangents import TangentReplay

Spread = Callable[[Replay], Iterator[Link]]
"""Yields the links of a replay in any order, each judged wherever it may be. Raises Failed."""


def certify_recording(
    recording: Recording,
    started: float,
    *,
    progress: bool,
    spread: Spread | None = None,
    room: Room = ENOUGH,
    certified: Mapping[str, Link] | None = None,
) -> ProgramCertificate:
    """Return the certificate of a recorded pass, and of the derivatives that it takes itself.

    started: when the work began, by `perf_counter`. progress: whether a terminal shows how far it
    is. spread: judges the links elsewhere. room: how much memory the work may use. certified: as
    in `Inside`.
    """
    watch = partial(watched, started=started) if progress else lambda links, _: links
    make = partial(replay_of, room=room, certified=certified)
    with np.errstate(all="ignore"):
        recording, replay, links = judged(recording, watch, make, spread)
        links = tuple(link for link in links if not is_added(recording, link.quantity))
        own = Certificate(recording.network.name, replay.precision.name, links)
        if recording.compiled:
            own = again(own, replay)
        own = in_one_form(own, replay)
        if replay.plain is not None:
            with named("the gradients end to end"):
                own = held_end_to_end(held_without_probes(own, replay), replay)
        certificate = ProgramCertificate(
            recording.network.name,
            ", ".join(precisions_in(recording.network, replay)),
            own.links,
            own.end_to_end,
            recording.scale,
            program=recording.network,
            places=recording.places,
            parameters=recording.parameters,
            unknown=tuple(unknown(recording)),
            stray=recording.stray,
            unused=recording.unused,
            known=known(replay, own.links, recording, recording.framework),
        )
        certificate = replace(certificate, diagnosis=diagnosis(recording, replay, certificate))
        if recording.as_run is not None and certificate.refuted is None:
            certificate = beside(recording, certificate, recording.as_run, room)
        certificate = with_updates(recording, certificate)
        inner = (certify_inner(one, certificate, room) for one in recording.inner)
        certificate = with_paper(recording, replace(certificate, inner=(*inner,)), room)
        return replace(certificate, seconds=perf_counter() - started)


def certify_inner(
    recording: Recording, certificate: ProgramCertificate, room: Room
) -> ProgramCertificate:
    """Return the certificate of something that a program itself takes or applies.

    certificate: of the program. What it says is not known is not said again, and the values of the
    same nodes are not judged again.
    """
    program = {node.name: node for node in certificate.program.nodes}
    inside = {node.name: node for node in recording.network.nodes}
    values = {
        link.quantity.of: link
        for link in certificate.links
        if link.quantity.kind == "value" and link.quantity.probes and link.quantity.of in inside
        if is_same(program[link.quantity.of], inside[link.quantity.of])
    }
    started = perf_counter()
    found = certify_recording(recording, started, progress=False, room=room, certified=values)
    said = {one.place for one in certificate.unknown}
    return replace(found, unknown=tuple(one for one in found.unknown if one.place not in said))


def precisions_in(network: Network, replay: Replay) -> dict[str, None]:
    """Return the names of the precisions of parameters and nodes, each once."""
    moved = {*network.parameters, *(node.name for node in network.nodes)}
    return dict.fromkeys(p.name for name, p in replay.precisions.items() if name in moved)


def is_same(node: Node, other: Node) -> bool:
    """Return whether two nodes of one name compute the same of the same operands."""
    if node is other or node.inputs != other.inputs:
        return node is other
    one, two = ([x.rule, sorted(x.options.items())] for x in (node, other))
    return alike(one, two)


def is_added(recording: Recording, quantity: Quantity) -> bool:
    """Return whether a quantity is a value that is no part of the program."""
    if quantity.kind != "value" or not isinstance(recording, Taken):
        return False
    return quantity.of in recording.added


def findings_of(recording: Recording) -> tuple[KnownFinding, ...]:
    """Return the recorded findings of the release that ran, on the processor that it ran on."""
    own = (one for one in load() if one.adapter == recording.framework)
    release = [one for one in own if one.releases.include(recording.version)]
    return seen_here(release, lambda _: recording.processor)


def judged(
    recording: Recording,
    watch: Watch,
    make: Callable[[Recording], Replay] = replay_of,
    spread: Spread | None = None,
) -> tuple[Recording, Replay, tuple[Link, ...]]:
    """Return the verdicts on all links; a node whose op does not take its operands is unknown.

    watch: yields the links that it is given, of which there are so many. make: what replays them.
    spread: judges them elsewhere; where an array is no operand, the order of links matters, and
    they are judged here.
    """
    while True:
        replay, network = make(recording), recording.network
        passes = 1 if replay.plain is None else 2
        total = passes * (2 * len(network.nodes) + len(network.parameters))
        try:
            if spread is not None:
                links = tuple(watch(spread(replay), total))
                if not any(link.is_no_operand for link in links):
                    return recording, replay, in_order(links, replay)
            return recording, replay, tuple(watch(replay.links(), total))
        except Failed as failed:
            if spread is not None:
                spread = None
                continue
            name, error = failed.args
            recording = without(recording, name, f"the reference's op fails: {said_by(error)}")


def in_order(links: Iterable[Link], replay: Replay) -> tuple[Link, ...]:
    """Return links in the order of the chain rule."""
    return tuple(sorted(links, key=lambda link: replay.place(link.quantity)))


def without(recording: Recording, name: str, reason: str) -> Recording:
    """Return the recording with a node that is not known, for a reason."""
    place, network = recording.places[name], recording.network
    nodes = (
        unknown_node(name, place.function, node.inputs) if node.name == name else node
        for node in network.nodes
    )
    places = {**recording.places, name: replace(place, reason=reason)}
    return replace(recording, network=replace(network, nodes=(*nodes,)), places=places)


def unknown(recording: Recording) -> Iterator[Unknown]:
    """Yield the calls that the reference has no op for, each place once."""
    behind = parameters_behind(recording.network)
    found: dict[tuple[object, ...], Unknown] = {}
    for node in recording.network.nodes:
        if not node.is_known:
            place = recording.places[node.name]
            reached = tuple(n for n in recording.parameters if n in behind[node.name])
            key = (place.module, place.function, place.file, place.line)
            found.setdefault(key, Unknown(place, reached))
    for place in recording.unseen:
        key = (place.module, place.function, place.file, place.line)
        found.setdefault(key, Unknown(place, recording.parameters))
    yield from found.values()


def parameters_behind(network: Network) -> dict[str, frozenset[str]]:
    """Return node or leaf -> the parameters that it depends on."""
    found = {name: frozenset([name]) for name in network.parameters}
    for node in network.nodes:
        found[node.name] = frozenset().union(*(found.get(i, ()) for i in node.inputs))
    return found


def known(
    replay: Replay, links: tuple[Link, ...], recording: Recording, *columns: str
) -> dict[Quantity, str]:
    """Return the links outside that a recorded finding predicts, each with its cause.

    columns: where findings are recorded: the adapter's name, and the way of differentiating.
    """
    outside = [link for link in links if link.verdict != "inside" and not link.problem]
    findings, found = findings_of(recording) if outside else (), {}
    for link in outside:
        narrow = narrowed(replay, link.quantity)
        for tried in (replay,) if narrow is replay else (replay, narrow):
            p = tried.of(link.quantity.of).name
            site = Site(columns, "", p, is_strict=False)
            witness = Witness(tried, tried if isinstance(tried, TangentReplay) else None)
            seen = compare(findings, [link], witness, site)
            if not seen.new:
                found[link.quantity] = seen.known[0]
    return found


def narrowed(replay: Replay, quantity: Quantity) -> Replay:
    """Return the replay in which a gradient is in the precision of what computed it.

    A wider array has it where the numbers are that precision's: they were only stored in the wider
    one. Else the replay itself is returned.
    """
    name, gradients = quantity.of, replay.trace.gradients
    users = {replay.of(node.name) for node in replay.consumers.get(name, ())}
    if quantity.kind != "derivative" or quantity.tangent or len(users) != 1:
        return replay
    if name not in gradients:
        return replay
    (p,) = users
    if p == replay.of(name):
        return replay
    if not is_stored(gradients[name], p):
        return replay
    stored = gradients[name].astype(p.dtype)
    trace = replace(replay.trace, gradients=over({name: stored}, gradients))
    precisions = {**replay.precisions, name: p}
    return replace(replay, trace=trace, precisions=precisions, balls={}, unusable={})


def faults(recording: Recording) -> Iterator[Fault]:
    """Yield the classical mistakes that can be made on a program, by its derived ops as well."""
    network = recording.network
    nodes = (
        replace(node, op=DERIVED[node.op][0], own=None) if node.op in DERIVED else node
        for node in network.nodes
    )
    plain = replace(network, nodes=(*nodes,))
    for fault in catalogue(plain).values():
        ops = fault.rules.ops
        made = {name: make(ops[of]) for name, (of, make) in DERIVED.items()}
        yield replace(
            fault,
            changes=partial(changes, fault, plain),
            rules=replace(fault.rules, ops={**ops, **made}),
        )


def changes(fault: Fault, plain: Network, _: Network, quantity: Quantity) -> bool:
    """Return whether a fault changes a quantity of a network without derived ops."""
    return fault.changes(plain, quantity)


def diagnosis(recording: Recording, replay: Replay, certificate: ProgramCertificate) -> str:
    """Return what explains the first refuted link, in one line; "" if none is refuted."""
    red = [link for link in certificate.wrong if link.verdict in ("degraded", "refuted")]
    if not red:
        return ""
    alone = replace(certificate, links=(red[0],))
    first = next(diagnose(replay, alone, faults(recording)))
    if first.evidence == red[0].problem:  # which is said already
        return ""
    return (
        ", or ".join(first.faults[:2]) + ": " + first.evidence if first.faults else first.evidence
    )
