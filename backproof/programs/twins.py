"""The numbers of another pass, held to those of a recorded one."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from backproof.adapters.recording import Recording, Taken
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.compared import ON_PAPER, Compared
from backproof.programs.on_paper import on_paper
from backproof.programs.replaying import again, replay_of
from backproof.reference.backprop import Trace
from backproof.reference.ops import Array
from backproof.reference.verdict.end_to_end import bounded_gradients, held_gradients, held_loss
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.room import ENOUGH, Made, Room, over
from backproof.reference.verdict.sweep import Sweep


class OfTwin(Sweep):
    """The sweep that the gradients of a twin are held to, which computes its constants itself."""

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
) -> tuple[Compared, ...]:
    """Return the verdicts on the gradients of a twin, held to the program's, end to end.

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
        return (*twin,)
    compared = list[Compared]()
    with np.errstate(all="ignore"):
        values = over({} if loss is None else {own: loss}, recording.trace.values)
        trace = Trace(values, recording.trace.cotangents, gradients)
        sweep = OfTwin(
            replace(replay_of(recording, room), trace=trace),
            {link.quantity: link for link in certificate.links},
        )
        used = recording.network.parameters
        names = [name for name in used if name in gradients and name not in right]
        compared += (of_link(sweep, link) for link in hold(sweep, names))
        compared += [wrong(name, "there is none") for name in used if name not in gradients]
        compared += [
            wrong(name, "is not zero, though the program does not use it")
            for name, gradient in gradients.items()
            if name not in used and np.any(gradient)
        ]
        if loss is not None and own not in right:
            of = held_loss(sweep, whole=figures)
            apart = abs(of.seen - of.mid) / (abs(of.mid) or 1.0)
            compared.append(Compared(own, apart, of.resolution, of.verdict, is_loss=True))
    return (*compared,)


def of_link(sweep: Sweep, link: Link) -> Compared:
    """Return a verdict end to end on a gradient as that of a comparison."""
    name = link.quantity.of
    size = float(np.sum(np.abs(sweep.exact[name])))
    apart = float(np.sum(np.abs(sweep.float64(Quantity("derivative", name)) - sweep.exact[name])))
    if not np.isfinite(size):
        reason = "cannot be compared, as the reference's is not finite either"
        return Compared(name, np.inf, 0.0, "undecided", reason)
    if not np.isfinite(apart):
        return wrong(name, "is not finite")
    return Compared(name, apart / size if size else apart, link.resolution, link.verdict)


def with_paper(
    recording: Recording, certificate: ProgramCertificate, room: Room
) -> ProgramCertificate:
    """Return the certificate; its twin has the gradients that differ from the program on paper's.

    One cause first: where it does not hold anyway, nothing is compared. Where a finding is known to
    move the gradients, those are compared that the reference computes for the recorded calls.
    """
    if not certificate.holds or not any(isinstance(one, Taken) for one in recording.inner):
        return certificate
    known = any(one.known for one in (certificate, *certificate.inner))
    links = {link.quantity: link for link in certificate.links}
    with np.errstate(all="ignore"):
        written = cache(lambda: Sweep(replay_of(recording, room), links))
        gradients = written().exact if known else recording.trace.gradients
        papers = on_paper(recording, gradients)
        sweeps = (Sweep(replay_of(paper, room), links) for paper in papers)
        wrong = dict[str, Compared]()
        for sweep in sweeps:
            is_loss = sweep.replay.network.loss == recording.network.loss
            for link in held_gradients(sweep, [*sweep.replay.network.parameters]):
                one = of_link(sweep, link)
                if is_loss and one.verdict != "inside":
                    one = with_rounding(sweep, written(), one)
                if one.verdict != "inside":  # the gradient of the loss comes first
                    wrong.setdefault(one.name, replace(one, of=ON_PAPER))
    return replace(certificate, twin=(*certificate.twin, *wrong.values()))


def with_rounding(paper: Sweep, written: Sweep, one: Compared) -> Compared:
    """Return the verdict on a gradient, held to a first sweep, by the rounding of both together.

    They compute one gradient by other steps, each of which has a rounding of its own. If this is
    as large as the gradient, nothing is decided.
    """
    exact = paper.exact[one.name]
    moved = paper.float64(Quantity("derivative", one.name)) - exact
    sweeps = (sweep for sweep in (paper, written) if one.name in sweep.exact)
    bound = sum(sweep.bound({one.name: np.sign(moved)}) for sweep in sweeps)
    if not np.sum(np.abs(moved)) <= bound:
        return one
    size = max(float(np.sum(np.abs(exact))), written.terms(one.name) / 2)
    verdict = "inside" if bound < size else "undecided"
    return replace(one, verdict=verdict, allowed=float(bound / size) if size else np.inf)


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
    twin = [one for one in held if one.verdict != "inside"]
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
