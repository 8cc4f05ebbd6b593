"""Networks and options as JSON. Arrays may be kept apart: JSON has their names."""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import numpy as np

from backproof.reference.composed import Composed, composed
from backproof.reference.derivative import Derivative, derivative
from backproof.reference.network import UNKNOWN, Network, Node
from backproof.reference.ops import OPS, Array, Op
from backproof.reference.own import FORMS, OWN, with_forms
from backproof.traces.json_object import Object

Keep = Callable[[Array], Any]
"""Returns an array for JSON: its name, where it is kept apart, or its numbers."""

Read = Callable[[Any], Array]
"""Returns an array from what JSON has of it. Raises ValueError."""


class NotWritten(ValueError):
    """Something has no form in a file; the message says what."""


def option_to_json(option: Any, keep: Keep) -> Any:
    """Return an option for JSON. What JSON does not have is an object of one key, its type.

    Raises NotWritten.
    """
    if isinstance(option, np.ndarray | np.generic):
        return {"array": keep(np.asarray(option))}
    if isinstance(option, float) and not isfinite(option):
        return {"float": str(option)}
    if isinstance(option, tuple | list):
        several = [option_to_json(one, keep) for one in option]
        return several if isinstance(option, tuple) else {"list": several}
    if isinstance(option, slice):
        return {"slice": option_to_json((option.start, option.stop, option.step), keep)}
    if option is Ellipsis:
        return {"ellipsis": True}
    if isinstance(option, bool | int | float | str | None):
        return option
    raise NotWritten(f"a {type(option).__name__} cannot be written")


def option_of_json(content: Any, read: Read) -> Any:
    """Return an option from its JSON. Raises ValueError."""
    if isinstance(content, list):
        return tuple(option_of_json(one, read) for one in content)
    if isinstance(content, str) and is_number(content):
        raise ValueError(f"the string {content!r}: write it as a number")
    if not isinstance(content, dict):
        return content
    kinds: dict[tuple[str, ...], Callable[[Object], Any]] = {
        ("array",): lambda one: read(one.content["array"])[()],
        ("float",): lambda one: float(one.one_of("float", ("inf", "-inf", "nan"))),
        ("list",): lambda one: [option_of_json(x, read) for x in one.get("list", "an array")],
        ("slice",): lambda one: slice(*option_of_json(one.get("slice", "an array"), read)),
        ("ellipsis",): lambda _: ...,
    }
    if (*content,) not in kinds:
        raise ValueError(f"cannot read an object of {', '.join(content) or 'no keys'}")
    try:
        return kinds[*content,](Object(content, "an option"))
    except TypeError as error:
        raise ValueError(str(error)) from None


def is_number(text: str) -> bool:
    """Return whether NumPy would take a string for a number, as it takes "0.3"."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def node_to_json(node: Node, keep: Keep) -> dict[str, Any]:
    """Return a node for JSON. Raises NotWritten.

    Beside an op of the table, a file has the ops of `reference.own`, by their names; those that are
    composed of others, with their program; derivatives of ops; and the names of those that are not
    known, or that were given by the user.
    """
    op = NAMES.get(id(node.own), node.op)
    found: dict[str, Any] = {"name": node.name, "op": op, "inputs": [*node.inputs]}
    if node.options:
        try:
            options = {key: option_to_json(one, keep) for key, one in node.options.items()}
        except NotWritten as error:
            raise NotWritten(f"node {node.name}: its options: {error}") from None
        found["options"] = options
    return found | own_to_json(node.op, node.own, keep)


def own_to_json(op: str, own: Op | None, keep: Keep) -> dict[str, Any]:
    """Return for JSON the op that a node has beside the table. Raises NotWritten."""
    if own is UNKNOWN:
        return {"unknown": True}
    if isinstance(own, Derivative):
        of = {"op": NAMES.get(id(own.of), own.name), **own_to_json(own.name, own.of, keep)}
        return {"derivative": {**of, "input": own.k}}
    if isinstance(own, Composed):
        found: dict[str, Any] = {"program": program_to_json(own.network, keep)}
        if own.forms.keys() != composed(own.network).forms.keys():
            found["forms"] = [*own.forms]
        return found
    return {"given": True} if given(op, own) else {}


NAMES = {id(op): name for name, op in {**OPS, **OWN}.items()}
"""The name of each op by its identity; a program that has two ops of a name gives one another."""


def given(op: str, own: Op | None) -> dict[str, Op]:
    """Return the op that only its user has, by its name, if a node has one. own: the node's."""
    if isinstance(own, Derivative):
        return given(own.name, own.of)
    if own is None or own is UNKNOWN or isinstance(own, Composed) or id(own) in NAMES:
        return {}
    return {op: own}


def program_to_json(network: Network, keep: Keep) -> dict[str, Any]:
    """Return the program of an op that is composed of others. Raises NotWritten."""
    return {
        "leaves": [*network.inputs, *network.parameters],
        "nodes": [node_to_json(node, keep) for node in network.nodes],
    }


def node_of_json(node: Object, read: Read, given: Mapping[str, Op]) -> Node:
    """Return a node from its JSON. Raises ValueError, which names the node.

    given: the user's own ops, by name. A node whose op nobody has is not known.
    """
    op = node.get("op", "a string")
    own = own_of_json(node, op, read, given)
    options = node.inner("options", default={})
    try:
        read_options = {key: option_of_json(one, read) for key, one in options.content.items()}
    except ValueError as error:
        raise ValueError(f"{node.place}: its options: {error}") from None
    if own is UNKNOWN:
        read_options = {}
        op = f"unknown {op}" if op in OPS else op
    return Node(node.name, op, node.strings("inputs"), read_options, own)


def own_of_json(node: Object, op: str, read: Read, given: Mapping[str, Op]) -> Op | None:
    """Return the op that a node has beside the table; None where the table has it.

    Raises ValueError.
    """
    if node.get("unknown", "true or false", default=False):
        return UNKNOWN
    if node.get("given", "true or false", default=False):
        return given.get(op, UNKNOWN)
    if "derivative" in node:
        inner = node.inner("derivative")
        name = inner.get("op", "a string")
        of = own_of_json(inner, name, read, given) or OPS[name]
        k = inner.get("input", "an integer")
        if k < 0:
            raise ValueError(f"{node.place}: derivative: input: {k} is below zero")
        return UNKNOWN if of is UNKNOWN else derivative(of, k, name)
    if "program" not in node:
        return None if op in OPS else OWN.get(op) or given.get(op, UNKNOWN)
    program = node.inner("program")
    nodes = tuple(node_of_json(one, read, given) for one in program.named("nodes", "node"))
    leaves = dict.fromkeys(program.strings("leaves"), 0.0)
    own, forms = composed(Network(op, leaves, {}, nodes, frozenset())), node.strings("forms", ())
    for form in forms:
        if form not in FORMS:
            raise ValueError(f"{node.place}: forms: {form!r} is none of {', '.join(FORMS)}")
    try:
        return with_forms(own, *forms) if forms else own
    except (LookupError, StopIteration, TypeError, ValueError):
        raise ValueError(f"{node.place}: forms: these are not forms of its program") from None
