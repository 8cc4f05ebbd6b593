"""The updates of a trace: the step of an optimizer after the pass, for each group of parameters."""

from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

from backproof.adapters.recording import Recording, Updated
from backproof.reference.ops import Array
from backproof.reference.ops.op import taken
from backproof.reference.optimizers import OPTIMIZERS, Optimizer
from backproof.traces.arrays import Arrays, Declared
from backproof.traces.json_object import Object
from backproof.traces.layout import GRADIENT, Part

FIELDS = ("optimizer", "options", "parameters", "step", "narrow")


def before(line: str) -> str:
    """Return the kind of a state before an update: "before m"."""
    return f"before {line}"


def after(line: str) -> str:
    """Return the kind of what an update made: "after m", "after w"."""
    return f"after {line}"


def arrays_of(recording: Recording) -> Iterator[tuple[Part, Array]]:
    """Yield the arrays of all updates."""
    for one in recording.updates:
        for kind, lines in ((before, one.before), (after, one.after)):
            for line, arrays in lines.items():
                yield from ((Part(kind(line), name), arrays[name]) for name in one.parameters)


def update_to_json(one: Updated) -> dict[str, Any]:
    """Return an update for JSON, without its arrays."""
    return {name: getattr(one, name) for name in FIELDS}


def update_of_json(one: Object, arrays: Arrays, declared: Mapping[str, Declared]) -> Updated:
    """Return an update from its JSON. declared: of all leaves. Raises ValueError, TraceError."""
    name, options = one.one_of("optimizer", OPTIMIZERS), one.get("options", "an object", {})
    parameters, step = one.strings("parameters"), one.get("step", "an integer", 1)
    try:
        signature(OPTIMIZERS[name]).bind(**options)
        optimizer = OPTIMIZERS[name](**options)
    except (TypeError, ValueError) as error:
        takes = f"it takes {taken(OPTIMIZERS[name])}"
        raise ValueError(f"{one.place}: {name}: {error}; {takes}") from None
    if len({declared[k][0] for k in parameters if k in declared}) != 1:
        raise ValueError(f"{one.place}: expected parameters, all of one dtype")
    if len({*parameters} & declared.keys()) < len(parameters):
        raise ValueError(f"{one.place}: {', '.join(parameters)}: not all of them are leaves, once")
    for k in parameters:
        arrays.check(Part(GRADIENT, k), declared)
    shown = (k for k in optimizer.lines if str(Part(after(k), parameters[0])) in arrays.stored)
    made = dict.fromkeys([*optimizer.start, *shown, "w"])
    for k in made:
        check(after(k), k, optimizer, arrays, {k: declared[k] for k in parameters})
    states = optimizer.start if step > 1 else ()
    for k in states:
        check(before(k), k, optimizer, arrays, {k: declared[k] for k in parameters})
    return Updated(
        name,
        options,
        parameters,
        step,
        one.get("narrow", "true or false", default=False),
        {k: arrays.numbers(before(k), parameters) for k in states},
        {k: arrays.numbers(after(k), parameters) for k in made},
    )


def check(
    kind: str, line: str, optimizer: Optimizer, arrays: Arrays, declared: Mapping[str, Declared]
) -> None:
    """Raise TraceError where an array of a line is not there, or not as its parameter is."""
    for name, (dtype, shape) in declared.items():
        own = optimizer.stored.get(line, dtype)
        arrays.check(Part(kind, name), {name: (own, shape)})
