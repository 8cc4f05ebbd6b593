"""A trace as one archive: the same certificate, and no archive can do harm."""

import json
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from backproof import command
from backproof.programs.from_file import certify_trace
from backproof.reference.networks import mlp
from backproof.traces.files import TraceError
from backproof.traces.writing import write
from tests.verifier.test_traces import as_data, recording_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The trace of a right pass, in two files of numbers or more."""
    write(recording_of(mlp((3, 2), "tanh", batch=2)), tmp_path / "trace", large=64)
    return tmp_path / "trace"


def test_an_archive_is_a_folder(tmp_path: Path, folder: Path) -> None:
    """The certificate from an archive is the one from a folder, and nothing else is written."""
    write(recording_of(mlp((3, 2), "tanh", batch=2)), tmp_path / "new" / "trace.zip", large=64)

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["trace.zip"]
    assert as_data(certify_trace(tmp_path / "new" / "trace.zip")) == as_data(certify_trace(folder))


def test_the_command_records_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`record` writes an archive, `certify` reads it, and no file is replaced by one."""
    archive = str(tmp_path / "trace.zip")

    assert command.run(["record", "reference", "article", archive]) == 0
    assert command.run(["certify", archive]) == 0
    assert "article, float32: holds" in capsys.readouterr().out
    assert command.run(["record", "reference", "article", archive]) == 2
    assert capsys.readouterr().err == f"backproof: {archive}: is there already\n"


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """An archive appears as a whole, or not at all."""
    recording = recording_of(mlp((3, 2), "tanh", batch=2))
    recording.trace.gradients["W1"] = recording.trace.gradients["W1"][:1]  # type: ignore[index]
    with pytest.raises(TraceError, match="gradient/W1: expected"):
        write(recording, tmp_path / "trace.zip")

    assert not [*tmp_path.iterdir()]


def packed(folder: Path, archive: Path) -> ZipFile:
    """Return an archive of the files of a folder, to which more may be written."""
    opened = ZipFile(archive, "w")
    for path in folder.iterdir():
        opened.write(path, path.name)
    return opened


def added(name: str, text: str = "", *, mode: int = 0, flags: int = 0) -> Callable[[ZipFile], None]:
    """Return what adds a member. mode: as Unix has it. flags: of the archive's format."""

    def add(opened: ZipFile) -> None:
        info = ZipInfo(name)
        info.external_attr = mode << 16
        opened.writestr(info, text)
        info.flag_bits |= flags

    return add


def bomb(opened: ZipFile) -> None:
    """Add a member that is a thousand times as large once it is unpacked."""
    opened.writestr("bomb", bytes(10**6), ZIP_DEFLATED)


def larger(opened: ZipFile) -> None:
    """Let the archive say that a member is larger than the archive."""
    info = opened.infolist()[-1]
    info.file_size = info.compress_size = 10**12


def elsewhere(opened: ZipFile) -> None:
    """Let the archive say that a member begins where none does."""
    opened.infolist()[-1].header_offset += 1


HOSTILE: dict[str, tuple[Callable[[ZipFile], None], str]] = {
    "a path that leaves": (added("../evil"), "'../evil': is not the name of a file at the top of"),
    "an absolute path": (added("/etc/evil"), "'/etc/evil': is not the name of a file at the top"),
    "a path of Windows": (
        added("..\\evil"),
        "'..\\\\evil': is not the name of a file at the top of",
    ),
    "a folder": (added("inner/"), "'inner/': is not the name of a file at the top of the archive"),
    "a link": (added("evil", "/etc/passwd", mode=stat.S_IFLNK | 0o777), "'evil': is a link"),
    "an encrypted member": (added("evil", flags=1), "'evil': is encrypted"),
    "a member twice": (added("program.json", "{}"), "'program.json': is in the archive twice"),
    "a bomb": (bomb, "'bomb': is compressed; store it as it is, as `zip -0` does"),
    "a size": (larger, "is not where the archive says"),
    "a place": (elsewhere, "is not where the archive says"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_archives(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[ZipFile], None],
    message: str,
) -> None:
    """Each is refused in one line that names the member, and nothing is written."""
    archive = folder.parent / "trace.zip"
    with packed(folder, archive) as opened:
        change(opened)
    before = {path: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}

    assert command.run(["certify", str(archive)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"backproof: {archive}: ")
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert before == {p: p.read_bytes() for p in folder.parent.rglob("*") if p.is_file()}


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", zlib.compress(bytes(100))])
def test_what_is_no_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    """A file that is no archive is refused in one line."""
    (tmp_path / "trace.zip").write_bytes(content)

    assert command.run(["certify", str(tmp_path / "trace.zip")]) == 2
    assert "trace.zip: neither a folder nor an archive: " in capsys.readouterr().err


def test_an_archive_that_is_cut_off(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that an archive has lost at its end, or in its middle, are missed."""
    archive = folder.parent / "trace.zip"
    packed(folder, archive).close()
    whole = archive.read_bytes()
    for content in (whole[:-30], whole[: len(whole) // 2], whole[:500] + whole[501:]):
        archive.write_bytes(content)
        assert command.run(["certify", str(archive)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_checksum_in_an_archive(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers that are not those that were written are refused in an archive too."""
    archive = folder.parent / "trace.zip"
    named = json.loads((folder / "program.json").read_text("utf-8"))["numbers"][0]
    whole = (folder / named).read_bytes()
    (folder / named).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    packed(folder, archive).close()

    assert command.run(["certify", str(archive)]) == 2
    expected = f"{named}: is not what was written: its checksum is another\n"
    assert capsys.readouterr().err == f"backproof: {archive}: {expected}"
