"""The arguments of a call: as PyTorch's function has them, and as its reader has them."""

from collections.abc import Callable, Mapping
from functools import cache
from inspect import Parameter, Signature, signature
from types import FunctionType
from typing import Any

import torch
from torch._ops import OpOverload
from torch.overrides import get_testing_overrides

from backproof.adapters.torch_functions.calls import Reader, name_of


def signature_of(function: Callable[..., Any]) -> Signature:
    """Return the signature of one of PyTorch's functions; those in C++ do not have one."""
    if isinstance(function, FunctionType):
        return signature(function)
    return signature(get_testing_overrides()[function])


def after_seen(own: Signature) -> Signature:
    """Return the signature of a reader that takes what was seen, and then the same arguments."""
    return own.replace(
        parameters=[Parameter("seen", Parameter.POSITIONAL_OR_KEYWORD), *own.parameters.values()]
    )


@cache
def names_of(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments of a function in Python that may be given in order."""
    parameters = signature(function).parameters.values()
    return [one.name for one in parameters if one.kind is Parameter.POSITIONAL_OR_KEYWORD]


@cache
def orders_of(function: Callable[..., Any]) -> list[list[str]]:
    """Return the names of a function's arguments, in order; several where it is overloaded.

    Those that are given by name alone are none of them.
    """
    if isinstance(function, FunctionType):
        return [[*signature(function).parameters]]
    if isinstance(function, OpOverload):
        schemas = [function._schema]  # noqa: SLF001 no other name
    else:
        overloads = getattr(torch.ops.aten, name_of(function), None)
        names = overloads.overloads() if overloads else ()
        schemas = [getattr(overloads, one)._schema for one in names]  # noqa: SLF001
    each = ([a.name for a in one.arguments if not a.kwarg_only] for one in schemas)
    return [["input" if name == "self" else name for name in names] for names in each]


REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}
"""PyTorch's numbers for reductions."""

LIBRARY = ("cudnn_enable", "cudnn_enabled")
"""Arguments that only say which library computes a function."""


def in_public_order(
    function: Callable[..., Any], public: Callable[..., Any], args: Any, named: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Any]]:
    """Return a call's arguments as they are given to the public function of the same name.

    A function in C++, such as torch.batch_norm or torch.ops.aten.mse_loss, may have them in another
    order: those are given by name. Its numbers for reductions become their names.
    public: what has the arguments of the public function: its reader, or a body.
    """
    in_python = isinstance(function, FunctionType)
    orders = set() if in_python else {(*order,) for order in orders_of(function)}
    if len(orders) == 1:
        (order,) = orders
        given = {k: v for k, v in zip(order, args, strict=False) if k not in LIBRARY}
        if given.keys() <= {*names_of(public)}:
            args, named = (), {**given, **named}
    if "reduction" in named:
        named = {**named, "reduction": REDUCTIONS.get(named["reduction"], named["reduction"])}
    return args, named


NUMPYS = {"axis": "dim", "keepdims": "keepdim"}
"""NumPy's names of arguments, which PyTorch takes as well -> its own."""


def renamed(
    function: Callable[..., Any], reader: Reader, named: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return arguments that are given by name under the names that the reader has for them."""
    own = names_of(reader)[1:]
    named = {k if k in own else NUMPYS.get(k, k): v for k, v in named.items()}
    strange = named.keys() - {*signature(reader).parameters}
    if not strange:
        return named
    order = max(orders_of(function), key=lambda one: len(strange & {*one}), default=[])
    place = {k: own[i] for i, k in enumerate(order[: len(own)]) if own[i] not in order}
    return {place.get(k, k) if k in strange else k: v for k, v in named.items()}
