"""A cause: what is wrong at one place of one cell. Reports count the cells that follow from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from backproof.reference.numbers.precision import PRECISIONS


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong in one cell.

    adapter:   whose mistake it is; of a pair's cell, that of the side that is red by itself.
    named:     its names, likeliest first: of the faults that explain it, or one of an op and of
               what is wrong with it, or the adapter's error.
    link:      the first link that it makes red, with the worst entry; empty where there is none.
    expected, found, off: that entry's ball, the number found, and how far off it is.
    diagnosis: what was seen, in one line.
    command:   the command that shows it again.
    links:     the number of red links of the cell that it explains.
    """

    adapter: str
    named: Sequence[str]
    link: str = ""
    expected: str = ""
    found: str = ""
    off: str = ""
    diagnosis: str = ""
    command: str = ""
    links: int = 0


LONGEST = 300
"""Characters of a message that are the name of a cause."""


def error(message: str) -> tuple[str]:
    """Return the name of a cause that a message alone tells.

    It lacks the place before it, which is an adapter, a precision and a network: the same error has
    one name wherever it is raised.
    """
    line = message.partition("\n")[0]
    place, _, said = line.partition(": ")
    is_place = place.count(", ") == 2 and place.split(", ")[1] in PRECISIONS
    return ((said if is_place else line)[:LONGEST],)
