"""Where the fixtures are, how they write numbers, and the error for malformed ones."""

import re
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

NUMBER = re.compile(r"[+-]?[0-9]{1,99}(\.[0-9]{1,99})?")
"""A number as fixtures write it: a string of digits, as printed, never a float."""


class FixtureError(ValueError):
    """A file under fixtures/ is malformed: the message names file, place and expectation."""


def places(printed: str) -> int:
    """Return the number of decimal places of a printed number."""
    return len(printed.partition(".")[2])
