"""The state of an adapter's process, as it is seen before a call and after it.

What a module's import may set for good reasons (the environment, signal handlers, the locale) is
compared from one call to the next, and only where the call imports nothing.
"""

import locale
import os
import random
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backproof.adapters.frameworks import TABLE

HOUSE = Path(__file__).resolve().parents[1]
"""The clone, or the installed package."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
)
"""Events that change a file or folder, beside "open"."""


def kept() -> dict[str, Any]:
    """Return the state that nothing may change, not even an import: name -> value."""
    state: dict[str, Any] = {
        "the working directory": Path.cwd(),
        "NumPy's error state": np.geterr(),
        "the umask": umask(),
    }
    for name, framework in TABLE.items():
        if name in sys.modules:
            state |= framework.process_state(sys.modules[name])
    return state


def set_by_imports() -> dict[str, Any]:
    """Return the state that an import may change: name -> value."""
    found: dict[str, Any] = {f"the environment's {k}": v for k, v in os.environ.items()}
    found |= {f"the handler of {s.name}": signal.getsignal(s) for s in handled()}
    found["the locale"] = locale.setlocale(locale.LC_ALL)
    found["the recursion limit"] = sys.getrecursionlimit()
    return found


def handled() -> Iterator[signal.Signals]:
    """Yield the signals that have names."""
    return (s for s in signal.valid_signals() if isinstance(s, signal.Signals))


def umask() -> int:
    """Return the umask, which can only be read by setting it."""
    os.umask(found := os.umask(0))
    return found


def drawn_from() -> dict[str, Any]:
    """Return the states of the global random generators, by name."""
    return {
        "Python's random state": random.getstate(),
        "NumPy's random state": repr(np.random.get_state()),  # noqa: NPY002 the global one
    }


def draw() -> None:
    """Draw from each global generator: a seed that is set again is another state then."""
    random.random()  # noqa: S311 no secret
    np.random.random()  # noqa: NPY002 the global one


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of what is another, or gone, or new."""
    names, missing = {**before, **after}, object()
    return [name for name in names if before.get(name, missing) != after.get(name, missing)]


class Written:
    """Sees what this process writes into the clone, except into caches and hidden folders."""

    def __init__(self) -> None:
        """Start to look: for as long as the process lives."""
        self.paths: list[str] = []
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._add(arguments[:1])
        elif event in CHANGING:
            self._add(arguments)

    def _add(self, arguments: Iterable[Any]) -> None:
        for one in arguments:
            if isinstance(one, str | bytes | os.PathLike):
                path = Path(os.path.abspath(os.fsdecode(one)))  # noqa: PTH100 links stay as they are
                inner = path.relative_to(HOUSE).parts if path.is_relative_to(HOUSE) else ()
                if inner and not any(part.startswith((".", "__pycache__")) for part in inner):
                    self.paths.append(str(path))
