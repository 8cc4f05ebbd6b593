"""Errors about PyTorch programs that cannot be certified, in words that say what to do."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from backproof.adapters.recording import NotRecorded


@contextmanager
def not_compiled() -> Iterator[None]:
    """Raise NotRecorded where the compiler fails: to it the recorder is a part of the program."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__module__ != "torch._dynamo.exc":
            raise
        raise NotRecorded(
            "compiled code is not recorded: certify the program that is not compiled, and give "
            "the compiled one as `against`"
        ) from error


@contextmanager
def not_freed() -> Iterator[None]:
    """Raise NotRecorded where the graph of the loss is gone before its gradients are computed."""
    try:
        yield
    except RuntimeError as error:
        if "backward through the graph a second time" not in str(error):
            raise
        raise NotRecorded(
            "a part of the loss has been differentiated already, and its graph is freed: let the "
            "function compute all of the loss anew, and not call `backward`"
        ) from error


def refuse_backward(function: Any, named: Mapping[str, Any]) -> None:
    """Raise NotRecorded where a call takes a derivative in the loss that no result holds."""
    both = torch.Tensor.backward, torch.autograd.backward
    if function in both and named.get("create_graph"):
        raise NotRecorded(
            "`backward` with create_graph=True is not recorded: let the loss take its derivatives "
            "by torch.autograd.grad"
        )
