"""How commands end: bad input is refused in one line, and reports are written."""

import sys
from pathlib import Path

from backproof.reference.files import UNWRITTEN, UnwrittenError, write


def refuse(error: object) -> int:
    """Print what is wrong with the input, and return the exit status of bad input."""
    sys.stderr.write(f"backproof: {error}\n")
    return 2


def written(path: Path, text: str) -> int:
    """Write a file, and return 0, or the exit status of a file that cannot be written."""
    try:
        write(path, text)
    except UnwrittenError as error:
        refuse(error)
        return UNWRITTEN
    return 0
