"""The import of a framework, tried in a process of its own: what ends it there ends no run."""

import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

LIMIT = 120.0
"""Seconds that an import may take."""

TRIED = "BACKPROOF_TRIED"
"""The environment variable of the modules that were imported: processes that this one starts
need not try them again."""

DONE = b"imported"
IMPORT = f"""
import importlib, os, sys
try:
    importlib.import_module(sys.argv[1])
except Exception:
    pass  # the run imports it too, and says what is raised
sys.stdout.flush()
os.write(1, {DONE!r})
os._exit(0)
"""


@cache
def refusal(module: str) -> str | None:
    """Return how the import of a module ends its process, in words; None if it does not."""
    tried = os.environ.get(TRIED, "").split()
    if module in tried:
        return None
    path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    try:
        done = subprocess.run(  # noqa: S603 our own command
            [sys.executable, "-c", IMPORT, module],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"runs longer than {LIMIT:g} s"
    if not done.stdout.endswith(DONE):
        return f"ends its process ({ended(done.returncode)})"
    os.environ[TRIED] = " ".join([*tried, module])
    return None


def ended(code: int) -> str:
    """Return how a process ended, in words. code: as `subprocess` has it."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
