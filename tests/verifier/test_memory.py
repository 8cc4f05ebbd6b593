"""A limit of memory is kept: both proofs of a trace that is three times as large."""

import gc
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backproof import command
from backproof.adapters.recording import Recording
from backproof.programs.certify import certify_recording
from backproof.programs.from_file import certify_trace
from backproof.reference.networks import mlp
from backproof.reference.ops.convolution import conv_backward
from backproof.reference.verdict.room import InFiles, Recent, Room
from backproof.traces.writing import write
from tests.verifier.test_traces import as_data, recording_of

MEASURED = """
import resource
from backproof.command import run
from backproof.programs import certify, from_file, memory

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = run(["certify", "trace", "--memory", "{0}", "--json", "limited.json"])
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
raise SystemExit(status)
"""


def both_passes(layers: int, width: int) -> Recording:
    """Return a pass over an MLP, held link by link and end to end."""
    recording = recording_of(mlp((width,) * (layers + 1), "tanh", batch=4), "float32")
    return replace(recording, plain=recording.trace)


def of_a_process(folder: Path, limit: str) -> subprocess.CompletedProcess[str]:
    """Certify a trace with a limit in a process of its own, which prints how much it has grown."""
    return subprocess.run(  # noqa: S603 our own command
        [sys.executable, "-c", MEASURED.format(limit)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is measured as Linux counts it")
def test_a_limit_is_kept(tmp_path: Path) -> None:
    """A trace three times the size of the limit is certified within it, and is the same."""
    limit = 16 * 10**6
    write(both_passes(16, 512), tmp_path / "trace")
    assert sum(path.stat().st_size for path in (tmp_path / "trace").iterdir()) > 3 * limit

    done = of_a_process(tmp_path, "16M")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < limit

    found = json.loads((tmp_path / "limited.json").read_text("utf-8"))
    tracemalloc.start()
    free = certify_trace(tmp_path / "trace")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most > 3 * limit
    assert found | {"seconds": 0} == json.loads(as_data(free)) | {"seconds": 0}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems hold no process to a limit")
def test_a_link_that_is_too_large(tmp_path: Path) -> None:
    """A link that asks for more than the limit is named, and nothing is printed but that."""
    write(recording_of(mlp((1024, 1024), "tanh", batch=4)), tmp_path / "trace")
    done = of_a_process(tmp_path, "9M")

    assert (done.returncode, done.stdout.count("\n")) == (2, 1)
    assert done.stderr.startswith("backproof: trace: ")
    assert "net1: Unable to allocate 4.00 MiB" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_too_large_is_said_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that cannot be judged within the limit is named before any is judged."""
    monkeypatch.setattr("backproof.programs.memory.hold_to", lambda _: None)
    monkeypatch.setattr("backproof.programs.from_file.certify_recording", None)
    write(recording_of(mlp((100, 10), "tanh", batch=2)), tmp_path / "trace")
    folder = str(tmp_path / "trace")

    # In float64: z and its cotangent, 2 x 10 numbers each; x has 2 x 100, W 1,000 and b 10.
    assert command.run(["certify", folder, "--memory", "9K"]) == 2
    assert (
        capsys.readouterr().err == f"backproof: {folder}: dE/dx needs at least 10K, more than 9K\n"
    )


@pytest.mark.parametrize("size", ["500", "0M", "1.5G", "-1G", "much"])
def test_a_size_that_is_none(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit is a whole number of K, M or G."""
    with pytest.raises(SystemExit) as refused:
        command.run(["certify", "trace", f"--memory={size}"])

    assert refused.value.code == 2
    assert f"{size!r} is no size such as 500M or 2G" in capsys.readouterr().err


def test_operands_are_let_go() -> None:
    """Of the operands no more numbers are kept than allowed, but for the last one."""
    kept = Recent(100)
    for i in range(4):
        kept[i] = np.empty(49)
    assert [*kept] == [2, 3]
    kept[4] = np.empty(200)

    assert [*kept] == [4]


def test_a_sweep_is_let_go() -> None:
    """What a certificate is made with is let go with its last use, and no later: no circles."""
    recording = both_passes(2, 4)
    certify_recording(recording, 0.0, progress=False)  # what is imported leaves circles, once
    while gc.collect():  # what is let go may let go of more
        pass
    gc.disable()
    try:
        certify_recording(recording, 0.0, progress=False)
        left = gc.collect()
    finally:
        gc.enable()

    assert left == 0


def test_arrays_in_files() -> None:
    """Arrays in files are what was written: in any layout, replaced, and where nothing moves."""
    kept = InFiles()
    kept["a"] = np.arange(6.0).reshape(2, 3).T
    kept["b"] = np.broadcast_to(1.0, (2, 2))
    kept["a"] = np.array(np.nan)
    kept["c"] = 0.0

    assert [*kept] == ["a", "b", "c"]
    assert np.isnan(kept["a"])
    assert kept["b"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert type(kept["c"]) is float
    assert len([*kept.folder.iterdir()]) == 2
    assert isinstance(Room(1).arrays(), InFiles)
    assert isinstance(Room().arrays(), dict)

    folder = kept.folder
    del kept
    assert not folder.exists()


def test_patches_of_images_cost_little() -> None:
    """What a convolution with a large stride hands on needs no image of zeros between patches."""
    side, patch, channels = 64, 16, 8
    x, W = np.ones((1, 3, side, side)), np.ones((channels, 3, patch, patch))
    dz = np.ones((1, channels, side // patch, side // patch))
    tracemalloc.start()
    conv_backward(dz, dz, x, W, stride=patch)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 10 * (x.nbytes + W.nbytes + dz.nbytes)  # with zeros, 450 times
