"""Where the work keeps its arrays: few balls in memory, and the rest there or in files."""

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import numpy as np

from backproof.reference.numbers.dual import is_zero

NUMBERS = 2**24
"""So many midpoints are kept for the links that follow: 128 MiB in float64."""


@dataclass(eq=False)
class Recent(dict[Any, Any]):
    """The balls that were made last; those before them are let go.

    most: so many numbers are kept. entries: how many there are.
    """

    most: int = NUMBERS
    entries: int = 0

    def __setitem__(self, key: Any, made: Any) -> None:
        """Keep a ball, or several, and let the oldest go while there are too many numbers."""
        super().__setitem__(key, made)
        self.entries += made.size
        while self.entries > self.most and len(self) > 1:
            self.entries -= self.pop(next(iter(self))).size


class Several(tuple[Any, ...]):
    """Several arrays, which are kept together."""

    __slots__ = ()

    @property
    def size(self) -> int:
        """The number of entries of all."""
        return sum(a.size for a in self)


@dataclass
class InFiles(MutableMapping[str, Any]):
    """Arrays in temporary files, which are read anew each time that they are used.

    numbers: name -> the number of its file. still: the names of those that are the number 0.0,
    which stands for an array of zeros.
    """

    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="backproof-")))
    numbers: dict[str, int] = field(default_factory=dict)
    still: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Remove the files with the last use of this."""
        finalize(self, rmtree, self.folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Return the path of an array. Raises KeyError."""
        return self.folder / f"{self.numbers[name]}.npy"

    def __setitem__(self, name: str, a: Any) -> None:
        """Write an array. Raises OSError."""
        self.numbers.setdefault(name, len(self.numbers))
        self.still.discard(name)
        if is_zero(a):
            self.still.add(name)
        else:
            np.save(self.path(name), a)

    def __getitem__(self, name: str) -> Any:
        """Return an array. Raises KeyError, OSError."""
        return 0.0 if name in self.still else np.load(self.path(name))

    def __delitem__(self, name: str) -> None:
        """Remove nothing: what was written stays. Raises NotImplementedError."""
        raise NotImplementedError(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.numbers)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Made(Mapping[str, Any]):
    """Arrays that are made each time that they are used. make: from a name to its array."""

    names: Collection[str]
    make: Callable[[str], Any]

    def __getitem__(self, name: str) -> Any:
        """Make an array. Raises KeyError."""
        if name not in self.names:
            raise KeyError(name)
        return self.make(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.names)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.names)


def over(above: Mapping[str, Any], below: Mapping[str, Any]) -> Made:
    """Return arrays of which some are replaced by others. above: may be added to later."""
    names = dict.fromkeys([*below, *above])
    return Made(names, lambda name: above[name] if name in above else below[name])


@dataclass(frozen=True, slots=True)
class Room:
    """How much memory the work may use. memory: in bytes; None where it does not matter."""

    memory: int | None = None

    def recent(self) -> Recent:
        """Return what keeps balls, in an eighth of the memory: operands, or what nodes hand on."""
        return Recent() if self.memory is None else Recent(min(NUMBERS, self.memory // 128))

    def arrays(self) -> MutableMapping[str, Any]:
        """Return what keeps the arrays of a whole sweep."""
        return {} if self.memory is None else InFiles()


ENOUGH = Room()
