"""Classical mistakes of batch norm and of layer norm that are not of both.

Shapes: x (N, C, ...) for batch norm, else (..., C); gamma, beta (C,).
"""

from collections.abc import Iterator
from functools import partial

from backproof.reference.ops.normalization import over_batch
from backproof.reference.verdict.faults.fault import Fault, in_both
from backproof.reference.verdict.faults.normalization import norm
from backproof.reference.verdict.faults.statistics import constant, normalization


def batch_norm() -> Iterator[Fault]:
    """Yield the faults of batch norm."""
    both = partial(in_both, "batch_norm")
    yield from norm("batch_norm", lambda x: over_batch(x)[0], 1)
    yield both(
        "running statistics",
        "what a mean of 0 and a variance of 1 give",
        normalization(lambda x: over_batch(x)[0], 1, constant, centered=False),
        "eval() for train(), before any statistics were gathered",
    )
    yield both(
        "over each example",
        "what statistics over each example give",
        normalization(lambda x: tuple(range(1, x.ndim)), 1),
        "layer norm for batch norm",
    )
    yield both(
        "over the batch alone",
        "what statistics over the batch alone give, place by place",
        normalization(lambda x: (0,), 1),
        "batch norm of vectors, used for images",
    )


def layer_norm() -> Iterator[Fault]:
    """Yield the faults of layer norm."""
    both = partial(in_both, "layer_norm")
    yield from norm("layer_norm", lambda x: (x.ndim - 1,), -1)
    yield both(
        "over the batch",
        "what statistics over all but the last axis give",
        normalization(lambda x: tuple(range(x.ndim - 1)), -1),
        "batch norm for layer norm",
    )
    yield both(
        "mean not subtracted",
        "what x gives in the place of x - mean",
        normalization(lambda x: (x.ndim - 1,), -1, centered=False),
        "RMS norm for layer norm",
    )
