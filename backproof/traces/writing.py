"""A recording is written as a folder: its program, and its numbers beside it."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backproof.adapters.recording import Along, Place, Recording, Taken
from backproof.reference.backprop import Trace
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.traces import layout
from backproof.traces.as_json import NotWritten, node_to_json
from backproof.traces.files import ARCHIVE, TraceError, pack
from backproof.traces.layout import BESIDE, COTANGENT, GRADIENT, TANGENT, VALUE, Part
from backproof.traces.numbers import LARGE, Writer
from backproof.traces.updates import arrays_of, update_to_json


def write(recording: Recording, trace: str | Path, large: int = LARGE) -> None:
    """Write a recording to a folder, which must be new or empty, or to a new archive (".zip").

    large: bytes after which a file of numbers is closed. Raises TraceError.
    """
    trace = Path(trace)
    if trace.exists() and (not trace.is_dir() or any(trace.iterdir())):
        raise TraceError(f"{trace}: is there already")
    if trace.suffix != ARCHIVE:
        write_folder(recording, trace, large)
        return
    try:
        trace.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".backproof-", dir=trace.parent) as beside:
            folder, packed = Path(beside, "folder"), Path(beside, "packed")
            write_folder(recording, folder, large)
            pack(folder, packed)
            packed.rename(trace)
    except OSError as error:
        raise TraceError(f"{trace}: cannot be written: {error.strerror}") from None


def write_folder(recording: Recording, folder: Path, large: int) -> None:
    """Write a recording to a folder. Raises TraceError."""
    for one in (recording, *recording.inner):
        sorted_out(one)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writer = Writer(folder, large)
        program = written(recording, writer.add)
        # The program comes last: a folder without it is no trace.
        (folder / layout.PROGRAM).write_text(
            text(layout.KIND | writer.close() | program), encoding="utf-8"
        )
    except NotWritten as error:
        raise TraceError(f"{recording.network.name}: {error}") from None
    except OSError as error:
        raise TraceError(f"{folder}: cannot be written: {error.strerror}") from None


Add = Callable[[str, Array], None]
"""Writes an array under a name. Raises TraceError."""


def written(recording: Recording, add: Add, elsewhere: Collection[Part] = ()) -> dict[str, Any]:
    """Write the arrays of a recording, and return its program for JSON.

    elsewhere: the arrays that are written already. Raises TraceError, NotWritten.
    """
    found, missing = sorted_out(recording)
    leaves, nodes = [*leaves_of(recording, add)], [*nodes_of(recording, add)]
    for part, a in (*found.items(), *arrays_of(recording)):
        if part not in elsewhere:
            add(str(part), a)
    program = head_of(recording) | {
        "inner": [*inner_of(recording, add)],
        "missing": [*map(str, missing)],
        "leaves": leaves,
        "nodes": nodes,
    }
    return program | taken_to_json(recording) if isinstance(recording, Taken) else program


def inner_of(recording: Recording, add: Add) -> Iterator[dict[str, Any]]:
    """Yield the passes inside of a program for JSON, and write their arrays.

    What is inside of a derivative that it takes itself has the same values by the same names.
    Raises TraceError, NotWritten.
    """
    values = {Part(VALUE, name) for name in (*recording.leaves, *recording.trace.values)}
    for i, one in enumerate(recording.inner, 1):
        inside = partial(add_inside, add, layout.INNER.format(i))
        yield written(one, inside, values if isinstance(one, Taken) else ())


def taken_to_json(taken: Taken) -> dict[str, Any]:
    """Return what there is of a derivative that a program takes itself, beside its pass."""
    return {
        "reached": sorted(taken.reached),
        "added": sorted(taken.added),
        "seeds": dict(taken.seeds),
        "results": dict(taken.results),
        "constant": sorted(taken.constant),
    }


def add_inside(add: Add, start: str, name: str, a: Array) -> None:
    """Write an array of a pass inside, whose names start in a way. Raises TraceError."""
    add(start + name, a)


def beside(recording: Recording) -> str:
    """Return what there is of the pass without probes."""
    if recording.plain is not None:
        return layout.ALL
    return layout.NOTHING if recording.as_run is None else layout.ENDS


def arrays(recording: Recording) -> dict[str, Mapping[str, Array]]:
    """Return the kind of an array -> all arrays of that kind, by name."""
    trace, plain = recording.trace, recording.plain or recording.as_run or Trace({}, {}, {})
    along = recording.along or Along({}, Trace({}, {}, {}))
    return {
        VALUE: {**recording.leaves, **trace.values},
        COTANGENT: trace.cotangents,
        GRADIENT: trace.gradients,
        TANGENT + VALUE: {**along.directions, **along.tangents.values},
        TANGENT + COTANGENT: along.tangents.cotangents,
        TANGENT + GRADIENT: along.tangents.gradients,
        VALUE + BESIDE: plain.values,
        GRADIENT + BESIDE: plain.gradients,
    }


def sorted_out(recording: Recording) -> tuple[dict[Part, Array], list[Part]]:
    """Return all arrays that a trace consists of, and the parts that are missing.

    Raises TraceError where one does not have the dtype and the shape that it should have.
    """
    by_kind, network = arrays(recording), recording.network
    found, missing = {}, []
    along = recording.along is not None
    for part in layout.parts(network, recording.parameters, beside(recording), along=along):
        a = by_kind[part.kind].get(part.of)
        if a is None:
            missing.append(part)
            continue
        found[part] = a
        like = by_kind[VALUE].get(part.of, a)
        expected = recording.precisions.get(part.of, like.dtype.name), like.shape
        if (a.dtype.name, a.shape) != expected or expected[0] not in PRECISIONS:
            raise TraceError(
                f"{network.name}: {part}: expected {expected[0]} of shape {expected[1]}, "
                f"found {a.dtype} of shape {a.shape}"
            )
    return found, missing


def leaves_of(recording: Recording, add: Add) -> Iterator[dict[str, Any]]:
    """Yield the leaves for JSON, and write their radii. Raises TraceError."""
    radii = recording.radii if recording.compiled or recording.as_run is not None else {}
    network = recording.network
    for name in (*network.inputs, *network.parameters):
        kind = "parameter" if name in network.parameters else "input"
        kind = "constant" if name in network.constants else kind
        found = {"name": name, "kind": kind, **declared(recording.leaves[name])}
        if name in radii:
            found["radius"] = f"radius/{name}"
            add(found["radius"], radii[name])
        yield found


def nodes_of(recording: Recording, add: Add) -> Iterator[dict[str, Any]]:
    """Yield the nodes for JSON, and write the arrays of their options. Raises NotWritten."""
    kept = 0

    def keep(a: Array) -> str:
        nonlocal kept
        kept += 1
        add(name := f"option/{kept}", a)
        return name

    for node in recording.network.nodes:
        found = node_to_json(node, keep) | declared(recording.trace.values[node.name])
        if node.name in recording.places:
            found["place"] = place_to_json(recording.places[node.name])
        yield found


def declared(a: Array) -> dict[str, Any]:
    """Return the dtype and the shape of an array for JSON."""
    return {"dtype": a.dtype.name, "shape": [*a.shape]}


def place_to_json(place: Place) -> dict[str, Any]:
    """Return a place for JSON."""
    found = asdict(place)
    return found if place.reason else {k: one for k, one in found.items() if k != "reason"}


def head_of(recording: Recording) -> dict[str, Any]:
    """Return all that is neither a leaf, a node nor an array."""
    return {
        "name": recording.network.name,
        "recorded": {
            "by": recording.framework,
            "version": recording.version,
            "processor": [*recording.processor],
            "compiled": recording.compiled,
        },
        "loss_scale": recording.scale,
        "without_probes": beside(recording),
        "tangents": recording.along is not None,
        "once": [*recording.along.once] if recording.along else [],
        "updates": [update_to_json(one) for one in recording.updates],
        "parameters": [*recording.parameters],
        "stray": [*recording.stray],
        "unused": [*recording.unused],
        "unseen": [place_to_json(place) for place in recording.unseen],
    }


def text(program: Mapping[str, Any]) -> str:
    """Return a program as JSON, one line per leaf and per node."""
    lines = []
    for key, value in program.items():
        several = ",\n".join(f"  {line(one)}" for one in value) if key in SEVERAL else ""
        lines.append(f'"{key}": ' + (f"[\n{several}\n]" if several else line(value)))
    return "{\n" + ",\n".join(lines) + "\n}\n"


SEVERAL = ("inner", "leaves", "nodes")


def line(value: Any) -> str:
    """Return a value as JSON, in one line."""
    return json.dumps(value, allow_nan=False)
