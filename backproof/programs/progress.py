"""How far a certificate is, in one line of a terminal."""

import shutil
import sys
from collections.abc import Callable, Iterator
from time import perf_counter

from backproof.reference.verdict.link import Link

Watch = Callable[[Iterator[Link], int], Iterator[Link]]
"""(links, how many there are) -> the same links."""

CLEAR = "\r\x1b[K"
PATIENCE = 2.0
"""Seconds before the line is drawn for the first time."""
SECONDS = 0.1
"""The least time between two drawings."""


def watched(links: Iterator[Link], total: int, started: float) -> Iterator[Link]:
    """Yield the links; where standard error is a terminal, say meanwhile how many there were.

    total: of links. started: when the work began, by `perf_counter`.
    """
    drawn, is_drawn = started + PATIENCE - SECONDS, False
    columns = shutil.get_terminal_size().columns - 1
    try:
        for n, link in enumerate(links, 1):
            yield link
            if sys.stderr.isatty() and perf_counter() - drawn >= SECONDS:
                drawn, is_drawn = perf_counter(), True
                line = f"backproof: {n:,} of {total:,} links certified, {link.name}"
                draw(line[:columns])
    finally:
        if is_drawn:
            draw("")


def draw(line: str) -> None:
    """Put a line in the place of the one before."""
    sys.stderr.write(CLEAR + line)
    sys.stderr.flush()
