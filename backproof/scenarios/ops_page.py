"""The ops as a page (`backproof ops`): by kind, with formulas, inputs, and the options' values."""

from collections.abc import Iterator
from inspect import Parameter, signature
from typing import Any

import numpy as np

from backproof.adapters.skeleton import gives
from backproof.reference.ops import OPS
from backproof.scenarios.op_options import OP_OPTIONS

KINDS = {
    "Layers": ("dense", "convolution", "pooling", "attention"),
    "Activations": ("sigmoid", "activations", "gelu", "gates", "softmax"),
    "Normalization": ("normalization", "group_norm", "weight_norm"),
    "Losses": ("losses", "cross_entropy", "boxes"),
    "Arithmetic and functions": ("arithmetic", "elementary", "piecewise", "special"),
    "Sums, products, equations": ("reductions", "products", "linear_algebra"),
    "Moving entries": ("shaping", "indexing"),
}
"""Kind -> the files of reference/ops/ that define its ops."""

FEW = 4
"""How many values of an option are shown."""


def to_markdown() -> str:
    """Return one table for each kind of op."""
    found = {op: OPS[op].forward.__module__.rpartition(".")[2] for op in OPS}
    lines = []
    for kind, files in KINDS.items():
        lines += [
            f"## {kind}",
            "",
            "| op | gives | inputs | options with their defaults: other values that are tried |",
        ]
        lines += ["|---|---|---|---|"]
        lines += [row(op) for file in files for op in OPS if found[op] == file]
        lines += [""]
    return "\n".join(lines[:-1])


def row(op: str) -> str:
    """Return the row of an op."""
    inputs = ", ".join(f"`{name}`" for name in inputs_of(op))
    options = "; ".join(f"`{name}`: {', '.join(values)}" for name, values in options_of(op))
    return f"| `{op}` | {gives(op)} | {inputs} | {options} |"


def inputs_of(op: str) -> Iterator[str]:
    """Yield the inputs of an op, as they are called: "*x" are several, "b=None" may be left out."""
    given = given_to(op)
    for one in signature(OPS[op].forward).parameters.values():
        if one.name not in given and one.default in (None, Parameter.empty):
            star = "*" if one.kind is Parameter.VAR_POSITIONAL else ""
            yield f"{star}{one.name}" + "=None" * (one.default is None)


def options_of(op: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each option of an op, with its default, and the other values that are tried."""
    given, inputs = given_to(op), [name.partition("=")[0].strip("*") for name in inputs_of(op)]
    for one in signature(OPS[op].forward).parameters.values():
        if one.name in inputs:
            continue
        tried, default = [*dict.fromkeys(map(said, given.get(one.name, ())))], said(one.default)
        values = [value for value in tried if value != default]
        name = one.name if one.default is Parameter.empty else f"{one.name}={one.default!r}"
        yield name, [*values[:FEW], *(["..."] if len(values) > FEW else [])]


def given_to(op: str) -> dict[str, list[Any]]:
    """Return the options of an op that op cases give, each with its values."""
    found: dict[str, list[Any]] = {}
    for one in OP_OPTIONS.values():
        for name, value in one.options.items() if one.op == op else ():
            found.setdefault(name, []).append(value)
    return found


def said(value: Any) -> str:
    """Return a value of an option; of an array, what it holds."""
    if isinstance(value, np.ndarray):
        return {"i": "integers", "b": "a mask"}.get(value.dtype.kind, "an array")
    if isinstance(value, tuple) and any(isinstance(one, np.ndarray) for one in value):
        return "arrays"
    return f"`{value!r}`"
