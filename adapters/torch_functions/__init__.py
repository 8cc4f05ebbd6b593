"""PyTorch's functions, read as ops: the adapter's table backwards.

Where the adapter's function for an op is PyTorch's own, its calls are read by its signature
(`as_in_the_adapter`). Each of the others has a row in a file of this folder: a function with the
signature of PyTorch's, from the arguments of a call to the op, its tensors and its options. A
method and an in-place function have the name and the row of the function.
"""

from collections.abc import Callable
from inspect import Parameter, signature
from types import FunctionType
from typing import Any

import torch

from backproof.adapters.pytorch_autograd import adapter
from backproof.adapters.torch_functions import (
    alignments,
    arithmetic,
    attention,
    blocks,
    choices,
    complex_numbers,
    composed,
    decompositions,
    determinants,
    differences,
    distances,
    fourier,
    images,
    indexing,
    interpolation,
    joining,
    lengths,
    linear_algebra,
    losses,
    margins,
    memory,
    moving,
    norms,
    order,
    padding,
    powers,
    products,
    quantiles,
    recurrent,
    reductions,
    sampling,
    special,
    statistics,
    triangles,
    windows,
    writing,
)
from backproof.adapters.torch_functions.arguments import after_seen, signature_of
from backproof.adapters.torch_functions.calls import (
    ATEN,
    ATEN_SPACE,
    COMPLEX,
    READERS,
    Call,
    NotKnown,
    Reader,
    Seen,
    alike,
    array,
    name_of,
    number,
    own_key,
    registered,
    writes,
)
from backproof.adapters.torch_functions.complex_numbers import ALIKE, over_complex
from backproof.reference.ops import OPS, Op

__all__ = [
    "Call",
    "NotKnown",
    "Seen",
    "as_given",
    "aten_reader_of",
    "complex_reader_of",
    "name_of",
    "own_key",
    "reader_of",
    "writes",
]

THEMES = (
    *(alignments, arithmetic, attention, blocks, choices, complex_numbers, composed),
    *(decompositions, determinants, differences, distances, fourier, images, indexing),
    *(interpolation, joining, lengths, linear_algebra, losses, margins, memory, moving),
    *(norms, order, padding, powers, products, quantiles, recurrent, reductions),
    *(sampling, special, statistics, triangles, windows, writing),
)
"""The files of rows, which register themselves."""


def reader_of(function: Callable[..., Any]) -> Reader | None:
    """Return what reads the calls of a function; None where the reference has no op for it."""
    space, beneath = registered(function)
    if space:
        return aten_reader_of(beneath) if space == ATEN_SPACE else None
    name = name_of(function)
    in_python = isinstance(function, FunctionType)
    return (not in_python and ATEN.get(name)) or of_name(name) or of_name(bare(name))


def complex_reader_of(function: Callable[..., Any]) -> Reader:
    """Return what reads the calls of a function of complex numbers, or with such a result."""
    name = name_of(function).removesuffix("_copy")
    real = reader_of(function) if name in ALIKE else None
    return COMPLEX.get(name) or (over_complex(real) if real else unread)


def unread(*_: Any, **__: Any) -> Call:
    """Raise NotKnown."""
    raise NotKnown("complex numbers")


def aten_reader_of(name: str) -> Reader | None:
    """Return what reads the calls of a function beneath autograd: mostly, as the public one."""
    return ATEN.get(name.removesuffix("_")) or of_name(name.strip("_")) or of_name(bare(name))


def bare(name: str) -> str:
    """Return the name of a function without what tells it from its namesake: "special_erf"."""
    return name.removeprefix("special_").removeprefix("numpy_").removesuffix("_copy")


def of_name(name: str) -> Reader | None:
    """Return the reader of the functions of a name; None where there is none."""
    return READERS.get(name) or AS_IN_THE_ADAPTER.get(name)


def as_in_the_adapter(op: str, function: Callable[..., Any]) -> Reader:
    """Return the reader of calls of the function that the adapter has for an op.

    The first arguments are the op's inputs; an option has the same name in both. All other
    arguments must be left at their defaults.
    """
    parameters = signature(OPS[op].forward).parameters.values()
    inputs = [one for one in parameters if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
    options = {one.name: one.default for one in parameters if one.kind is Parameter.KEYWORD_ONLY}
    own = signature_of(function)

    def read(_: Seen, *arguments: Any, **named: Any) -> Call:
        try:
            bound = own.bind(*arguments, **named).arguments
        except TypeError as error:
            raise NotKnown(str(error)) from None
        names = [*own.parameters]
        tensors = [bound.pop(name, None) for name in names[: len(inputs)]]
        given = {name: alike(value) for name, value in bound.items()}
        for name, value in given.items():
            default = alike(own.parameters[name].default)
            if name not in (*options, "inplace") and value != default:
                raise NotKnown(f"{name}={value!r}")
        if any(isinstance(t, bool | int | float) for t in tensors):
            tensors = [number(t) for t in tensors]
        used = {k: v for k, v in given.items() if k in options and v != options[k]}
        return Call(op, tuple(t for t in tensors if t is not None), used)

    read.__signature__ = after_seen(own)  # type: ignore[attr-defined]
    return read


def as_given(name: str, op: Op) -> Reader:
    """Return the reader of calls of a function whose op is given.

    The op's forward function takes the same arguments in the same order. Tensors of numbers are its
    operands; all others are options, by the names that it has for them, as arrays if they are
    tensors of integers or of truth values.
    """
    names = [
        one.name
        for one in signature(op.forward).parameters.values()
        if one.kind is Parameter.POSITIONAL_OR_KEYWORD
    ]

    def read(seen: Seen, *arguments: Any, **options: Any) -> Any:
        is_one = isinstance(seen.result, torch.Tensor)
        every = [seen.result] if is_one else [*filter(torch.is_tensor, seen.result)]
        results = [t for t in every if t.requires_grad]
        if len(results) != 1:
            raise NotKnown(
                "an op has one result, and the function has several: give a function in its place"
            )
        operands = []
        for i, t in enumerate(arguments):
            if isinstance(t, torch.Tensor) and t.is_floating_point():
                operands.append(t)
            elif i < len(names):
                options[names[i]] = array(t) if isinstance(t, torch.Tensor) else t
            elif t is not None:
                raise NotKnown(f"the op's forward function takes {len(names)} arguments")
        call = Call(name, (*operands,), options, op)
        return call if is_one else [call if t is results[0] else None for t in every]

    return read


AS_IN_THE_ADAPTER: dict[str, Reader] = {
    name_of(function): as_in_the_adapter(op, function)
    for op, function in adapter.ops.items()
    if str(function.__module__ or "torch").startswith("torch")
}
"""The name of a function -> the reader of its calls, for all that the adapter calls directly."""
