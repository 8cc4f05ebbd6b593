"""What is recorded as a finding is so: its reproducer shows it, and Arb settles it."""

import subprocess
import sys

import pytest

from reference.findings import KnownFinding, load

FINDINGS = load()


@pytest.mark.parametrize("adapter", dict.fromkeys(finding.adapter for finding in FINDINGS))
def test_reproducers(adapter: str) -> None:
    """Each reproducer, a few lines of the framework alone, prints what was seen."""
    own = [finding for finding in FINDINGS if finding.adapter == adapter]
    scripts = dict.fromkeys(finding.reproducer for finding in own)
    # One process for all: each in a namespace of its own, and what needs float64 last.
    code = "\n".join(
        f"exec({text!r}, {{}})" for text in sorted(scripts, key=lambda text: "x64" in text)
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    printed = done.stdout.split("\n")

    assert sorted({finding.seen for finding in own}) == sorted({*printed} - {""})
