"""The numbers of a trace: files of safetensors, written one after another and read array by array.

Source of the format: https://huggingface.co/docs/safetensors. Nothing stays open or in memory: an
array is read when it is asked for, and released with its last use.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ml_dtypes  # noqa: F401 registers bfloat16 with NumPy
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from backproof.reference.ops import Array

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


class TraceError(Exception):
    """A trace cannot be read or written: the message says what is wrong, and where."""


def can_be_written(a: Array) -> bool:
    """Return whether the numbers of an array are of a kind that files have."""
    return a.dtype.name in DTYPES.values()


def plain(a: Array) -> Array:
    """Return an array as files have it: in row-major order, which the library takes for granted."""
    return np.asarray(a, order="C")


@dataclass(slots=True)
class Writer:
    """Writes arrays to files in a folder: "numbers-1.safetensors" and so on."""

    folder: Path
    large: int = LARGE
    files: list[str] = field(default_factory=list)
    waiting: dict[str, Array] = field(default_factory=dict)
    size: int = 0

    def add(self, name: str, a: Array) -> str:
        """Write an array, and return its name. Raises TraceError."""
        if not can_be_written(a):
            raise TraceError(f"{name}: {a.dtype} cannot be written")
        self.waiting[name] = plain(a)
        self.size += a.nbytes
        if self.size >= self.large:
            self.close()
        return name

    def close(self) -> list[str]:
        """Write what is left, and return the names of all files."""
        if self.waiting:
            file = f"numbers-{len(self.files) + 1}.safetensors"
            save_file(self.waiting, self.folder / file)
            self.files.append(file)
            self.waiting, self.size = {}, 0
        return self.files


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an array is, and what it is."""

    file: Path
    dtype: str
    shape: tuple[int, ...]


def index_of(folder: Path, files: Sequence[str]) -> dict[str, Stored]:
    """Return name -> where the array is, for all arrays of all files. Raises TraceError."""
    found: dict[str, Stored] = {}
    for file in files:
        path = folder / file
        if Path(file).name != file or path.resolve().parent != folder.resolve():
            raise TraceError(f"program.json: numbers: {file!r} is not a file of this folder")
        try:
            with safe_open(path, framework="numpy") as opened:
                for name in opened.keys():  # noqa: SIM118 it is no mapping
                    part = opened.get_slice(name)
                    dtype, shape = str(part.get_dtype()), tuple(part.get_shape())
                    if dtype not in DTYPES:
                        raise TraceError(f"{file}: {name}: {dtype} numbers are not known")
                    if name in found:
                        raise TraceError(f"{file}: {name}: is in {found[name].file.name} too")
                    found[name] = Stored(path, DTYPES[dtype], shape)
        except (SafetensorError, OSError) as error:
            raise TraceError(f"{file}: cannot be read: {error}") from None
    return found


def read_array(name: str, stored: Stored) -> Array:
    """Return an array. Raises TraceError where its file is not what it was."""
    try:
        with safe_open(stored.file, framework="numpy") as opened:
            a: Array = opened.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise TraceError(f"{stored.file.name}: cannot be read: {error}") from None
    return a


@dataclass(frozen=True, slots=True)
class Numbers(Mapping[str, Array]):
    """The arrays of one kind, by the names of their nodes and leaves, each read when it is asked.

    stored: name -> where it is. kind: the start of the names of the arrays in the files.
    """

    kind: str
    stored: Mapping[str, Stored]

    def __getitem__(self, name: str) -> Array:
        """Return an array. Raises KeyError, TraceError."""
        return read_array(f"{self.kind}/{name}", self.stored[name])

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.stored)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.stored)

    def __contains__(self, name: object) -> bool:
        """Return whether there is an array, without reading it."""
        return name in self.stored
