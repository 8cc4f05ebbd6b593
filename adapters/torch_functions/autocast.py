"""What autocast rounds to a lower precision: the operands of products, by casts that nobody calls.

The casts of a product's operands are recorded as calls of their own. Where a function is made of
products, nobody sees which of its steps are rounded, and it is not known.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from string import ascii_letters
from typing import Any
from unittest.mock import patch

import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    name_of,
    over,
    writes,
)

LOWERED = (
    *("linear", "matmul", "bmm", "addmm", "baddbmm", "addbmm", "mm", "mv", "addmv", "addr"),
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    *("linalg_vecdot", "linalg_multi_dot", "prelu", "scaled_dot_product_attention"),
)
"""The functions whose operands autocast rounds to the lower precision, on some device (PyTorch's
documentation, Automatic Mixed Precision, Autocast Op Reference)."""


def lower_dtype(operands: Sequence[Tensor]) -> Any:
    """Return the dtype that autocast rounds operands to; None where it is off."""
    device = operands[0].device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def wide_under_autocast(operands: Iterable[Any]) -> list[Tensor]:
    """Return the operands of float32 where autocast rounds to a lower precision.

    Numbers without axes are none of them: they are rounded without autocast, too.
    """
    tensors = [t for t in operands if isinstance(t, torch.Tensor)]
    if not tensors or lower_dtype(tensors) is None:
        return []
    return [t for t in tensors if t.dtype == torch.float32 and t.dim()]


def refuse_hidden_casts(operands: Iterable[Any]) -> None:
    """Raise NotKnown where autocast rounds products inside of a call, which nobody sees."""
    if wide_under_autocast(operands):
        raise NotKnown("steps that autocast rounds")


NORMS = ("layer_norm", "rms_norm", "batch_norm", "group_norm", "instance_norm")
"""Functions whose result is in the precision of what they normalize; weights may be wider."""


def refuse_rounded(calls: Any, seen: Seen, operands: Iterable[Tensor]) -> None:
    """Raise NotKnown where a call that casts or writes nothing has a result of lower precision.

    It then has rounded operands of float32, or something that it has made of them.
    """
    t, (x, *others) = seen.result, operands
    is_cast = isinstance(calls, Call) and calls.op == "cast"
    is_norm = name_of(seen.function) in NORMS and x.dtype == getattr(t, "dtype", None)
    if is_cast or is_norm or seen.before or not isinstance(t, torch.Tensor):
        return
    if t.dtype == lower_dtype([t]):
        refuse_hidden_casts([x, *others])


def is_lowered(
    function: Any, args: Any, named: Mapping[str, Any], operands: Iterable[Tensor]
) -> bool:
    """Return whether autocast rounds the operands of a call as they are, and nothing else.

    So it does where an einsum is one product of matrices: each of its sums is one of products.
    """
    wide, name = wide_under_autocast(operands), name_of(function)
    if not wide or writes(function, named):
        return False
    if name == "einsum":
        return is_product(*args)
    return name in LOWERED and has_own_rule(name, wide[0].device.type)


@cache
def has_own_rule(name: str, device: str) -> bool:
    """Return whether autocast treats a function in a way of its own on a device."""
    overloads = getattr(torch.ops.aten, name).overloads()
    names = (f"aten::{name}" + f".{one}" * (one != "default") for one in overloads)
    has = torch._C._dispatch_has_kernel_for_dispatch_key  # noqa: SLF001 no other name
    return any(has(one, f"Autocast{device.upper()}") for one in names)


def is_product(equation: Any, *operands: Any) -> bool:
    """Return whether an einsum is of two operands, and sums over letters of both alone."""
    if not isinstance(equation, str) or len(operands) != len("ab"):
        return False
    left, arrow, out = equation.replace(" ", "").partition("->")
    sides = [
        dict(zip(term, x.shape, strict=True))
        for term, x in zip(left.split(","), operands, strict=True)
        if len(term) == x.dim() and {*term} <= {*ascii_letters}
    ]
    if not arrow or len(sides) != len(operands):
        return False
    summed = (sides[0].keys() | sides[1].keys()) - {*out}
    return bool(summed) and all(side.get(i, 1) > 1 for i in summed for side in sides)


@contextmanager
def also_forgetting(forget: Callable[[], None]) -> Iterator[None]:
    """Call a function whenever autocast forgets its casts, as it does where its context ends."""
    clear = torch.clear_autocast_cache

    def both() -> None:
        clear()
        forget()

    with patch.object(torch, "clear_autocast_cache", both):
        yield


def lowered(
    values: Any,
    dtype: Any,
    cast: Callable[[Tensor, Any], Tensor],
    once: dict[int, tuple[Tensor, Tensor]],
) -> Any:
    """Return a call's arguments as autocast rounds them.

    cast: makes a cast. once: id of a leaf -> the leaf, and its cast, which autocast makes once in a
    context, unless its cache is off.
    """

    def lower(t: Any) -> Any:
        if not isinstance(t, torch.Tensor) or t.dtype != torch.float32:
            return t
        if not (t.is_leaf and t.requires_grad and torch.is_autocast_cache_enabled()):
            return cast(t, dtype)
        if id(t) not in once:
            once[id(t)] = t, cast(t, dtype)
        return once[id(t)][1]

    return over(lower, values)
