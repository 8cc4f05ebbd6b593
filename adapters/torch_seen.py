"""Modes, subclasses of tensors and hooks see the calls of a program, and none of backproof's own.

A subclass may change what a function does, or refuse functions that it does not know, as libraries
for Lie groups and manifolds do.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import _enable_torch_function, handle_torch_function, has_torch_function


@contextmanager
def unseen() -> Iterator[None]:
    """Call functions so that no mode and no subclass sees it: all tensors are plain ones."""
    with torch._C.DisableTorchFunction():  # noqa: SLF001 no other name
        yield


@contextmanager
def as_the_program() -> Iterator[None]:
    """Call functions as the program does, inside of what is `unseen`."""
    with _enable_torch_function():
        yield


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
