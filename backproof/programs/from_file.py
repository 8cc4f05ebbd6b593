"""From the files of a trace to its certificate."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from backproof.programs.certificate import ProgramCertificate
from backproof.programs.certify import certify_recording
from backproof.reference.ops import Op
from backproof.traces.numbers import TraceError
from backproof.traces.reading import read

__all__ = ["TraceError", "certify_trace"]


def certify_trace(
    folder: str | Path, *, known: Mapping[str, Op] | None = None, progress: bool = True
) -> ProgramCertificate:
    """Return the certificate of a recorded trace: that of the program it was recorded from.

    folder:   of `program.json` and its numbers, as `record` or another program wrote them.
    known:    the ops that were given as `known` when it was recorded, by name.
    progress: whether a terminal shows how far it is.

    Links are certified one after another, and each array is read when it is needed. No framework is
    imported. Raises TraceError, in one line, where the files are not a trace.
    """
    started = perf_counter()
    return certify_recording(read(folder, known), started, progress=progress)
