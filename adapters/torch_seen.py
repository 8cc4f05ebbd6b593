"""Modes, subclasses of tensors and hooks see the calls of a program, and none of backproof's own.

A subclass may change what a function does, or refuse functions that it does not know, as libraries
for Lie groups and manifolds do. The calls that it makes instead are calls of the program.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.overrides import handle_torch_function, has_torch_function

C: Any = torch._C  # noqa: SLF001 no other name
STATES = C._TorchFunctionState  # noqa: SLF001 as above
"""Whether modes and subclasses see calls, modes alone, or neither."""

STATE: ContextVar[Any] = ContextVar("STATE", default=STATES.ENABLED)
"""Who sees the calls of the program. No subclass does while one makes a call that it overrides."""


@contextmanager
def unseen() -> Iterator[None]:
    """Call functions so that no mode and no subclass sees it: all tensors are plain ones."""
    state = C._get_torch_function_state()  # noqa: SLF001 as above
    outer = STATE.set(STATE.get() if state == STATES.ALL_DISABLED else state)
    try:
        with C.DisableTorchFunction():
            yield
    finally:
        STATE.reset(outer)


@contextmanager
def as_the_program() -> Iterator[None]:
    """Call functions as the program does, inside of what is `unseen`."""
    own = C._get_torch_function_state()  # noqa: SLF001 as above
    C._set_torch_function_state(STATE.get())  # noqa: SLF001 as above
    try:
        yield
    finally:
        C._set_torch_function_state(own)  # noqa: SLF001 as above


@contextmanager
def all_seen() -> Iterator[None]:
    """Let modes see `Tensor.set_`, too: the one method that writes, and that PyTorch hides."""
    tensor: Any = torch.Tensor
    hidden = tensor.set_

    def set_(t: Any, *args: Any, **named: Any) -> Any:
        """Give a tensor another memory."""
        if has_torch_function((t, *args)):
            return handle_torch_function(hidden, (t, *args), t, *args, **named)
        return hidden(t, *args, **named)

    tensor.set_ = set_
    try:
        yield
    finally:
        del tensor.set_  # the class inherits the hidden one


def run(function: Any, args: Any = (), named: Mapping[str, Any] | None = None) -> Any:
    """Return the result of a call as the program makes it."""
    with as_the_program():
        return function(*args, **(named or {}))


def unhooked() -> Any:
    """Call functions so that no hook of the program sees what autograd saves for their derivatives.

    A checkpoint counts what is saved in the forward pass, and again where it is computed anew.
    """
    return torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t)


def is_overridden(types: Any) -> bool:
    """Return whether the program asks subclasses what a function does with their tensors.

    types: of the operands. A subclass that does not say so itself calls the function as it is.
    """
    kinds = (torch.Tensor, *types)
    plain, *own = (getattr(kind.__torch_function__, "__func__", None) for kind in kinds)
    return STATE.get() == STATES.ENABLED and any(one is not plain for one in own)


def as_overridden(function: Any, types: Any, args: Any, named: Mapping[str, Any]) -> Any:
    """Return the result of a call by the first of some subclasses that knows the function.

    Raises TypeError where none does. The modes that are on see the calls that the subclass makes.
    """
    with as_the_program():
        for kind in types:
            result = kind.__torch_function__(function, types, args, named)
            if result is not NotImplemented:
                return result
    raise TypeError(f"no subclass of tensors among the operands has {function}")
