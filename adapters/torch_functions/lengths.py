"""Lengths: norms of vectors and of matrices."""

from math import inf, sqrt
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    array,
    axes_of,
    name_of,
    reads,
    steps,
)
from backproof.adapters.torch_functions.decompositions import NUCLEAR, spectral

EUCLIDEAN = sqrt(4)
"""The order of the usual length."""

EXTREMES = {inf: "max", -inf: "min"}
"""The orders that are the largest and the smallest magnitude."""


def length(p: float, x: str, made: str, options: dict[str, Any]) -> list[Step]:
    """Return the steps of (sum |x|^p)^(1/p), of which the last has a name; options: of `sum`."""
    if p == EUCLIDEAN:
        return [(made, "norm", x, options)]
    size: Step = (f"{made}-size", "abs", x)
    if p == 1:
        return [size, (made, "sum", f"{made}-size", options)]
    if p in EXTREMES:
        return [size, (made, EXTREMES[p], f"{made}-size", options)]
    return [
        size,
        (f"{made}-power", "power", f"{made}-size", {"exponent": p}),
        (f"{made}-total", "sum", f"{made}-power", options),
        (made, "power", f"{made}-total", {"exponent": 1 / p}),
    ]


def order(p: Any, x: Tensor, axes: Any = None) -> float:
    """Return the order of a norm of x along axes, as a number.

    Raises NotKnown for order 0, and where a derivative is that of a root of zero.
    """
    if not isinstance(p, int | float) or p == 0:
        raise NotKnown(f"p={p!r}")
    is_zero = x.detach() == 0
    if p < 1 and p != -inf and is_zero.any():
        raise NotKnown(f"p={p!r} of zeros")
    if p not in (1, EUCLIDEAN, inf, -inf) and is_zero.all(axes).any():
        raise NotKnown(f"p={p!r} of a vector of zeros")
    return float(p)


@reads("norm", "linalg_norm", "linalg_vector_norm")
def norm(
    seen: Seen,
    input: Tensor,
    p: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    ord: Any = None,
    **__: Any,
) -> Call:
    """Read it as the norm of all entries; the Frobenius norm of a matrix is that, others are not.

    linalg.norm takes a matrix where an order is given: of two axes, or of all, if there are two.
    """
    if p == "nuc":  # torch.norm's name for it
        return matrix_norm(seen, input, p, dim or (-2, -1))
    kind, axes = p if ord is None else ord, axes_of(dim) if input.dim() else None
    every = (*range(input.dim()),) if axes is None else axes
    if kind in ("fro", None):
        kind = EUCLIDEAN
    elif name_of(seen.function) == "linalg_norm" and np.size(every) == len("ij"):
        return matrix_norm(seen, input, kind, every)
    options = {"axis": axes, "keepdims": keepdim}
    found = length(order(kind, input, axes), "x", "y", options)
    return steps("norm", {"x": input}, *found)


@reads("linalg_matrix_norm")
def matrix_norm(
    seen: Seen, A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False
) -> Call:
    """Read order 1 as the largest sum of a column's magnitudes, and infinity as that of a row's.

    Order 2 is the largest singular value. Their negatives are the smallest.
    """
    rows, columns = (i % A.dim() for i in dim)
    shape: Step = ("y", "reshape", "kept", {"shape": (*seen.result.shape,)})
    if ord == "fro":
        of = length(EUCLIDEAN, "A", "kept", {"axis": (rows, columns), "keepdims": True})
        return steps("matrix_norm", {"A": A}, *of, shape)
    if ord == "nuc":
        return spectral(A, rows, columns, NUCLEAR, (*seen.result.shape,))
    if ord in (2, -2):
        taken: Step = ("kept", "max" if ord > 0 else "min", "s", {"axis": -1})
        return spectral(A, rows, columns, taken, (*seen.result.shape,))
    if ord not in (1, -1, inf, -inf):
        raise NotKnown(f"the norm of a matrix of order {ord!r}")
    summed, taken = (rows, columns) if abs(ord) == 1 else (columns, rows)
    return steps(
        "matrix_norm",
        {"A": A},
        ("size", "abs", "A"),
        ("sums", "sum", "size", {"axis": summed, "keepdims": True}),
        ("kept", "max" if ord > 0 else "min", "sums", {"axis": taken, "keepdims": True}),
        shape,
    )


RENORM_EPS = 1e-7
"""What PyTorch's renorm adds to a length (aten/src/ATen/native/cpu/RenormKernel.cpp)."""


@reads("renorm")
def renorm(_: Seen, x: Tensor, p: float, dim: int, maxnorm: float) -> Call:
    """Read it as shortening what is longer than the largest length."""
    axes = tuple(i for i in range(x.dim()) if i != dim % x.dim())
    options = {"axis": axes, "keepdims": True}
    sizes = torch.linalg.vector_norm(x.detach(), p, axes, keepdim=True)
    return steps(
        "renorm",
        {"x": x, "one": 1, "eps": RENORM_EPS, "largest": maxnorm},
        *length(order(p, x, axes), "x", "length", options),
        ("more", "add", "length eps"),
        ("share", "divide", "largest more"),
        ("factor", "where", "share one", {"condition": array(sizes > maxnorm)}),
        ("y", "multiply", "x factor"),
    )
