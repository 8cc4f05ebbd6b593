"""A recording is read from its files: all but the numbers, which are read when they are used."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from backproof.adapters.recording import Along, Place, Recording, Updated
from backproof.reference.backprop import Trace
from backproof.reference.files import wrong_in
from backproof.reference.network import Network, Node
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array, Op
from backproof.traces import layout
from backproof.traces.arrays import Arrays, Declared
from backproof.traces.as_json import node_of_json
from backproof.traces.files import File, TraceError, files_of
from backproof.traces.json_object import Object, json_of
from backproof.traces.layout import BESIDE, COTANGENT, GRADIENT, TANGENT, VALUE
from backproof.traces.numbers import index_of
from backproof.traces.taken import taken_of_json
from backproof.traces.updates import update_of_json

NOT_GIVEN = "its Op must be given again, in Python: certify_trace(..., known=...)"
"""Why a node is not known that has an op of the user's own."""

PARAMETER = "leaf, and neither stray nor unused"
"""What a name is not among the parameters that is refused."""


def read(
    trace: str | Path, known: Mapping[str, Op] | None = None, *, checked: bool = True
) -> Recording:
    """Return the recording of a folder or an archive; its arrays are read when they are used.

    known:   the ops of one's own that were given when it was recorded, by name.
    checked: whether the files of numbers must have their checksums, and the program its schema.

    Raises TraceError, in one line that says what is wrong, and where.
    """
    trace = Path(trace)
    try:
        files = files_of(trace)
        head = program_of(files)
        stored = index_of(numbers_of(head, files, checked=checked))
        return Reader(head, Arrays(stored), known or {}).recording(checked=checked)
    except TraceError as error:
        raise TraceError(f"{trace}: {one_line(error)}") from None
    except OSError as error:
        raise TraceError(f"{trace}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise TraceError(f"{trace}: {layout.PROGRAM}: {one_line(error)}") from None


def entries_of(recording: Recording) -> dict[str, int]:
    """Return leaf or node -> how many entries it has, from the heads of the files alone."""
    both: Any = (recording.leaves, recording.trace.values)
    return {name: prod(one.shape) for numbers in both for name, one in numbers.stored.items()}


def one_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split())


def program_of(files: Mapping[str, File]) -> Object:
    """Return what program.json says. Raises ValueError, TraceError."""
    if layout.PROGRAM not in files:
        raise TraceError(f"{layout.PROGRAM}: is not there")
    program = files[layout.PROGRAM]
    try:
        content = json_of(program.read(0, program.size).decode())
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if content.get("format") != layout.FORMAT:
        raise ValueError(f"no trace: its format must be {layout.FORMAT!r}")
    head = Object(content, "the program")
    version = head.get("version", "an integer")
    if version != layout.VERSION:
        raise ValueError(f"a trace of version {version}; this reads version {layout.VERSION}")
    return head


def numbers_of(head: Object, files: Mapping[str, File], *, checked: bool) -> Iterator[File]:
    """Yield the files of numbers. checked: whether they must have their checksums.

    Raises ValueError, TraceError.
    """
    names = head.strings("numbers")
    checksums = head.inner("checksums", default={})
    for name in names:
        if name not in files:
            raise ValueError(f"numbers: {name!r} is not a file of this trace")
    for name in checksums.content:
        if name not in names:
            raise ValueError(f"checksums: {name!r} is not one of the numbers")
        if checked and checksums.get(name, "a string") != files[name].sha256():
            raise TraceError(f"{name}: is not what was written: its checksum is another")
    yield from map(files.__getitem__, names)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a program. head: what program.json says. arrays: all arrays of the files."""

    head: Object
    arrays: Arrays
    known: Mapping[str, Op]

    def recording(self, *, checked: bool = False) -> Recording:
        """Return the recording. checked: as in `read`. Raises ValueError, TraceError."""
        head, leaves = self.head, [*self.head.named("leaves", "leaf")]
        nodes = [*head.named("nodes", "node")]
        network = self.network(leaves, nodes)
        declared = {one.name: declared_of(one) for one in (*leaves, *nodes)}
        beside = head.one_of("without_probes", layout.WITHOUT_PROBES, layout.NOTHING)
        if checked and prod(shape := declared[network.loss][1]) != 1:
            raise ValueError(f"the loss, {network.loss}: expected one number, found shape {shape}")
        stray, unused = (head.strings(key, []) for key in ("stray", "unused"))
        parameters = (*network.parameters,)
        if "parameters" in head:
            parameters = head.names("parameters", {*declared, *stray, *unused}, PARAMETER)
        missing = {*head.strings("missing", [])}
        along = head.get("tangents", "true or false", default=False)
        for part in layout.parts(network, parameters, beside, along=along):
            is_needed = part.kind.endswith(VALUE) or (
                beside == layout.ENDS and part.of == network.loss
            )
            if str(part) not in missing or is_needed:
                self.arrays.check(part, declared)
        made, known = [node.name for node in network.nodes], {*declared, *parameters}
        once = head.names("once", made, "node")
        recorded = head.inner("recorded", default={})
        trace, tangents = (
            Trace(
                self.arrays.numbers(of + VALUE, made),
                self.arrays.numbers(of + COTANGENT, made),
                self.arrays.numbers(of + GRADIENT, known),
            )
            for of in ("", TANGENT)
        )
        if checked and (wrong := wrong_in(head.content, "trace")):  # such as a field nobody reads
            raise ValueError(wrong)
        directions = self.arrays.numbers(TANGENT + VALUE, [one.name for one in leaves])
        plain = Trace(
            self.arrays.numbers(VALUE + BESIDE, made),
            {},
            self.arrays.numbers(GRADIENT + BESIDE, known),
        )
        return Recording(
            network,
            self.arrays.numbers(VALUE, [one.name for one in leaves]),
            trace,
            {one.name: place_of(one, of) for one, of in zip(nodes, network.nodes, strict=True)},
            parameters,
            stray=stray,
            unused=unused,
            framework=recorded.get("by", "a string", ""),
            version=recorded.get("version", "a string", ""),
            processor=recorded.strings("processor", []),
            compiled=recorded.get("compiled", "true or false", default=False),
            scale=self.scale(),
            plain=plain if beside == layout.ALL else None,
            as_run=plain if beside == layout.ENDS else None,
            radii=dict(self.radii(leaves)),
            precisions={name: dtype for name, (dtype, _) in declared.items()},
            along=Along(directions, tangents, once) if along else None,
            updates=self.updates(declared),
            inner=(*self.inner(self.arrays.numbers(VALUE, declared)),),
            unseen=tuple(
                place_of_json(Object.of(one, "unseen"))
                for one in self.head.get("unseen", "an array", [])
            ),
        )

    def inner(self, values: Mapping[str, Array]) -> Iterator[Recording]:
        """Yield the passes inside. values: the program's. Raises ValueError, TraceError."""
        recorded = self.head.content.get("recorded", {})
        for i, content in enumerate(self.head.get("inner", "an array", []), 1):
            start = layout.INNER.format(i)
            one = Object.of(content, start.rstrip("/"))
            head = Object({**one.content, "recorded": recorded}, self.head.place)
            is_taken = "reached" in head
            try:
                arrays = self.arrays.inside(start, with_values=is_taken)
                found = Reader(head, arrays, self.known).recording()
                yield taken_of_json(head, found, values) if is_taken else found
            except (ValueError, TraceError) as error:
                raise type(error)(f"{one.place}: {error}") from None

    def network(self, leaves: Iterable[Object], nodes: Iterable[Object]) -> Network:
        """Return the network; its leaves are read when they are used. Raises ValueError."""
        kinds: dict[str, str] = {}
        for one in leaves:
            if one.name in kinds:
                raise ValueError(f"{one.place}: this name is used twice")
            kinds[one.name] = one.one_of("kind", layout.KINDS)
        return Network(
            self.head.get("name", "a string"),
            self.arrays.numbers(
                VALUE, [name for name, kind in kinds.items() if kind != "parameter"]
            ),
            self.arrays.numbers(
                VALUE, [name for name, kind in kinds.items() if kind == "parameter"]
            ),
            tuple(node_of_json(one, self.arrays.option, self.known) for one in nodes),
            frozenset(),
            frozenset(name for name, kind in kinds.items() if kind == "constant"),
        )

    def radii(self, leaves: Iterable[Object]) -> Iterator[tuple[str, Array]]:
        """Yield the radii of constants, by name. Raises ValueError, TraceError."""
        for one in leaves:
            if "radius" not in one:
                continue
            rad, shape = self.arrays.option(one.get("radius", "a string")), declared_of(one)[1]
            if one.get("kind", "a string") != "constant":
                raise ValueError(f"{one.place}: has a radius, and is no constant")
            if rad.dtype != np.float64 or rad.shape != shape or not (rad >= 0).all():
                raise ValueError(f"{one.place}: its radius is not float64 of shape {shape}, >= 0")
            yield one.name, rad

    def updates(self, declared: Mapping[str, Declared]) -> tuple[Updated, ...]:
        """Return the updates after the pass. Raises ValueError, TraceError."""
        listed = self.head.get("updates", "an array", [])
        several = [Object.of(one, f"updates {i}") for i, one in enumerate(listed, 1)]
        if several and self.scale() != 1:
            raise ValueError("updates: there are none under a loss scale")
        return tuple(update_of_json(one, self.arrays, declared) for one in several)

    def scale(self) -> float:
        """Return the loss scale. Raises ValueError."""
        scale = self.head.get("loss_scale", "a number", 1.0)
        if not 0 < scale < float("inf"):
            raise ValueError(f"loss_scale: {scale} is not above zero")
        return float(scale)


def declared_of(one: Object) -> Declared:
    """Return the dtype and the shape that a leaf or node is declared to have. Raises ValueError."""
    shape = one.get("shape", "an array of integers")
    return one.one_of("dtype", PRECISIONS), (*shape,)


def place_of(node: Object, read: Node) -> Place:
    """Return where a node was computed; without a place, its name and its op. Raises ValueError.

    read: the node. Where it is not known, and the file does not say so, the place says why.
    """
    op = node.get("op", "a string")
    where = Place(node.name, op, "", 0)
    if "place" in node:
        where = place_of_json(node.inner("place"), op)
    if read.is_known or where.reason or "unknown" in node:
        return where
    is_given = "given" in node or "derivative" in node
    return replace(where, reason=NOT_GIVEN if is_given else "there is no op of this name")


def place_of_json(place: Object, function: str = "") -> Place:
    """Return a place. function: what it says if it names none. Raises ValueError."""
    texts: Any = {
        key: place.get(key, "a string", default)
        for key, default in (("module", ""), ("function", function), ("file", ""), ("reason", ""))
    }
    return Place(**texts, line=place.get("line", "an integer", 0))
