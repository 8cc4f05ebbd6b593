"""The certificate of second order: a Hessian times a direction, link by link."""

from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np

from backproof.adapters.recording import Along, Recording
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.certify import diagnosis, judged, known, unknown, without
from backproof.programs.progress import watched
from backproof.programs.replaying import Guarded, replay_of
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.room import ENOUGH, Room
from backproof.reference.verdict.tangents import DualTrace, TangentReplay

WAY = "reverse-over-reverse"
"""The column of findings: how the tangents are computed."""


class GuardedTangents(Guarded, TangentReplay):
    """Replays the tangents of links, and names the node whose op does not take its operands."""


def tangents_of(recording: Recording, room: Room = ENOUGH) -> Replay:
    """Return what replays the tangents of a recorded pass."""
    plain, along = replay_of(recording, room), recording.along or Along({}, recording.trace)
    return GuardedTangents(
        plain.network,
        plain.leaves,
        plain.trace,
        plain.precision,
        precisions=plain.precisions,
        room=room,
        balls=room.recent(),
        directions=along.directions,
        along=DualTrace(plain.trace, along.tangents),
    )


def certify_second(
    recording: Recording,
    certificate: ProgramCertificate,
    started: float,
    *,
    progress: bool,
    room: Room = ENOUGH,
) -> ProgramCertificate:
    """Return the certificate of a pass with that of its tangents, each of which is a link.

    certificate: of the pass. All others are as in `certify_recording`.
    """
    watch = partial(watched, started=started) if progress else lambda links, _: links
    framework, once = recording.framework, recording.along.once if recording.along else ()
    unseen = {node.name for node in recording.network.nodes if not node.is_known}
    for name in (name for name in once if name not in unseen):
        recording = without(recording, name, "it has no second derivative")
    with np.errstate(all="ignore"):
        found, replay, links = judged(recording, watch, partial(tangents_of, room=room))
        second = replace(
            certificate,
            network=f"{certificate.network}, second order",
            links=() if once else links,
            unknown=tuple(unknown(found)),
            stray=(),
            twin=(),
            unused=(),
            known=known(replay, links, recording, framework, f"{framework}.{WAY}"),
        )
        second = replace(second, diagnosis=diagnosis(found, replay, second))
    taken = perf_counter() - started
    return replace(certificate, second=replace(second, seconds=taken), seconds=taken)
