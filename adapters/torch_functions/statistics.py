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
    shape = ("y", "reshape", "covariance", {"shape": (*seen.result.shape,)})
    if fweights is not None or aweights is not None:
        operands = {"x": x, "f": fweights, "a": aweights, "correction": correction}
        given = {k: t for k, t in operands.items() if t is not None}
        if "f" in given:
            given["f"] = fweights.to(x.dtype)
        return steps("cov", given, *weighted_covariance(x, correction, *given), shape)
    if x.dim() == 0 or x.shape[-1] <= correction:
        raise NotKnown("no more numbers than the correction")
    count = x.shape[-1] - correction
    return steps("cov", {"x": x, "count": count}, *covariance(x), shape)


def weighted_covariance(x: Tensor, correction: int, *operands: str) -> list[Step]:
    """Return the steps of covariances of columns that are repeated f times, and have weights a.

    Each counts w = f a times. Of the sum of w, the correction takes 1, or the mean of a by w.
    """
    both = [name for name in ("f", "a") if name in operands]
    w = "w" if len(both) > 1 else both[0]
    n = x.shape[-1] if x.dim() else 1
    found: list[Step] = [("w", "multiply", "f a")] if w == "w" else []
    found += [
        ("rows", "reshape", "x", {"shape": (x.numel() // max(n, 1), n)}),
        ("total", "sum", w, {"axis": None}),
        ("weighted", "multiply", f"rows {w}"),
        ("sums", "sum", "weighted", {"axis": 1, "keepdims": True}),
        ("mean", "divide", "sums total"),
        ("centered", "subtract", "rows mean"),
        ("columns", "transpose", "centered", {"axes": (1, 0)}),
        ("each", "multiply", f"centered {w}"),
        ("products", "matmul", "each columns"),
    ]
    taken = "correction"
    if "a" in operands and correction:
        taken = "lost"
        found += [
            ("wa", "multiply", f"{w} a"),
            ("of-a", "sum", "wa", {"axis": None}),
            ("mean-a", "divide", "of-a total"),
            ("lost", "scale", "mean-a", {"factor": float(correction)}),
        ]
    count: Step = ("count", "subtract", f"total {taken}")
    return [*found, count, ("covariance", "divide", "products count")]


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
