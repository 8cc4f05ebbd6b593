"""Reductions: sums, means, variances."""

from typing import Any

import numpy as np

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    array,
    axes_of,
    made_of,
    reads,
    steps,
)
from backproof.adapters.torch_functions.numbers import as_vectors
from backproof.reference.ops import Op
from backproof.reference.ops.factors import cumprod, product
from backproof.reference.ops.log_sums import logcumsumexp
from backproof.reference.ops.reductions import count


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

    return as_vectors(read)


def without_nan(reader: Any) -> Any:
    """Return a reader of calls of numbers that are no NaN."""

    def read(seen: Seen, input: Tensor, *arguments: Any, **named: Any) -> Call:
        if input.isnan().any():
            raise NotKnown("NaN")
        call: Call = reader(seen, input, *arguments, **named)
        return call

    return read


for name in ("sum", "mean", "logsumexp"):
    reads(name)(reduction(name))

for name in ("sum", "mean"):
    reads(f"nan{name}")(without_nan(reduction(name)))


@reads("cumsum")
@as_vectors
def cumsum(_: Seen, input: Tensor, dim: int, **__: Any) -> Call:
    return Call("cumsum", (input,), {"axis": dim})


@reads("prod")
@as_vectors
def prod(
    seen: Seen, input: Tensor, dim: int | None = None, keepdim: bool = False, **__: Any
) -> Call:
    """Read it as one multiplication after another, whose derivative may be dy y / x instead."""
    shape = (input.numel(),) if dim is None else tuple(input.shape)
    axis = 0 if dim is None else dim % input.dim()
    if not shape[axis]:
        raise NotKnown("a product of no factors")
    if dim is not None and not keepdim:
        return Call("product", (input,), {"axis": axis}, product)
    return made_of(
        *("prod", (input,)),
        ("reshape", (0,), {"shape": shape}),
        ("product", (-1,), {"axis": axis}, product),
        ("reshape", (-1,), {"shape": tuple(seen.result.shape)}),
    )


def up_to_each(name: str, op: Op) -> Any:
    """Return the reader of a function that reduces all entries up to each along an axis."""

    def read(_: Seen, input: Tensor, dim: int, *, dtype: Any = None) -> Call:
        if dtype not in (None, input.dtype):
            raise NotKnown("dtype")
        if not input.numel():
            raise NotKnown("no entries")
        return Call(name, (input,), {"axis": dim % input.dim()}, op)

    return as_vectors(read)


reads("cumprod")(up_to_each("cumprod", cumprod))
reads("logcumsumexp")(up_to_each("logcumsumexp", logcumsumexp))


@reads("trace")
def trace(_: Seen, input: Tensor) -> Call:
    places = np.arange(min(input.shape))
    at = {"index": (places, places)}
    return made_of("trace", (input,), ("slice", (0,), at), ("sum", (-1,)))


# Variances.


def spread(x: Tensor, dim: Any, unbiased: Any, correction: Any, keepdim: bool) -> dict[str, Any]:
    """Return the options of a variance. var(True) and var(dim) are two spellings.

    Raises NotKnown where PyTorch divides by zero in place of a negative number.
    """
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    taken = 1 if correction is None else correction
    options = over(dim, keepdim) | {"correction": taken if unbiased is None else int(unbiased)}
    if count(x, options["axis"]) < options["correction"]:
        raise NotKnown("fewer numbers than the correction")
    return options


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
    return Call("variance", (input,), spread(input, dim, unbiased, correction, keepdim))


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
    options = spread(input, dim, unbiased, correction, keepdim)
    return made_of("std", (input,), ("variance", (0,), options), ("sqrt", (-1,)))


@reads("var_mean")
def var_mean(seen: Seen, input: Tensor, *arguments: Any, **named: Any) -> list[Call]:
    first = var(seen, input, *arguments, **named)
    return [first, Call("mean", (input,), {k: first.options[k] for k in ("axis", "keepdims")})]


@reads("std_mean")
def std_mean(seen: Seen, input: Tensor, *arguments: Any, **named: Any) -> list[Call]:
    _, mean = var_mean(seen, input, *arguments, **named)
    return [std(seen, input, *arguments, **named), mean]


@reads("segment_reduce")
def segment_reduce(
    seen: Seen,
    data: Tensor,
    reduce: str,
    *,
    lengths: Any = None,
    offsets: Any = None,
    axis: int = 0,
    initial: Any = None,
    **__: Any,
) -> Call:
    """Read it as the sums of rows that belong together, which `lengths` or `offsets` tell."""
    counts = lengths if offsets is None else offsets.diff()
    if reduce not in ("sum", "mean") or initial is not None or counts.dim() != 1 or axis:
        raise NotKnown(f"reduce={reduce!r}, initial={initial!r} or several rows of segments")
    if reduce == "mean" and (counts == 0).any():
        raise NotKnown("the mean of nothing")
    shape = (-1, *(1 for _ in data.shape[1:]))
    segments = np.repeat(np.arange(len(counts)), array(counts))
    return steps(
        "segment_reduce",
        {
            "x": data,
            "zeros": np.zeros(seen.result.shape, np.float32),
            "counts": array(counts).reshape(shape).astype(np.float32),
        },
        ("sums", "add_at", "zeros x", {"index": (segments,)}),
        *([("means", "divide", "sums counts")] if reduce == "mean" else []),
    )
