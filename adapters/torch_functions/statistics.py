"""Covariances and correlations of rows."""

from typing import Any

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    reads,
    steps,
)


def covariance(x: Tensor) -> list[Step]:
    """Return the steps of the covariances of rows, (N, N); a vector is one row."""
    n = x.shape[-1]
    return [
        ("rows", "reshape", "x", {"shape": (x.numel() // max(n, 1), n)}),
        ("mean", "mean", "rows", {"axis": 1, "keepdims": True}),
        ("centered", "subtract", "rows mean"),
        ("columns", "transpose", "centered", {"axes": (1, 0)}),
        ("products", "matmul", "centered columns"),
        ("covariance", "divide", "products count"),
    ]


@reads("cov")
def cov(
    seen: Seen, x: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None
) -> Call:
    if fweights is not None or aweights is not None:
        raise NotKnown("weights")
    if x.dim() == 0 or x.shape[-1] <= correction:
        raise NotKnown("no more numbers than the correction")
    shape = ("y", "reshape", "covariance", {"shape": (*seen.result.shape,)})
    count = x.shape[-1] - correction
    return steps("cov", {"x": x, "count": count}, *covariance(x), shape)


@reads("corrcoef")
def corrcoef(seen: Seen, x: Tensor) -> Call:
    """Read it as covariances, divided by both deviations."""
    if x.dim() == 0 or x.shape[-1] <= 1:
        raise NotKnown("one number")
    i = [*range(x.numel() // x.shape[-1])]
    return steps(
        "corrcoef",
        {"x": x, "count": x.shape[-1] - 1},
        *covariance(x),
        ("variances", "slice", "covariance", {"index": (i, i)}),
        ("deviations", "sqrt", "variances"),
        ("column", "reshape", "deviations", {"shape": (len(i), 1)}),
        ("row", "reshape", "deviations", {"shape": (1, len(i))}),
        ("by-column", "divide", "covariance column"),
        ("by-row", "divide", "by-column row"),
        ("y", "reshape", "by-row", {"shape": (*seen.result.shape,)}),
    )
