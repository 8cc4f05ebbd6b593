"""The arrays of a trace that is read: which there are, and whether they are as declared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from backproof.reference.ops import Array
from backproof.traces.files import TraceError
from backproof.traces.layout import VALUE, Part
from backproof.traces.numbers import Numbers, Stored, read_array

Declared = tuple[str, tuple[int, ...]]
"""A dtype and a shape."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """All arrays of the files. stored: name -> where it is."""

    stored: Mapping[str, Stored]

    def inside(self, start: str, *, with_values: bool) -> "Arrays":
        """Return those whose names start in a way, by the rest of their names.

        with_values: whether the values outside are those inside, too, by the same names. Raises
        TraceError where one is there twice.
        """
        inside = {k.removeprefix(start): k for k in self.stored if k.startswith(start)}
        outside = [k for k in self.stored if with_values and k.startswith(f"{VALUE}/")]
        if twice := inside.keys() & outside:
            raise TraceError(f"{min(twice)}: the program has it already, by the same name")
        named = {k: k for k in outside} | inside
        return Arrays({k: self.stored[name] for k, name in named.items()})

    def option(self, name: Any) -> Array:
        """Return an array of an option. Raises ValueError, TraceError."""
        if not isinstance(name, str) or name not in self.stored:
            raise ValueError(f"no file has {name}")
        return read_array(self.stored[name])

    def numbers(self, kind: str, names: Iterable[str]) -> Numbers:
        """Return those arrays of a kind that are there."""
        named = {name: f"{kind}/{name}" for name in names}
        return Numbers({k: self.stored[one] for k, one in named.items() if one in self.stored})

    def check(self, part: Part, declared: Mapping[str, Declared]) -> None:
        """Raise TraceError where an array is not there, or is not as it is declared."""
        if str(part) not in self.stored:
            raise TraceError(f"no file has {part}")
        found = self.stored[str(part)]
        dtype, shape = declared.get(part.of, (found.dtype, found.shape))
        if (found.dtype, found.shape) != (dtype, shape):
            raise TraceError(
                f"{found.file.name}: {part}: expected {dtype} of shape {shape}, "
                f"found {found.dtype} of shape {found.shape}"
            )
