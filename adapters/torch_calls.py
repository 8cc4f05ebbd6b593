"""What the recorder asks of a call of PyTorch before it records it."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from backproof.adapters.torch_functions import name_of, writes
from backproof.adapters.torch_graph import of_numbers, tensors_of

Tensor = Any

INSIDE = (str(Path(torch.__file__).parent), str(Path(__file__).parent), contextlib.__file__)
"""The folders and files whose code is not the user's."""

MAKE = (
    *("zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like"),
    *("new_zeros", "new_ones", "new_full", "new_tensor"),
)
"""The functions that take of an operand its shape or its type alone, and make constants."""

UNWRITTEN = ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty")
"""The functions that return memory as it is."""

FILL = 3
"""What a recorded pass finds in such memory: any number but the zero that is often there."""

NUMBERS = (
    *("item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__"),
    *("storage", "untyped_storage", "data_ptr", "__dlpack__"),
)
"""The functions that return the numbers of a tensor, or its memory, as something else."""


SETS_DATA: Any = vars(torch._C.TensorBase)["data"].__set__  # noqa: SLF001 no other name
"""What gives a tensor another memory, as `t.data = ...`."""

SETS_HOOKS: Any = vars(torch._C.TensorBase)["_backward_hooks"].__set__  # noqa: SLF001 as above
"""What autograd calls while it locks the tensor: asking anything of it then would never end."""


def operands_of(function: Any, args: Any, named: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the tensors that a call takes. Of one that sets an attribute, nothing is computed.

    Autograd sets the hooks of a tensor while it writes to it.
    """
    if getattr(function, "__name__", "") != "__set__":
        yield from tensors_of(args, named)


def written_by(function: Any, args: Any, named: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the tensors that a call writes to."""
    if writes(function, named) or "out" in named or function == SETS_DATA:
        yield from tensors_of(args[:1], named.get("out"))


def filled(function: Any, result: Any) -> Any:
    """Return a call's result, with numbers in memory that nobody has written.

    It may hold NaN, which is harmless only where the program writes over it. A program that reads
    it has another loss than without the recorder, and is refused.
    """
    if name_of(function) in UNWRITTEN and of_numbers(result):
        result.detach().fill_(FILL)
    return result


def is_users(code: Any) -> bool:
    """Return whether code is the user's program: not PyTorch's, backproof's, or another mode's."""
    return not code.co_filename.startswith(INSIDE) and code.co_name != "__torch_function__"


def is_transformed(t: Tensor) -> bool:
    """Return whether a tensor is differentiated inside of vmap, grad or jvp: autograd sees none."""
    functorch = torch._C._functorch  # noqa: SLF001 no other name
    inner = t
    while functorch.is_functorch_wrapped_tensor(inner):
        inner = functorch.get_unwrapped(inner)
    return inner is not t and bool(inner.requires_grad)


def is_made_of(results: list[Tensor], calls: Any, i: int) -> bool:
    """Return whether one result of a call was computed from another one."""
    made = {id(t) for t in results}
    if not isinstance(calls, list) or calls[i] is None:
        return False
    return any(id(t) in made for t in calls[i].tensors)


def described(function: Any) -> str:
    """Return what users call a function: "F.gelu", "torch.add"."""
    name = getattr(function, "__name__", str(function))
    module = getattr(function, "__module__", None)
    whole = f"{module}.{name}" if module == "torch.autograd" else name
    name = torch.overrides.resolve_name(function) or whole
    return name.replace("torch._C._nn.", "F.").replace("torch.nn.functional.", "F.")
