"""The releases of a finding: every build of each, and no release in which it was not seen."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from backproof.reference.releases import Releases

ONE, SEVERAL, BUILD = Releases("2.13.0", "2.13.0"), Releases("0.8.0", "0.10.2"), "2.13.0+cpu"


@pytest.mark.parametrize(
    ("releases", "version", "included"),
    [
        (ONE, "2.13.0", True),
        (ONE, "2.13.0+cu130", True),
        (ONE, "2.13.0+cpu", True),
        (ONE, "2.13.0+cpu.cxx11.abi", True),
        (ONE, "2.13", True),
        (ONE, "2.13.1", False),
        (ONE, "2.13.0rc1", False),
        (ONE, "2.14.0.dev20261101+cpu", False),
        (ONE, "my own", False),
        (ONE, "", False),
        (ONE, None, False),
        (SEVERAL, "0.8.0", True),
        (SEVERAL, "0.9.2", True),
        (SEVERAL, "0.10.2", True),
        (SEVERAL, "0.7.2", False),
        (SEVERAL, "0.10.3", False),
        (Releases(BUILD, BUILD), "2.13.0+cpu", True),
        (Releases(BUILD, BUILD), "2.13.0+cu130", False),
        (Releases(BUILD, BUILD), "2.13.0", False),
    ],
)
def test_releases(releases: Releases, version: str | None, included: bool) -> None:  # noqa: FBT001
    """Releases include all of their builds, unless one is named, and no version out of range."""
    assert included == releases.include(version)


@pytest.mark.parametrize(("first", "last"), [("2", "1"), ("new", "new"), ("", "")])
def test_no_releases(first: str, last: str) -> None:
    """Text that is no version, or a last release before the first, is refused."""
    with pytest.raises(ValueError, match=r"is after|Invalid version"):
        Releases(first, last)


@cache
def verified(version: str) -> tuple[str, dict[str, Any]]:
    """Return the output and every cell's verdict of a run in which PyTorch reports a version."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        arguments = ["verify", "-q", "--frameworks", "torch", "--report-json", str(report)]
        arguments += ["-k", "test_op and (softplus/special or gelu/special) and float64"]
        code = f"import torch; torch.__version__ = {version!r}; from backproof.command import run\n"
        done = subprocess.run(  # noqa: S603 our own command
            [sys.executable, "-c", f"{code}run({arguments})"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        cells = json.loads(report.read_text(encoding="utf-8"))["cells"]
    return done.stdout, {
        f"{c['adapter']} {c['network']} {c['precision']}": c["verdict"] for c in cells
    }


def test_every_build_gets_the_same_verdicts() -> None:
    """The wheels of PyPI for macOS and for Linux are one release."""
    macos, linux = (verified(build)[1] for build in ("2.13.0", "2.13.0+cu130"))

    assert "known" in macos.values()
    assert "refuted" not in macos.values()
    assert macos == linux


def test_another_release_is_red_and_recognized() -> None:
    """In another release the finding's links fail, and the message names the recorded finding."""
    _, known = verified("2.13.0")
    text, found = verified("2.99.0")

    assert {k for k, v in known.items() if v == "known"} == {
        k for k, v in found.items() if v == "refuted"
    }
    assert "as recorded for torch 2.13.0: F.softplus returns its input above its" in text
