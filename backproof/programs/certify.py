"""From a recording to its certificate."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np

from backproof.adapters.recording import Recording
from backproof.programs.certificate import Compared, ProgramCertificate, Unknown
from backproof.programs.progress import Watch, watched
from backproof.programs.updates import with_updates
from backproof.reference.backprop import RIGHT, Rules, Trace
from backproof.reference.findings import KnownFinding, Site, compare, load, seen_here
from backproof.reference.network import Network, Node, unknown_node
from backproof.reference.numbers.ball import Ball
from backproof.reference.numbers.precision import PRECISIONS, Precision
from backproof.reference.ops import Array
from backproof.reference.own import DERIVED
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.diagnosis import diagnose
from backproof.reference.verdict.end_to_end import bounded_gradients, held_gradients, held_loss
from backproof.reference.verdict.faults import Fault, catalogue
from backproof.reference.verdict.known.predict import Witness
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.passes import held_end_to_end, held_without_probes
from backproof.reference.verdict.recomputed import recomputed
from backproof.reference.verdict.recomputed import replay_of as replay_of_balls
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.room import ENOUGH, Made, Room, over
from backproof.reference.verdict.sweep import Sweep
from backproof.reference.verdict.tangents import TangentReplay

Spread = Callable[[Replay], Iterator[Link]]
"""Yields the links of a replay in any order, each judged wherever it may be. Raises Failed."""


class Failed(ValueError):
    """The reference's op does not take a node's operands: (the node's name, what it raised)."""


FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What an op raises that does not take its operands, or its options."""


@contextmanager
def named(what: object) -> Iterator[None]:
    """Say what was being done where memory does not suffice."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError(f"{what}: {str(error) or 'not enough memory'}") from None


class Guarded(Replay):
    """Replays links, and names the node whose op does not take its operands."""

    def link(
        self, quantity: Quantity, needed: Iterable[Quantity], make: Callable[[], Ball]
    ) -> Link:
        """Return the verdict on a link. Raises MemoryError, which names it."""
        with named(quantity):
            return super().link(quantity, needed, make)

    def value(self, name: str, p: Precision, rules: Rules = RIGHT) -> Ball:
        """Return the ball of a node's value. Raises Failed."""
        try:
            return super().value(name, p, rules)
        except FAILURES as error:
            raise Failed(name, error) from error

    def hands_on(self, node: Node, p: Precision, rules: Rules) -> tuple[Ball, ...]:
        """Return the balls of what a node hands on. Raises Failed, MemoryError."""
        try:
            with named(f"what {node.name} hands on"):
                return super().hands_on(node, p, rules)
        except FAILURES as error:
            raise Failed(node.name, error) from error


def replay_of(recording: Recording, room: Room = ENOUGH) -> Replay:
    """Return what replays a recorded pass, each array in the precision that it was computed in.

    room: how much memory it may use.
    """
    arrays = {**recording.leaves, **recording.trace.values} if not recording.precisions else {}
    names = recording.precisions or {name: a.dtype.name for name, a in arrays.items()}
    precisions = {name: PRECISIONS[p] for name, p in names.items()}
    return Guarded(
        recording.network,
        recording.leaves,
        recording.trace,
        precisions[recording.network.loss],
        recording.plain,
        scale=recording.scale,
        precisions=precisions,
        room=room,
        balls=room.recent(),
    )


def certify_recording(
    recording: Recording,
    started: float,
    *,
    progress: bool,
    spread: Spread | None = None,
    room: Room = ENOUGH,
) -> ProgramCertificate:
    """Return the certificate of a recorded pass.

    started: when the work began, by `perf_counter`. progress: whether a terminal shows how far it
    is. spread: judges the links elsewhere. room: how much memory the work may use.
    """
    watch = partial(watched, started=started) if progress else lambda links, _: links
    with np.errstate(all="ignore"):
        recording, replay, links = judged(recording, watch, partial(replay_of, room=room), spread)
        own = Certificate(recording.network.name, replay.precision.name, links)
        if recording.compiled:
            own = again(own, replay)
        if replay.plain is not None:
            with named("the gradients end to end"):
                own = held_end_to_end(held_without_probes(own, replay), replay)
        nodes = {node.name for node in recording.network.nodes}
        used = dict.fromkeys(
            p.name
            for name, p in replay.precisions.items()
            if name in nodes or name in recording.network.parameters
        )
        certificate = ProgramCertificate(
            recording.network.name,
            ", ".join(used),
            own.links,
            own.end_to_end,
            recording.scale,
            program=recording.network,
            places=recording.places,
            parameters=recording.parameters,
            unknown=tuple(unknown(recording)),
            stray=recording.stray,
            unused=recording.unused,
            known=known(replay, own.links, (recording.framework,), findings_of(recording)),
        )
        certificate = replace(certificate, diagnosis=diagnosis(recording, replay, certificate))
        if recording.as_run is not None and certificate.refuted is None:
            certificate = beside(recording, certificate, recording.as_run, room)
        certificate = with_updates(recording, certificate)
        return replace(certificate, seconds=perf_counter() - started)


def findings_of(recording: Recording) -> tuple[KnownFinding, ...]:
    """Return the recorded findings of the release that ran, on the processor that it ran on."""
    own = (one for one in load() if one.adapter == recording.framework)
    release = [one for one in own if one.releases.include(recording.version)]
    return seen_here(release, lambda _: recording.processor)


def again(certificate: Certificate, replay: Replay) -> Certificate:
    """Return the certificate of a compiled pass, links outside replayed from operands' balls.

    A kernel may compute its operands again, and theirs, so these balls may be of operands' balls.
    """
    for _ in range(LEVELS):
        if all(link.verdict == "inside" for link in certificate.links):
            break
        certificate = recomputed(certificate, replay)
        replay = replay_of_balls(certificate, replay)
    return certificate


LEVELS = 4
"""So many steps in a row may be computed again in one kernel."""


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
            recording = without(recording, name, f"the reference's op fails: {error}")


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
    replay: Replay,
    links: tuple[Link, ...],
    columns: tuple[str, ...],
    findings: Collection[KnownFinding],
) -> dict[Quantity, str]:
    """Return the links outside that a recorded finding predicts, each with its cause.

    columns: where findings are recorded: the adapter's name, and the way of differentiating.
    """
    found = {}
    for link in links:
        if link.verdict == "inside" or link.problem:
            continue
        for tried in (replay, narrowed(replay, link.quantity)):
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
    stored = gradients[name].astype(p.dtype)
    if not np.array_equal(stored.astype(gradients[name].dtype), gradients[name]):
        return replay
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


class OfTwin(Sweep):
    """The sweep that the gradients of a twin are held to."""

    @property
    def again(self) -> bool:
        """Whether values may be rounded otherwise than those that are seen: they are a twin's."""
        return True


def against(
    recording: Recording,
    certificate: ProgramCertificate,
    gradients: Mapping[str, Array],
    loss: Array | None = None,
    room: Room = ENOUGH,
    right: Collection[str] = (),
    *,
    figures: bool = True,
) -> ProgramCertificate:
    """Return the certificate with the gradients of a twin held to the program's, end to end.

    gradients: parameter -> the twin's. loss: the twin's, if it is held as well. right: the names of
    those that need no verdict. figures: whether it is wanted how far rounding allows; otherwise
    there are as few bounds as decide. The bound is that of `reference.verdict.end_to_end`. Where
    the program is not known as a whole, nothing is decided.
    """
    own = recording.network.loss
    hold = bounded_gradients if figures else held_gradients
    if certificate.unknown:
        reason = "cannot be compared, as not all of the program is known"
        names = [n for n in (*gradients, *([own] if loss is not None else [])) if n not in right]
        twin = (Compared(n, np.inf, 0.0, "undecided", reason, is_loss=n == own) for n in names)
        return replace(certificate, twin=(*twin,))
    compared = []
    with np.errstate(all="ignore"):
        values = over({} if loss is None else {own: loss}, recording.trace.values)
        trace = Trace(values, recording.trace.cotangents, gradients)
        sweep = OfTwin(
            replace(replay_of(recording, room), trace=trace),
            {link.quantity: link for link in certificate.links},
        )
        used = recording.network.parameters
        names = [name for name in used if name in gradients and name not in right]
        for link in hold(sweep, names):
            name = link.quantity.of
            size = float(np.sum(np.abs(sweep.exact[name])))
            moved = np.asarray(gradients[name], np.float64) - sweep.exact[name]
            apart = float(np.sum(np.abs(moved)))
            compared.append(
                Compared(name, apart / size if size else apart, link.resolution, link.verdict)
                if np.isfinite(apart)
                else wrong(name, "is not finite")
            )
        compared += [wrong(name, "is missing") for name in used if name not in gradients]
        compared += [
            wrong(name, "is not zero, though the program does not use it")
            for name, gradient in gradients.items()
            if name not in used and np.any(gradient)
        ]
        if loss is not None and own not in right:
            of = held_loss(sweep, whole=figures)
            apart = abs(of.seen - of.mid) / (abs(of.mid) or 1.0)
            compared.append(Compared(own, apart, of.resolution, of.verdict, is_loss=True))
    return replace(certificate, twin=tuple(compared))


def beside(
    recording: Recording, certificate: ProgramCertificate, as_run: Trace, room: Room
) -> ProgramCertificate:
    """Return the certificate with what the program computes otherwise as users run it.

    as_run: the loss and the gradients of that pass, of which nobody sees the cotangents. A number
    that is the same, that follows from the certified values and cotangents, or that is inside end
    to end, is right. All others stay in the twin.
    """
    own, trace = recording.network.loss, recording.trace
    seen = over({own: trace.values[own]}, trace.gradients)
    found = over(as_run.gradients, as_run.values)
    right = {k for k in seen.keys() & found.keys() if np.array_equal(seen[k], found[k])}
    of = as_run.gradients, as_run.values[own], room, right
    held = against(recording, certificate, *of, figures=False)
    twin = [one for one in held.twin if one.verdict != "inside"]
    rest = [one.name for one in twin if one.verdict == "undecided"]
    right |= following(recording, certificate, Made(rest, found.make), room)
    left = (replace(one, of="as users run it") for one in twin if one.name not in right)
    return replace(certificate, twin=(*left,))


def following(
    recording: Recording, certificate: ProgramCertificate, arrays: Mapping[str, Array], room: Room
) -> set[str]:
    """Return which arrays are inside as links from the certified values and cotangents.

    arrays: parameter -> its gradient in another pass, or the name of the loss -> the loss.
    """
    network, trace = certificate.program, recording.trace
    values, gradients = over(arrays, trace.values), over(arrays, trace.gradients)
    other = replace(trace, values=values, gradients=gradients)
    replay = replay_of(replace(recording, network=network, trace=other), room)
    asked = {Quantity("derivative", name) for name in arrays if name in trace.gradients}
    asked |= {Quantity("value", network.loss)} & {Quantity("value", name) for name in arrays}
    with np.errstate(all="ignore"):
        links = tuple(
            replay.judge(link.quantity, replay.ball(link.quantity, replay.own(link.quantity.of)))
            if link.quantity in asked and not link.problem
            else link
            for link in certificate.links
        )
        if recording.compiled:
            links = (*(ln for ln in links if ln.verdict == "inside" or ln.quantity in asked),)
            links = again(replace(certificate, links=links), replay).links
    return {ln.quantity.of for ln in links if ln.quantity in asked and ln.verdict == "inside"}


def wrong(name: str, problem: str) -> Compared:
    """Return the verdict on a gradient of a twin that cannot be compared."""
    return Compared(name, np.inf, 0.0, "refuted", problem)
