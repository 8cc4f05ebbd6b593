"""Functions of PyTorch that are opened: the calls in their bodies are recorded."""

from collections.abc import Callable
from functools import cache
from inspect import unwrap
from types import FunctionType
from typing import Any

import torch

from backproof.adapters.torch_functions import name_of
from backproof.adapters.torch_recurrent import CELLS, in_steps

OPENED = ("torch.nn.functional", "torch.functional", "torch._tensor")
"""The modules whose functions in Python are made of other public calls."""

CLOSED = ("register_hook", "retain_grad", "backward", "__repr__", "__format__", "__deepcopy__")
"""Functions in them that compute nothing."""


@cache
def opened(function: Any) -> Callable[..., Any] | None:
    """Return the body of a function that is made of other public calls, so that it is recorded."""
    if (name := name_of(function)) in CELLS:
        return in_steps(name)
    body = unwrap(function) if callable(function) else function
    if not isinstance(body, FunctionType) or body.__module__ not in OPENED:
        return None
    return None if body.__name__ in CLOSED else unasked(body)


def writes_first(function: Any, args: Any, named: Any) -> bool:
    """Return whether a function first scales rows of its weights in place: a call of its own."""
    limits = (*args[3:4], named.get("max_norm"))
    return function is torch.nn.functional.embedding and any(one is not None for one in limits)


def unasked(body: Any) -> Callable[..., Any]:
    """Return a function of PyTorch's in Python without asking whether somebody overrides it.

    It is the same code with the answer no.
    """
    answers = {
        name: lambda *_: False for name in body.__globals__ if name.startswith("has_torch_function")
    }
    copy = FunctionType(
        body.__code__,
        {**body.__globals__, **answers},
        body.__name__,
        body.__defaults__,
        body.__closure__,
    )
    copy.__kwdefaults__ = body.__kwdefaults__
    return copy
