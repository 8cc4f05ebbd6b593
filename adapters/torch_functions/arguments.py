"""The names of a call's arguments: those of PyTorch's function, and those of its reader."""

from collections.abc import Callable, Mapping
from functools import cache
from inspect import Parameter, Signature, signature
from types import FunctionType
from typing import Any

import torch
from torch.overrides import get_testing_overrides

from backproof.adapters.torch_functions.calls import Reader, name_of


def signature_of(function: Callable[..., Any]) -> Signature:
    """Return the signature of one of PyTorch's functions; those in C++ do not have one."""
    if isinstance(function, FunctionType):
        return signature(function)
    return signature(get_testing_overrides()[function])


@cache
def orders_of(function: Callable[..., Any]) -> list[list[str]]:
    """Return the names of a function's arguments, in order; several where it is overloaded.

    Those that are given by name alone are none of them.
    """
    if isinstance(function, FunctionType):
        return [[*signature(function).parameters]]
    overloads = getattr(torch.ops.aten, name_of(function), None)
    if overloads is None:
        return []
    schemas = (getattr(overloads, one)._schema for one in overloads.overloads())  # noqa: SLF001
    each = ([a.name for a in one.arguments if not a.kwarg_only] for one in schemas)
    return [["input" if name == "self" else name for name in names] for names in each]


NUMPYS = {"axis": "dim", "keepdims": "keepdim"}
"""NumPy's names of arguments, which PyTorch takes as well -> its own."""


def renamed(
    function: Callable[..., Any], reader: Reader, named: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return arguments that are given by name under the names that the reader has for them."""
    parameters = [*signature(reader).parameters.values()][1:] if named else []
    own = [one.name for one in parameters if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
    named = {k if k in own else NUMPYS.get(k, k): v for k, v in named.items()}
    strange = named.keys() - {one.name for one in parameters}
    if not strange:
        return named
    order = max(orders_of(function), key=lambda one: len(strange & {*one}), default=[])
    place = {k: own[i] for i, k in enumerate(order[: len(own)]) if own[i] not in order}
    return {place.get(k, k) if k in strange else k: v for k, v in named.items()}
