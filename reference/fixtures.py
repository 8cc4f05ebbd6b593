"""Where the fixtures are, how they write numbers, and the error for malformed ones."""

import re

from backproof.reference.files import FIXTURES, FileError

__all__ = ["FIXTURES", "NUMBER", "FixtureError", "places"]

NUMBER = re.compile(r"[+-]?[0-9]{1,99}(\.[0-9]{1,99})?")
"""A number as fixtures write it: a string of digits, as printed, never a float."""

FixtureError = FileError
"""A file of data is malformed."""


def places(printed: str) -> int:
    """Return the number of decimal places of a printed number."""
    return len(printed.partition(".")[2])
