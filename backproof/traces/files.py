"""The files of a trace: those of a folder, or the members of one archive, read where they lie.

An archive is a zip whose members are stored as they are. Nothing is unpacked, so no name in it can
leave a folder, and no member can be larger than the archive.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

LOCAL = 30
"""The bytes of a member's own head before its name (APPNOTE.TXT of PKWARE, 4.3.7); the last four
of them are the lengths of the name and of what follows it."""

ARCHIVE = ".zip"


class TraceError(Exception):
    """A trace cannot be read or written: the message says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class File:
    """A file: the bytes from `start` on, `size` of them, of the file at `path`."""

    name: str
    path: Path
    start: int
    size: int

    @classmethod
    def at(cls, path: Path) -> "File":
        """Return a whole file. Raises OSError."""
        return cls(path.name, path, 0, path.stat().st_size)

    @contextmanager
    def opened(self) -> Iterator[BufferedReader]:
        """Open it, at its first byte. Raises TraceError."""
        try:
            with self.path.open("rb") as opened:
                opened.seek(self.start)
                yield opened
        except OSError as error:
            raise TraceError(f"{self.name}: cannot be read: {error.strerror}") from None

    def read(self, start: int, size: int) -> bytearray:
        """Return a part of it. Raises TraceError where it ends before."""
        found = bytearray(max(0, min(size, self.size - start)))
        with self.opened() as opened:
            opened.seek(start, os.SEEK_CUR)
            n = opened.readinto(found)
        if n < size:
            raise TraceError(f"{self.name}: cannot be read: it is cut off")
        return found

    def sha256(self) -> str:
        """Return its checksum. Raises TraceError."""
        with self.opened() as opened:
            return file_digest(Part(opened, self.size), "sha256").hexdigest()


@dataclass(slots=True)
class Part:
    """The next bytes of an open file, as `file_digest` reads them."""

    opened: BufferedReader
    left: int

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, into: Any) -> int:
        """Read as much as there is and as fits, and return how much."""
        n = self.opened.readinto(memoryview(into)[: self.left])
        self.left -= n
        return n


def files_of(trace: Path) -> dict[str, File]:
    """Return the files of a folder or an archive, by name. Raises TraceError, OSError."""
    if trace.is_file():
        return dict(members_of(trace))
    whole = trace.resolve()
    return {
        path.name: File.at(path)
        for path in trace.iterdir()
        if path.is_file() and path.resolve().parent == whole
    }


def members_of(archive: Path) -> Iterator[tuple[str, File]]:
    """Yield the members of an archive, by name. Raises TraceError, OSError."""
    whole, names = archive.stat().st_size, set()
    try:
        with ZipFile(archive) as opened:
            members = opened.infolist()
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise TraceError(f"neither a folder nor an archive: {error}") from None
    with archive.open("rb") as opened_again:
        for one in members:
            if problem := problem_of(one):
                raise TraceError(f"{one.filename!r}: {problem}")
            if one.filename in names:
                raise TraceError(f"{one.filename!r}: is in the archive twice")
            names.add(one.filename)
            opened_again.seek(one.header_offset)
            head = opened_again.read(LOCAL)
            lengths = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
            start = one.header_offset + LOCAL + sum(lengths)
            if head[:4] != b"PK\x03\x04" or start + one.file_size > whole:
                raise TraceError(f"{one.filename!r}: is not where the archive says")
            yield one.filename, File(one.filename, archive, start, one.file_size)


def problem_of(one: ZipInfo) -> str:
    """Return what is wrong with a member of an archive; "" where nothing is."""
    if Path(one.filename).name != one.filename or "\\" in one.filename:
        return "is not the name of a file at the top of the archive"
    if stat.S_ISLNK(one.external_attr >> 16):
        return "is a link"
    if one.flag_bits & 1:
        return "is encrypted"
    if one.compress_type != ZIP_STORED or one.compress_size != one.file_size:
        return "is compressed; store it as it is, as `zip -0` does"
    return ""


def pack(folder: Path, archive: Path) -> None:
    """Write the files of a folder as an archive. Raises OSError."""
    with ZipFile(archive, "x", ZIP_STORED) as opened:
        for path in sorted(folder.iterdir()):
            opened.write(path, path.name)
