"""The numbers of a trace: files of safetensors, written one after another and read array by array.

Source of the format: https://huggingface.co/docs/safetensors. A file is the length of its head in 8
bytes, the head as JSON, and the numbers. Nothing stays open or in memory: an array is read when it
is asked for, and released with its last use.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 registers bfloat16 with NumPy
import numpy as np
from safetensors.numpy import save_file

from backproof.reference.ops import Array
from backproof.traces.files import File, TraceError
from backproof.traces.json_object import Object, json_of

HEAD = 8
"""The length of a head takes so many bytes."""

LARGE = 2**28
"""A file is closed once it has so many bytes: 256 MiB."""

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "BF16": "bfloat16",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
"""The name of a dtype in a file -> in NumPy."""


def can_be_written(a: Array) -> bool:
    """Return whether the numbers of an array are of a kind that files have."""
    return a.dtype.name in DTYPES.values()


def plain(a: Array) -> Array:
    """Return an array as files have it: in row-major order, which the library takes for granted."""
    return np.asarray(a, order="C")


@dataclass(slots=True)
class Writer:
    """Writes arrays to files in a folder: "numbers-1.safetensors" and so on.

    large: bytes after which a file is closed. checksums: of the files that are closed, by name.
    """

    folder: Path
    large: int = LARGE
    checksums: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, Array] = field(default_factory=dict)
    size: int = 0

    def add(self, name: str, a: Array) -> None:
        """Write an array under a name. Raises TraceError."""
        if not can_be_written(a):
            raise TraceError(f"{name}: {a.dtype} cannot be written")
        self.waiting[name] = plain(a)
        self.size += a.nbytes
        if self.size >= self.large:
            self.close()

    def close(self) -> dict[str, Any]:
        """Write what is left; return the names and the checksums of all files for JSON."""
        if self.waiting:
            path = self.folder / f"numbers-{len(self.checksums) + 1}.safetensors"
            save_file(self.waiting, path)
            self.checksums[path.name] = File.at(path).sha256()
            self.waiting, self.size = {}, 0
        return {"numbers": [*self.checksums], "checksums": self.checksums}


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an array is, and what it is. start: of its bytes in the file."""

    file: File
    start: int
    dtype: str
    shape: tuple[int, ...]


def index_of(files: Iterable[File]) -> dict[str, Stored]:
    """Return name -> where the array is, for all arrays of all files. Raises TraceError."""
    found: dict[str, Stored] = {}
    for file in files:
        try:
            for name, stored in head_of(file):
                if name in found:
                    raise TraceError(f"{file.name}: {name}: is in {found[name].file.name} too")
                found[name] = stored
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{file.name}: cannot be read: {error}") from None
    return found


def head_of(file: File) -> Iterator[tuple[str, Stored]]:
    """Yield the arrays of a file, by name, from its head. Raises ValueError, TraceError."""
    size = int.from_bytes(file.read(0, HEAD), "little")
    for name, content in json_of(bytes(file.read(HEAD, size)).decode()).items():
        if name == "__metadata__":
            continue
        one = Object.of(content, name)
        dtype = DTYPES[one.one_of("dtype", DTYPES)]
        shape = one.get("shape", "an array of integers")
        start, end, *more = one.get("data_offsets", "an array of integers")
        if (
            more
            or any(n < 0 for n in shape)
            or end - start != np.dtype(dtype).itemsize * prod(shape)
        ):
            raise ValueError(f"{name}: its numbers are not of its shape")
        if start < 0 or HEAD + size + end > file.size:
            raise ValueError(f"{name}: its numbers are not in the file")
        yield name, Stored(file, HEAD + size + start, dtype, (*shape,))


def read_array(stored: Stored) -> Array:
    """Return an array. Raises TraceError where its file is not what it was."""
    dtype = np.dtype(stored.dtype)
    found = stored.file.read(stored.start, dtype.itemsize * prod(stored.shape))
    return np.frombuffer(found, dtype).reshape(stored.shape)


@dataclass(frozen=True, slots=True)
class Numbers(Mapping[str, Array]):
    """The arrays of one kind, by the names of their nodes and leaves, each read when it is asked.

    stored: name -> where it is.
    """

    stored: Mapping[str, Stored]

    def __getitem__(self, name: str) -> Array:
        """Return an array. Raises KeyError, TraceError."""
        return read_array(self.stored[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.stored)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.stored)

    def __contains__(self, name: object) -> bool:
        """Return whether there is an array, without reading it."""
        return name in self.stored
