"""Reductions: sums, means, variances."""

from dataclasses import replace
from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    axes_of,
    made_of,
    reads,
)
from backproof.reference.own import QUOTIENT, with_forms


def over(dim: Any, keepdim: bool) -> dict[str, Any]:
    """Return the options of a reduction, as NumPy calls them."""
    return {"axis": axes_of(dim), "keepdims": keepdim}


def reduction(op: str) -> Any:
    """Return the reader of a function that is a reduction of the table."""

    def read(
        _: Seen,
        input: Tensor,
        dim: Any = None,
        keepdim: bool = False,
        *,
        dtype: Any = None,
        axis: Any = None,
        keepdims: bool = False,
    ) -> Call:
        return Call(op, (input,), over(dim if axis is None else axis, keepdim or keepdims))

    return read


for name in ("sum", "mean", "logsumexp"):
    reads(name)(reduction(name))


@reads("cumsum")
def cumsum(_: Seen, input: Tensor, dim: int, **__: Any) -> Call:
    return Call("cumsum", (input,), {"axis": dim})


MOST_FACTORS = 64
"""A product of more factors is not read."""


@reads("prod")
def prod(_: Seen, input: Tensor, dim: int | None = None, keepdim: bool = False, **__: Any) -> Call:
    """Read it as one multiplication after another, whose derivative may be dy y / x instead."""
    flat = [("reshape", (0,), {"shape": (-1,)})] if dim is None else []
    axis = 0 if dim is None else dim % input.dim()
    n = input.numel() if dim is None else input.shape[axis]
    if not 0 < n <= MOST_FACTORS:
        raise NotKnown(f"a product of {n} factors")
    before = (slice(None),) * axis
    wide = not keepdim or dim is None
    found: list[Any] = [*flat]
    for k in range(n):
        x = -len(found) if flat else 0  # the first step made it, if any did
        at = {"index": (*before, k if wide else slice(k, k + 1))}
        found.append(("slice", (x,), at))
        found += [("multiply", (-2, -1))] if k else []
    call = made_of("prod", (input,), *found)
    return replace(call, own=with_forms(call.own, QUOTIENT)) if n > 1 else call


@reads("trace")
def trace(_: Seen, input: Tensor) -> Call:
    places = np.arange(min(input.shape))
    at = {"index": (places, places)}
    return made_of("trace", (input,), ("slice", (0,), at), ("sum", (-1,)))


# Variances.


def spread(dim: Any, unbiased: Any, correction: Any, keepdim: bool) -> dict[str, Any]:
    """Return the options of a variance. var(True) and var(dim) are two spellings."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    n = 1 if correction is None else correction
    return over(dim, keepdim) | {"correction": n if unbiased is None else int(unbiased)}


@reads("var")
def var(
    _: Seen,
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> Call:
    return Call("variance", (input,), spread(dim, unbiased, correction, keepdim))


@reads("std")
def std(
    _: Seen,
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> Call:
    options = spread(dim, unbiased, correction, keepdim)
    return made_of("std", (input,), ("variance", (0,), options), ("sqrt", (-1,)))


@reads("var_mean")
def var_mean(seen: Seen, input: Tensor, *arguments: Any, **named: Any) -> list[Call]:
    first = var(seen, input, *arguments, **named)
    return [first, Call("mean", (input,), {k: first.options[k] for k in ("axis", "keepdims")})]


@reads("std_mean")
def std_mean(seen: Seen, input: Tensor, *arguments: Any, **named: Any) -> list[Call]:
    _, mean = var_mean(seen, input, *arguments, **named)
    return [std(seen, input, *arguments, **named), mean]
