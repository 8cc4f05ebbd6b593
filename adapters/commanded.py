"""An adapter in any language: a command, whose process is sent folders (docs/trace-files.md).

Each line that it reads is a folder with a program and its leaves, a tab, and a folder for the
answer. Each line that it writes is "ok", "unsupported" with what and why, or "error" with a
message. Every pass is asked for twice, under a time limit.
"""

import os
import selectors
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from backproof.adapters.protocol import AdapterError, Unsupported
from backproof.adapters.recording import said_by
from backproof.adapters.trial import ended
from backproof.reference.backprop import Trace
from backproof.reference.files import line
from backproof.reference.network import Network
from backproof.reference.ops import Array
from backproof.traces import layout
from backproof.traces.as_json import node_to_json
from backproof.traces.numbers import Writer
from backproof.traces.writing import declared, text

ANSWER = "answer.safetensors"


class Commanded:
    """The interface of an Adapter, served by the process of a command."""

    def __init__(self, words: Sequence[str], limit: float) -> None:
        """Start the process, whose first line is its version. limit: seconds a call may take.

        Raises AdapterError.
        """
        self.limit = limit
        self.dead: AdapterError | None = None
        self.read = b""
        try:
            self.process = subprocess.Popen(  # noqa: S603 the user's own command
                [*words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise AdapterError(f"cannot be started: {words[0]}: {error.strerror}") from None
        self.version = self._line()

    def trace(
        self,
        network: Network,
        leaves: Mapping[str, Array],
        _shapes: Mapping[str, tuple[int, ...]],
        scale: float = 1.0,
    ) -> Trace:
        """Return the trace of one pass, unchecked; as `Adapter.trace`."""
        return self._trace(network, leaves, scale, "trace")

    def plain(self, network: Network, leaves: Mapping[str, Array], scale: float = 1.0) -> Trace:
        """Return the trace of another pass, without cotangents; as `Adapter.plain`."""
        found = self._trace(network, leaves, scale, "plain")
        return Trace(found.values, {}, found.gradients)

    def examples(self, *_: Any) -> Trace:
        """Raise Unsupported: there are no passes over several examples at once."""
        raise Unsupported("per_example: the adapter has none")

    def constants(self, _: Network) -> list[str]:
        """Return no inputs: all are differentiated."""
        return []

    def update(self, w: Array, gradient: Array, eta: float) -> Array:
        """Return w - eta dE/dw, unchecked."""
        head = {"task": "update", "eta": float(eta)}
        return self._ask(head, {"w": w, "gradient": gradient}, lambda _: [])["value/w"]

    def _trace(
        self, network: Network, leaves: Mapping[str, Array], scale: float, task: str
    ) -> Trace:
        """Return the trace of a pass, unchecked. Raises AdapterError, Unsupported."""
        head = {"task": task, "name": network.name, "loss_scale": scale}

        def nodes(writer: Writer) -> list[Any]:
            kept = count()

            def keep(a: Array) -> str:
                writer.add(name := f"option/{next(kept)}", a)
                return name

            return [node_to_json(node, keep) for node in network.nodes]

        found = self._ask(head, leaves, nodes)
        made = {node.name for node in network.nodes}

        def parts(kind: str, known: Collection[str]) -> dict[str, Array]:
            return {k: found[f"{kind}/{k}"] for k in known if f"{kind}/{k}" in found}

        return Trace(parts("value", made), parts("cotangent", made), parts("gradient", leaves))

    def _ask(
        self,
        head: Mapping[str, Any],
        leaves: Mapping[str, Array],
        nodes: Callable[[Writer], list[Any]],
    ) -> dict[str, Array]:
        """Return the arrays of an answer, by their names. Raises AdapterError, Unsupported."""
        if self.dead is not None:
            raise self.dead.with_traceback(None)
        with _folders() as (asked, *answers):
            writer = Writer(asked)
            made = nodes(writer)
            for name, a in leaves.items():
                writer.add(f"value/{name}", a)
            of = [{"name": name, "kind": "input", **declared(a)} for name, a in leaves.items()]
            program = {**layout.KIND, **head, **writer.close(), "leaves": of, "nodes": made}
            (asked / layout.PROGRAM).write_text(text(program), encoding="utf-8")
            before = _contents(asked)
            first, second = (self._answer(asked, answer) for answer in answers)
            if _contents(asked) != before:
                raise AdapterError("changed its inputs in place")
        if _bytes(first) != _bytes(second):
            raise AdapterError("answered differently the second time")
        return first

    def _answer(self, asked: Path, answer: Path) -> dict[str, Array]:
        """Return the arrays of one answer. Raises AdapterError, Unsupported."""
        pipe = self.process.stdin
        try:
            if pipe:
                pipe.write(f"{asked}\t{answer}\n".encode())
        except OSError:
            raise self._died() from None
        said, _, why = self._line().partition(" ")
        if said == "unsupported":
            raise Unsupported(line(why))
        if said == "error":
            raise AdapterError(f"raised {line(why)}")
        if said != "ok" or why:
            raise AdapterError(f"printed to standard output: {f'{said} {why}'[:200]!r}")
        try:
            return load_file(answer / ANSWER)
        except (SafetensorError, OSError, KeyError) as error:
            raise AdapterError(f"{ANSWER}: cannot be read: {said_by(error)}") from None

    def _line(self) -> str:
        """Return the next line that the process writes. Raises AdapterError."""
        pipe, end = self.process.stdout, monotonic() + self.limit
        with selectors.DefaultSelector() as waiting:
            if pipe:
                waiting.register(pipe, selectors.EVENT_READ)
            while b"\n" not in self.read:
                if not waiting.select(max(0.0, end - monotonic())):
                    self.process.kill()
                    self.dead = AdapterError(f"ran longer than {self.limit:g} s (--time-limit)")
                    raise self.dead
                more = os.read(pipe.fileno(), 2**16) if pipe else b""
                if not more:
                    raise self._died()
                self.read += more
        line, _, self.read = self.read.partition(b"\n")
        return line.decode(errors="replace")

    def _died(self) -> AdapterError:
        """Return the error of a process that ended."""
        self.dead = AdapterError(f"ended its process ({ended(self.process.wait(self.limit))})")
        return self.dead

    def __del__(self) -> None:
        if hasattr(self, "process"):
            self.process.kill()
            self.process.communicate()


@contextmanager
def _folders() -> Iterator[tuple[Path, ...]]:
    """Yield new folders: for a program, and for two answers."""
    with TemporaryDirectory(prefix="backproof-") as folder:
        found = tuple(Path(folder, name) for name in ("program", "first", "second"))
        for one in found:
            one.mkdir()
        yield found


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the names and contents of all files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _bytes(arrays: Mapping[str, Array]) -> dict[str, tuple[str, bytes]]:
    """Return arrays as dtypes and bytes, by name."""
    return {name: (f"{a.dtype} {a.shape}", a.tobytes()) for name, a in arrays.items()}
