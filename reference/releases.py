"""Releases: from which to which version of a package something was seen."""

from dataclasses import dataclass

from packaging.version import InvalidVersion, Version


@dataclass(frozen=True, slots=True)
class Releases:
    """The releases of a package from the first to the last, both included.

    first, last: versions. A public version ("2.13.0") stands for every build: the wheels
                 "2.13.0+cpu" and "2.13.0+cu130" are one release. A version with a local part
                 stands for that build alone.

    Raises ValueError where one of them is no version, or the first is after the last.
    """

    first: str
    last: str

    def __post_init__(self) -> None:
        try:
            if Version(self.first) > Version(self.last):
                raise ValueError(f"{self.first} is after {self.last}")
        except InvalidVersion as error:
            raise ValueError(str(error)) from None

    def include(self, version: str | None) -> bool:
        """Return whether a version is one of them; None or text that is no version is not."""
        first, last = Version(self.first), Version(self.last)
        try:
            found = Version(version or "")
        except InvalidVersion:
            return False
        if not (first.local or last.local):
            found = Version(found.public)
        return first <= found <= last

    def __str__(self) -> str:
        return self.first if self.first == self.last else f"{self.first} to {self.last}"
