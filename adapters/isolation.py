"""Your own adapter in its own process, where it cannot affect other adapters' verdicts.

Each method is called twice, under a time limit, and the process is checked after it. An adapter
that prints, changes its inputs or process-wide state, answers differently the second time, hangs
or dies causes an AdapterError that says so. What it answers is data: nothing of it is run here.
"""

import multiprocessing
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from backproof.adapters.frameworks import TABLE
from backproof.adapters.protocol import Adapter, AdapterError, Unsupported, raised
from backproof.reference.backprop import Trace
from backproof.reference.network import Network
from backproof.reference.ops import Array
from backproof.traces.messages import packed, unpacked

WHAT = "what the adapter is"
"""The first thing that its process is asked."""

RESTARTS = 3
"""How often a process that hung or died is started again."""


def served(method: str) -> Callable[..., Any]:
    """Return the method that has an adapter's process call its method of that name."""
    return lambda self, *arguments: self._call(method, *arguments)


def ended(code: int) -> str:
    """Return how a process ended, in words. code: as `subprocess` has it."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


class Isolated:
    """The interface of an Adapter, served by a process that loads it from its file."""

    def __init__(self, name: str, path: Path, limit: float) -> None:
        """Start the process and load the adapter in it. limit: seconds that a call may take.

        Raises AdapterError.
        """
        self.name, self.path, self.limit = name, path, limit
        self.left = RESTARTS
        self._start()

    def _start(self) -> None:
        """Start the process, and ask what the adapter is. Raises AdapterError."""
        self.dead: AdapterError | None = None
        context = multiprocessing.get_context("spawn")
        self.here, there = context.Pipe()
        arguments = (there, self.name, self.path)
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        there.close()
        with suppress(EOFError, OSError):  # where the process is gone, the call says how
            self.here.recv_bytes()  # it has started: the time from here on is the adapter's
        self.version: str
        self.unsupported: Mapping[str, str]
        self.version, self.unsupported, self.forward_mode, self.second_order = self._call(WHAT)

    trace = served("trace")
    examples = served("examples")
    plain = served("plain")
    update = served("update")
    constants = served("constants")
    along = served("along")

    def _call(self, method: str, *arguments: Any) -> Any:
        """Have the process call a method. After a hang or a crash, the next call starts it again.

        After several, every call raises the last error.
        """
        if self.dead is not None:
            if not self.left:
                raise self.dead.with_traceback(None)
            self.left -= 1
            self._start()
        try:
            self.here.send_bytes(packed([method, arguments]))
            if not self.here.poll(self.limit):
                self.process.kill()
                raise self._died(f"ran longer than {self.limit:g} s (--time-limit)")
            result, error = unpacked(self.here.recv_bytes())
        except (EOFError, OSError):
            self.process.join()
            raise self._died(f"ended its process ({ended(self.process.exitcode or 0)})") from None
        except (ValueError, TypeError) as error:
            self.process.kill()  # what it sends next may be the answer to this call
            raise self._died(f"answered in no form that can be read: {error}") from None
        if error is not None:
            kind, message = error
            raise ERRORS[kind](message)
        return result

    def _died(self, message: str) -> AdapterError:
        self.dead = AdapterError(message)
        return self.dead


@cache
def isolated(name: str, path: Path, limit: float) -> Isolated:
    """Return the adapter of a file, whose process is started once. Raises AdapterError."""
    return Isolated(name, path, limit)


ERRORS: Mapping[str, type[Exception]] = {
    "AdapterError": AdapterError,
    "Unsupported": Unsupported,
}
"""The errors that an adapter's process answers with."""


def _serve(pipe: Connection, name: str, path: Path) -> None:
    """Answer calls, inside the adapter's process."""
    from backproof.adapters import load  # noqa: PLC0415 for the adapter's process alone

    pipe.send_bytes(b"started")
    adapter: Adapter | None = None
    untouched = _state()
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), sys.stdout.fileno())
        while True:
            try:
                method, arguments = unpacked(pipe.recv_bytes())
            except (EOFError, OSError):
                return
            try:
                if adapter is None:
                    adapter = load(name, path)
                    untouched = {**_state(), **untouched}  # with the framework's initial state
                if method == WHAT:
                    result = _what(adapter)
                else:
                    result = _twice(getattr(adapter, method), arguments)
                _look_over(untouched, _printed(printed))
                answer: list[Any] = [result, None]
            except (AdapterError, Unsupported) as error:
                kind = "Unsupported" if isinstance(error, Unsupported) else "AdapterError"
                answer = [None, (kind, str(error))]
            except Exception as error:  # noqa: BLE001 the adapter may raise anything
                answer = [None, ("AdapterError", raised(error))]
            try:
                message = packed(answer)
            except Exception as error:  # noqa: BLE001 the answer may be anything
                unsent = f"returned a value that cannot be sent: {type(error).__name__}: {error}"
                message = packed([None, ("AdapterError", unsent)])
            pipe.send_bytes(message)


def _what(adapter: Adapter) -> list[Any]:
    """Return an adapter's version, what it does not support, and its methods, as plain data."""
    reasons = {k: w if isinstance(w, str) else w[1] for k, w in adapter.unsupported.items()}
    return [adapter.version, reasons, [*adapter.forward_mode], [*adapter.second_order]]


def _twice(method: Any, arguments: tuple[Any, ...]) -> Any:
    """Call a method twice, and return its answer. Raises AdapterError where the calls differ."""
    given = _contents(arguments)
    first = method(*arguments)
    before = _random_state()  # the first call may import modules that draw
    second = method(*arguments)
    if drawn := [whose for whose, state in _random_state().items() if state != before[whose]]:
        raise AdapterError(f"changed {' and '.join(drawn)}")
    if given != _contents(arguments):
        raise AdapterError("changed its inputs in place")
    if _contents(first) != _contents(second):
        raise AdapterError("answered differently the second time")
    return first


def _contents(nested: Any) -> list[bytes]:
    return [array.tobytes() for array in _arrays(nested)]


def _look_over(untouched: Mapping[str, Any], printed: str) -> None:
    """Raise AdapterError where the adapter changed process-wide state or printed."""
    state = _state()
    if changed := [what for what, value in untouched.items() if state[what] != value]:
        raise AdapterError(f"changed {' and '.join(changed)}")
    if printed:
        raise AdapterError(f"printed to standard output: {printed!r}")


def _arrays(content: Any) -> Iterator[Array]:
    """Yield every array in nested arguments or results."""
    if isinstance(content, np.ndarray | np.generic):
        yield np.asarray(content)
    elif isinstance(content, Trace):
        yield from _arrays([content.values, content.cotangents, content.gradients])
    elif isinstance(content, Network):
        options = [dict(node.options) for node in content.nodes]
        yield from _arrays([content.inputs, content.parameters, options])
    elif isinstance(content, Mapping):
        yield from _arrays(list(content.values()))
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _arrays(part)


def _state() -> dict[str, Any]:
    """Return process-wide state, by name."""
    state: dict[str, Any] = {
        "the working directory": Path.cwd(),
        "NumPy's error state": np.geterr(),
    }
    for name, framework in TABLE.items():
        if name in sys.modules:
            state |= framework.process_state(sys.modules[name])
    return state


def _random_state() -> dict[str, Any]:
    """Return the states of the global random generators, by name."""
    return {
        "Python's random state": random.getstate(),
        "NumPy's random state": repr(np.random.get_state()),  # noqa: NPY002 the global one
    }


def _printed(file: Any) -> str:
    """Return what was printed since the last call, at most 200 characters."""
    with suppress(ValueError):
        sys.stdout.flush()
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    text: str = file.read(end).decode(errors="replace")
    file.seek(0)
    file.truncate()
    return text[:200]
