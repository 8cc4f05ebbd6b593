"""Your own adapter in its own process, where it cannot affect other adapters' verdicts.

Each method is called twice, under a time limit, and the process is checked after it. An adapter
that prints, changes its inputs or process-wide state, answers differently the second time, hangs
or dies causes an AdapterError that says so. What it answers is data: nothing of it is run here.
"""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np

from backproof.adapters.column import Column
from backproof.adapters.process_state import (
    Written,
    changed,
    draw,
    drawn_from,
    kept,
    set_by_imports,
)
from backproof.adapters.protocol import Adapter, AdapterError, Unsupported, raised
from backproof.adapters.training import Library, trained
from backproof.adapters.trial import ended
from backproof.reference.backprop import Trace
from backproof.reference.files import line
from backproof.reference.network import Network
from backproof.reference.ops import Array
from backproof.reference.training import Record
from backproof.traces.messages import packed, unpacked
from backproof.traces.numbers import can_be_written

WHAT = "what the adapter is"
"""The first thing that its process is asked."""

RESTARTS = 3
"""How often a process that hung or died is started again."""


def served(method: str) -> Callable[..., Any]:
    """Return the method that has an adapter's process call its method of that name."""
    return lambda self, *arguments: self._call(method, *arguments)


class Isolated:
    """The interface of an Adapter, served by a process that loads it from its file.

    The process ends when nobody has a use for it, and with this one at the latest.
    """

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
        finalize(self, self.process.kill)  # it may ignore to be terminated
        there.close()
        with suppress(EOFError, OSError):  # where the process is gone, the call says how
            self.here.recv_bytes()  # it has started: the time from here on is the adapter's
        what = self._call(WHAT)
        self.version: str = what["version"]
        self.unsupported: Mapping[str, str] = what["unsupported"]
        self.forward_mode: list[str] = what["forward_mode"]
        self.second_order: list[str] = what["second_order"]
        self.variants: list[str] = what["variants"]
        self.libraries = {
            name: Library(version, {}, served("trained"), narrow=narrow)
            for name, (version, narrow) in what["libraries"].items()
        }

    trace = served("trace")
    examples = served("examples")
    plain = served("plain")
    update = served("update")
    constants = served("constants")
    along = served("along")
    trained = served("trained")

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


ERRORS: Mapping[str, type[Exception]] = {"AdapterError": AdapterError, "Unsupported": Unsupported}
"""The errors that an adapter's process answers with."""

METHODS: Mapping[str, Callable[..., Any]] = {"trained": trained}
"""What is called of an adapter, beside its own methods."""


def _serve(pipe: Connection, name: str, path: Path) -> None:
    """Answer calls, inside the adapter's process."""
    pipe.send_bytes(b"started")
    own = os.getpid()
    one = _Served(name, path)
    while True:
        try:
            method, arguments = unpacked(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            answer: list[Any] = [one.call(method, arguments), None]
        except (AdapterError, Unsupported) as error:
            kind = "Unsupported" if isinstance(error, Unsupported) else "AdapterError"
            answer = [None, (kind, line(str(error)))]
        except Exception as error:  # noqa: BLE001 the adapter may raise anything
            answer = [None, ("AdapterError", raised(error))]
        if os.getpid() != own:  # a fork that came back from the adapter's code
            os._exit(0)
        try:
            message = packed(answer)
        except Exception as error:  # noqa: BLE001 the answer may be anything
            unsent = f"returned a value that cannot be sent: {raised(error)}"
            message = packed([None, ("AdapterError", unsent)])
        pipe.send_bytes(message)


class _Served:
    """An adapter, in its process, and the state of this process."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.adapter: Adapter | None = None
        self.before = kept()
        self.written = Written()
        self.forks: list[int] = []
        os.register_at_fork(after_in_parent=lambda: self.forks.append(1))
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115 as long as the process lives
        os.dup2(self.printed.fileno(), sys.stdout.fileno())

    def load(self) -> Adapter:
        """Import the file, and return its adapter. Raises AdapterError."""
        from backproof.adapters import every  # noqa: PLC0415 for the adapter's process alone

        column = Column.parse(self.name)
        found = every(column.framework, self.path)
        self.adapter, self.variants = found[column.variant], [*found][1:]
        self.before = {**kept(), **self.before}  # with the framework's initial state
        self.settings = set_by_imports()
        if self.forks:
            raise AdapterError("forks its process when it is imported")
        return self.adapter

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        """Return what a method returns. Raises AdapterError, Unsupported; what the adapter does."""
        adapter = self.adapter or self.load()
        if method == WHAT:
            result = self.what(adapter)
        else:
            called = METHODS.get(method) or getattr(Adapter, method)
            result = self.twice(partial(called, adapter), arguments)
        others = changed(self.before, kept()) + changed(self.settings, set_by_imports())
        if others:
            raise AdapterError(f"changed {' and '.join(others)}")
        if paths := self.written.paths:
            raise AdapterError(f"wrote to {paths[0]}")
        if text := _printed(self.printed):
            raise AdapterError(f"printed to standard output: {text!r}")
        return result

    def twice(self, method: Any, arguments: tuple[Any, ...]) -> Any:
        """Call a method twice, and return its answer. Raises AdapterError where they differ."""
        given, modules = _contents(arguments), len(sys.modules)
        first = method(*arguments)
        if len(sys.modules) > modules:  # these may draw, and set things
            self.settings = set_by_imports()
        draw()
        before = drawn_from()
        second = method(*arguments)
        if drawn := changed(before, drawn_from()):
            raise AdapterError(f"changed {' and '.join(drawn)}")
        if given != _contents(arguments):
            raise AdapterError("changed its inputs in place")
        if _contents(first) != _contents(second):
            raise AdapterError("answered differently the second time")
        return first

    def what(self, adapter: Adapter) -> dict[str, Any]:
        """Return what the adapter is, as plain data: the fields of `Isolated`."""
        return {
            "version": line(str(adapter.version)),
            "unsupported": {
                key: why if isinstance(why, str) else why[1]
                for key, why in adapter.unsupported.items()
            },
            "forward_mode": [*adapter.forward_mode],
            "second_order": [*adapter.second_order],
            "variants": self.variants,
            "libraries": {k: [one.version, [*one.narrow]] for k, one in adapter.libraries.items()},
        }


def _contents(nested: Any) -> list[bytes]:
    """Return the bytes of all arrays; of those that cannot be sent, the dtype."""
    return [a.tobytes() if can_be_written(a) else str(a.dtype).encode() for a in _arrays(nested)]


def _arrays(content: Any) -> Iterator[Array]:
    """Yield every array in nested arguments or results."""
    if isinstance(content, np.ndarray | np.generic):
        yield np.asarray(content)
    elif isinstance(content, Trace | Record):
        yield from _arrays([getattr(content, one.name) for one in fields(content)])
    elif isinstance(content, Network):
        options = [dict(node.options) for node in content.nodes]
        yield from _arrays([content.inputs, content.parameters, options])
    elif isinstance(content, Mapping):
        yield from _arrays(list(content.values()))
    elif isinstance(content, list | tuple):
        for part in content:
            yield from _arrays(part)


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
