"""Functions that choose entry by entry: clamp, where, masks."""

from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    Seen,
    Tensor,
    array,
    constant,
    made_of,
    number,
    reads,
)


@reads("clamp", "clip")
def clamp(_: Seen, input: Tensor, min: Any = None, max: Any = None) -> Call:
    if not isinstance(min, torch.Tensor) and not isinstance(max, torch.Tensor):
        bounds = {"low": min, "high": max}
        return Call("clamp", (input,), {k: float(v) for k, v in bounds.items() if v is not None})
    steps = [("maximum", min), ("minimum", max)]
    used = [(op, number(bound)) for op, bound in steps if bound is not None]
    # The first takes the input; the second, if any, what the first has made.
    chain = ((op, (-1 if i else 0, i + 1)) for i, (op, _) in enumerate(used))
    return made_of("clamp", (input, *(bound for _, bound in used)), *chain)


@reads("clamp_min")
def clamp_min(seen: Seen, input: Tensor, min: Any) -> Call:
    return clamp(seen, input, min)


@reads("clamp_max")
def clamp_max(seen: Seen, input: Tensor, max: Any) -> Call:
    return clamp(seen, input, None, max)


@reads("hardtanh")
def hardtanh(
    seen: Seen, input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Call:
    return clamp(seen, input, min_val, max_val)


@reads("relu6")
def relu6(seen: Seen, input: Tensor, inplace: bool = False) -> Call:
    return clamp(seen, input, 0, 6)


@reads("where")
def where(seen: Seen, condition: Tensor, input: Any, other: Any) -> Call:
    if seen.function is torch.Tensor.where:  # x.where(condition, other)
        return where_(input, condition, other)
    return where_(condition, input, other)


def where_(condition: Tensor, a: Any, b: Any) -> Call:
    """Return the call that chooses a where a condition holds, else b."""
    return Call("where", (number(a), number(b)), {"condition": array(condition)})


@reads("masked_fill")
def masked_fill(_: Seen, input: Tensor, mask: Tensor, value: Any) -> Call:
    if isinstance(value, torch.Tensor) and value.requires_grad:
        return Call("where", (value, input), {"condition": array(mask)})
    filled = {"mask": array(mask), "value": constant(value, "value")}
    shape = np.broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    if shape == input.shape:
        return Call("masked_fill", (input,), filled)
    whole = ("expand", (0,), {"shape": shape})
    return made_of("masked_fill", (input,), whole, ("masked_fill", (-1,), filled))


@reads("fill", "zero")
def fill(seen: Seen, input: Tensor, value: Any = 0) -> Call:
    return masked_fill(seen, input, torch.tensor(True), value)  # noqa: FBT003


@reads("fill_diagonal")
def fill_diagonal(seen: Seen, input: Tensor, fill_value: Any, wrap: bool = False) -> Call:
    there = torch.zeros(tuple(input.shape), dtype=torch.bool)
    return masked_fill(seen, input, there.fill_diagonal_(True, wrap), fill_value)  # noqa: FBT003


@reads("tril")
def tril(_: Seen, input: Tensor, diagonal: int = 0) -> Call:
    return Call("masked_fill", (input,), {"mask": ~triangle(input, diagonal), "value": 0})


@reads("triu")
def triu(_: Seen, input: Tensor, diagonal: int = 0) -> Call:
    return Call("masked_fill", (input,), {"mask": triangle(input, diagonal - 1), "value": 0})


def triangle(x: Tensor, diagonal: int) -> Any:
    """Return which entries of matrices are on a diagonal or below it."""
    rows, columns = x.shape[-2:]
    return np.tri(rows, columns, diagonal, dtype=bool)


@reads("hardshrink")
def hardshrink(_: Seen, input: Tensor, lambd: float = 0.5) -> Call:
    small = input.detach().abs() <= lambd
    return Call("masked_fill", (input,), {"mask": array(small), "value": 0})


@reads("softshrink")
def softshrink(_: Seen, input: Tensor, lambd: float = 0.5) -> Call:
    bounds = {"low": -lambd, "high": lambd}
    return made_of("softshrink", (input,), ("clamp", (0,), bounds), ("subtract", (0, -1)))


@reads("threshold")
def threshold(
    _: Seen, input: Tensor, threshold: float, value: float, inplace: bool = False
) -> Call:
    small = array(input.detach() <= threshold)
    return Call("masked_fill", (input,), {"mask": small, "value": float(value)})
