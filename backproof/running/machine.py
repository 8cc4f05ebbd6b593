"""The machine of a run, without its name, and the commit of the suite."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np

import backproof

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""The variables that limit the threads of libraries."""


def machine() -> dict[str, str | int | list[str] | None]:
    """Return what numbers may depend on."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()}",
        "processor": _model() or platform.processor() or platform.machine(),
        "features": [*found.get("baseline", ()), *found.get("found", ())],
        "cores": os.cpu_count(),
        "threads": ", ".join(f"{x}={os.environ[x]}" for x in THREADS if x in os.environ)
        or "as many as each library takes",
    }


def _model() -> str:
    """Return the processor's model, where Linux says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    named = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(named, "").strip()


def commit() -> str | None:
    """Return the commit of the clone that the suite runs from; None where it is installed."""
    clone, git = Path(backproof.__file__).resolve().parents[1], shutil.which("git")
    if git is None or not (clone / ".git").exists():
        return None
    done = subprocess.run(  # noqa: S603 our own command
        [git, "-C", str(clone), "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
