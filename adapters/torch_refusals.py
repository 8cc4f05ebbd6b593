"""Errors about PyTorch programs that cannot be certified, in words that say what to do."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses import FakeTensor

from backproof.adapters.recording import NotRecorded

Tensor = Any

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""The precisions of which the rounding is known."""

COMPLEX_DTYPES = (torch.complex128, torch.complex64)
"""Those of complex numbers with such parts."""


def refuse(t: Tensor, place: Any) -> None:
    """Raise NotRecorded for a tensor of a kind that has no certificate."""
    if reason := reason_against(t):
        raise NotRecorded(f"{reason}: {place}")


def reason_against(t: Tensor) -> str:
    """Return why a tensor cannot be certified; "" where it can."""
    if torch.nn.parameter.is_lazy(t):
        return "a lazy module has no parameters before it is first called: call the model once"
    if t.is_meta:
        return "meta tensors have no numbers: certify the model once it is initialized"
    kinds = {
        "torch.func's": torch._C._functorch.is_functorch_wrapped_tensor(t),  # noqa: SLF001
        "quantized": t.is_quantized,
        "nested": t.is_nested,
        "sparse": t.layout != torch.strided,
        str(t.dtype): (t.is_floating_point() or t.is_complex())
        and t.dtype not in (*DTYPES, *COMPLEX_DTYPES),
    }
    for kind, found in kinds.items():
        if found:
            return f"{kind} tensors are not certified"
    if not has_memory(t):
        return (
            f"{type(t.detach()).__name__}, whose numbers are in other tensors, is not certified: "
            "certify the model before it is sharded"
        )
    return ""


def has_memory(t: Tensor) -> bool:
    """Return whether a tensor has its numbers itself: a wrapper of others has not."""
    try:
        t.untyped_storage().data_ptr()
    except RuntimeError:
        return False
    return True


COMPILED = (
    "compiled code is not recorded: certify the program that is not compiled, and give the "
    "compiled one as `against`"
)
"""What to do with a program of which the whole, or a part, is compiled."""


def refuse_compiled(operands: Iterable[Tensor]) -> None:
    """Raise NotRecorded where the compiler calls a function, with tensors that have no numbers.

    operands: those that are differentiated. Constants may be computed by compiled code.
    """
    if any(isinstance(t, FakeTensor) for t in operands):
        raise NotRecorded(COMPILED)


@contextmanager
def not_compiled() -> Iterator[None]:
    """Raise NotRecorded where the compiler fails: to it the recorder is a part of the program."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__module__ != "torch._dynamo.exc":
            raise
        raise NotRecorded(COMPILED) from error


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


def refuse_duals(name: str, operands: Iterable[Tensor]) -> None:
    """Raise NotRecorded where a tangent of forward mode may be a part of the loss.

    name: of a function. operands: those that are differentiated, whose tangents nobody sees.
    """
    if name in ("make_dual", "unpack_dual") and any(True for _ in operands):
        raise NotRecorded(
            "forward-mode derivatives in the loss are not recorded: let the loss take its "
            "derivatives by torch.autograd.grad"
        )


def refuse_backward(function: Any, named: Mapping[str, Any]) -> None:
    """Raise NotRecorded where a call takes a derivative in the loss that no result holds."""
    both = torch.Tensor.backward, torch.autograd.backward
    if function in both and named.get("create_graph"):
        raise NotRecorded(
            "`backward` with create_graph=True is not recorded: let the loss take its derivatives "
            "by torch.autograd.grad"
        )
