"""A limit of memory: what no link can be judged within, and how a process is held to it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from backproof.adapters.recording import Recording
from backproof.reference.files import wrong_in
from backproof.reference.verdict.link import Quantity
from backproof.traces.reading import entries_of

UNITS = {"K": 10**3, "M": 10**6, "G": 10**9}
"""The units of `--memory`, and of messages."""
WARM = 512
"""A product of matrices of this size wakes all threads of NumPy's BLAS."""


def shown(size: float) -> str:
    """Return a number of bytes for people, never rounded down: "1.5G", "780M", "2K"."""
    unit = next((u for u in reversed(UNITS) if size >= UNITS[u]), "K")
    return f"{-(-10 * size // UNITS[unit]) / 10:g}{unit}"


def least(recording: Recording) -> Iterator[tuple[int, Quantity]]:
    """Yield for each node how many bytes its links need at least, and the first of them.

    All at once there are in float64 its cotangent, its value and those of its inputs.
    """
    entries = entries_of(recording)
    for node in recording.network.nodes:
        inputs = dict.fromkeys(node.inputs)
        size = 8 * (2 * entries[node.name] + sum(entries[name] for name in inputs))
        moved = [name for name in inputs if name not in recording.network.constants]
        yield size, Quantity("derivative", moved[0] if moved else node.name)


def refuse_what_is_too_large(recording: Recording, memory: int) -> None:
    """Raise MemoryError where a link needs more memory than there may be."""
    size, quantity = max(least(recording), key=lambda one: one[0])
    if size > memory:
        raise MemoryError(f"{quantity} needs at least {shown(size)}, more than {shown(memory)}")


def hold_to(memory: int | None) -> None:
    """Let the operating system give this process no more than so many bytes from now on, if any.

    On Linux alone: RLIMIT_DATA counts all private memory (setrlimit(2)). What asks for more fails
    with MemoryError.
    """
    if memory is None or sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 there is none on Windows

    wrong_in({}, "trace")  # imports what checks a program, which takes memory once
    one = np.ones((WARM, WARM))
    np.dot(one, one)  # BLAS takes what it needs for its threads, and never gives it back
    status = Path("/proc/self/status").read_text("ascii")
    now = re.findall(r"VmData:\s*(\d+) kB", status)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (1024 * int(now[0]) + memory, most))
