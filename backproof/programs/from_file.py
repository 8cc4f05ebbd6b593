"""From the files of a trace to its certificate, here or on many workers.

Links are independent of each other, so any executor of `concurrent.futures` can judge them. A
worker is sent names, and reads what it needs from the files: they must lie where all workers see
them.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from backproof.adapters.recording import Recording
from backproof.programs.certificate import ProgramCertificate
from backproof.programs.certify import certify_recording
from backproof.programs.memory import refuse_what_is_too_large
from backproof.programs.replaying import Failed, replay_of
from backproof.programs.second import certify_second
from backproof.reference.ops import Op
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.room import ENOUGH, Room
from backproof.traces.as_json import given
from backproof.traces.files import TraceError
from backproof.traces.reading import read
from backproof.traces.writing import write

__all__ = ["TraceError", "certify_trace"]

PARTS = 32
"""So many tasks are made of a trace: enough for as many workers, and to make good for a lost one
without much being done twice. Next to each other in the sweep, links share what a node hands on."""


def certify_trace(
    folder: str | Path,
    *,
    known: Mapping[str, Op] | None = None,
    executor: Executor | None = None,
    memory: int | None = None,
    progress: bool = True,
) -> ProgramCertificate:
    """Return the certificate of a recorded trace: that of the program it was recorded from.

    folder:   of `program.json` and its numbers, as `record` or another program wrote them; or an
              archive of them.
    known:    the ops that were given as `known` when it was recorded, by their names in the file.
    executor: any of `concurrent.futures`; its workers judge the links, and the certificate is the
              same. They must see the folder.
    memory:   how many bytes the work, or that of a worker, should need. Operands are let go sooner,
              and what the second proof needs of the whole pass lies in temporary files.
    progress: whether a terminal shows how far it is.

    Links are certified one after another, and each array is read when it is needed. No framework is
    imported. Raises TraceError, in one line, where the files are not a trace; MemoryError where a
    link needs more than `memory`, before any is judged.
    """
    started, known, room = perf_counter(), known or {}, Room(memory)
    recording = read(folder, known)
    if memory is not None:
        for one in (recording, *recording.inner):
            refuse_what_is_too_large(one, memory)
    spread = None if executor is None else partial(links_by, executor, Path(folder), known, room)
    found = certify_recording(recording, started, progress=progress, spread=spread, room=room)
    if recording.along is None:
        return found
    return certify_second(recording, found, started, progress=progress, room=room)


def certify_recorded(
    recording: Recording, started: float, executor: Executor | None, *, progress: bool
) -> ProgramCertificate:
    """Return the certificate of a recording in memory; its workers read it from temporary files.

    started: when the work began, by `perf_counter`. Raises TraceError.
    """
    if executor is None:
        return certify_recording(recording, started, progress=progress)
    known = dict(
        one for node in recording.network.nodes for one in given(node.op, node.own).items()
    )
    with TemporaryDirectory(prefix="backproof-") as folder:
        write(replace(recording, along=None, inner=(), radii={}), folder)
        spread = partial(links_by, executor, Path(folder), known, ENOUGH)
        return certify_recording(recording, started, progress=progress, spread=spread)


def links_by(
    executor: Executor, folder: Path, known: Mapping[str, Op], room: Room, replay: Replay
) -> Iterator[Link]:
    """Yield the links of a replay, judged by the workers of an executor. Raises Failed."""
    folder = folder.resolve()
    tasks = [executor.submit(links_of, folder, part, known, room) for part in parts(replay)]
    for task in tasks:
        links = task.result()
        if links is None:
            raise Failed
        yield from links


def parts(replay: Replay) -> Iterator[tuple[str, ...]]:
    """Yield the names of all leaves and nodes in parts, in the order of the backward sweep."""
    of = (Quantity("derivative", name) for name in (*replay.consumers, replay.network.loss))
    names = [quantity.of for quantity in sorted(of, key=replay.place)]
    size = -(-len(names) // PARTS)
    for start in range(0, len(names), size):
        yield (*names[start : start + size],)


def links_of(
    folder: Path, names: tuple[str, ...], known: Mapping[str, Op], room: Room
) -> list[Link] | None:
    """Return the verdicts on the links of some leaves and nodes; None if an op fails on them."""
    try:
        with np.errstate(all="ignore"):
            return [*replay_of(read(folder, known, checked=False), room).links(frozenset(names))]
    except Failed:
        return None
