"""Messages between processes: plain JSON, and the buffers of arrays. Nothing in them is run.

A message is the length of its JSON in eight bytes, the JSON, and the arrays as safetensors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from backproof.adapters.training import Claim
from backproof.reference.backprop import Trace
from backproof.reference.network import Network
from backproof.reference.ops import Array
from backproof.reference.optimizers.schedules import Schedule
from backproof.reference.training import Record
from backproof.traces.as_json import Keep, Read, node_of_json, node_to_json
from backproof.traces.json_object import Object
from backproof.traces.numbers import DTYPES, can_be_written, plain

DATA = (Trace, Record, Schedule, Claim)
"""Types whose objects are sent field by field."""

split: Any = deserialize  # the library has no types for it
HEAD = 8
"""The length of the JSON takes so many bytes."""


def packed(content: Any) -> bytes:
    """Return content as a message: arrays, networks, traces, JSON, and mappings and lists of them.

    Of anything else only the name of its type is sent.
    """
    arrays: dict[str, Array] = {}

    def keep(a: Array) -> str:
        name = str(len(arrays))
        arrays[name] = plain(a)
        return name

    head = json.dumps(to_json(content, keep)).encode()
    return len(head).to_bytes(HEAD, "little") + head + save(arrays)


def unpacked(message: bytes) -> Any:
    """Return the content of a message. Raises ValueError where it is none."""
    end = HEAD + int.from_bytes(message[:HEAD], "little")
    try:
        arrays = {name: array_of(one) for name, one in split(message[end:])}
        return of_json(json.loads(message[HEAD:end]), arrays.__getitem__)
    except (SafetensorError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def array_of(one: Mapping[str, Any]) -> Array:
    """Return an array of a message, whose memory is its own. Raises KeyError for a dtype."""
    return np.ndarray(one["shape"], DTYPES[one["dtype"]], bytes(one["data"])).copy()


def to_json(content: Any, keep: Keep) -> Any:
    """Return content as JSON. What JSON does not have is an object of one key, its type."""
    for kind, write in WRITTEN.items():
        if isinstance(content, kind):
            return write(content, keep)
    if isinstance(content, Mapping):
        return {"mapping": [[str(key), to_json(one, keep)] for key, one in content.items()]}
    if isinstance(content, tuple):
        return {"tuple": [to_json(one, keep) for one in content]}
    if isinstance(content, list | frozenset | set):
        return [to_json(one, keep) for one in content]
    is_json = isinstance(content, bool | int | float | str | None)
    return content if is_json else {"other": type(content).__name__}


def data_to_json(one: Any, keep: Keep) -> Any:
    """Return an object of DATA as JSON: its fields, in order."""
    return {type(one).__name__: to_json([getattr(one, of.name) for of in fields(one)], keep)}


def array_to_json(a: Any, keep: Keep) -> Any:
    """Return an array as JSON: its name, or its decimal strings."""
    a = np.asarray(a)
    if a.dtype.kind == "U":
        return {"texts": a.tolist()}
    return {"array": keep(a)} if can_be_written(a) else {"other": f"ndarray of {a.dtype}"}


def network_to_json(network: Network, keep: Keep) -> Any:
    """Return a network as JSON, with the numbers at its leaves."""
    content = {
        "name": network.name,
        "inputs": to_json(network.inputs, keep),
        "parameters": to_json(network.parameters, keep),
        "nodes": [node_to_json(node, keep) for node in network.nodes],
        "trained": sorted(network.trained),
        "constants": sorted(network.constants),
    }
    return {"network": content}


WRITTEN: Mapping[type, Callable[[Any, Keep], Any]] = {
    np.ndarray: array_to_json,
    np.generic: array_to_json,
    Network: network_to_json,
    **dict.fromkeys(DATA, data_to_json),
}
"""Type -> how its objects are written."""


def of_json(content: Any, read: Read) -> Any:
    """Return content from its JSON. Raises ValueError, LookupError, TypeError."""
    if isinstance(content, list):
        return [of_json(one, read) for one in content]
    if not isinstance(content, dict):
        return content
    ((kind, value),) = content.items()
    return READ[kind](value, read)


def network_of_json(one: Object, read: Read) -> Network:
    """Return a network from its JSON. Raises as `of_json`."""
    return Network(
        one.get("name", "a string"),
        of_json(one.get("inputs", "an object"), read),
        of_json(one.get("parameters", "an object"), read),
        tuple(node_of_json(node, read, {}) for node in one.named("nodes", "node")),
        frozenset(one.strings("trained")),
        frozenset(one.strings("constants")),
    )


def data_of_json(kind: type[Any], parts: Any, read: Read) -> Any:
    """Return an object of DATA from its JSON. Raises as `of_json`."""
    return kind(*of_json(parts, read))


READ: Mapping[str, Callable[[Any, Read], Any]] = {
    "array": lambda name, read: read(name),
    "texts": lambda texts, _: np.array(texts),
    "mapping": lambda pairs, read: {key: of_json(one, read) for key, one in pairs},
    "tuple": lambda parts, read: (*of_json(parts, read),),
    **{kind.__name__: partial(data_of_json, kind) for kind in DATA},
    "network": lambda content, read: network_of_json(Object.of(content, "the network"), read),
    "other": lambda name, _: type(name, (), {})(),  # an object that says what was sent
}
"""What JSON does not have -> how it is read."""
