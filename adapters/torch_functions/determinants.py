"""Determinants and their logarithms."""

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Tensor,
    array,
    made_of,
    reads,
)
from backproof.reference.own import OWN


def regular(A: Tensor) -> Tensor:
    """Return a matrix. Raises NotKnown for one that is empty or singular."""
    if not A.numel() or (torch.linalg.det(A.detach()) == 0).any():
        raise NotKnown("a matrix that is empty or singular")
    return A


@reads("linalg_det", "det")
def det(_: Seen, A: Tensor) -> Call:
    return Call("det", (regular(A),), own=OWN["det"])


@reads("logdet")
def logdet(_: Seen, A: Tensor) -> Call:
    if (torch.linalg.det(A.detach()) < 0).any():
        raise NotKnown("a negative determinant")
    return Call("log_det", (regular(A),), own=OWN["log_det"])


@reads("linalg_slogdet", "slogdet")
def slogdet(_: Seen, A: Tensor) -> list[Call]:
    """Read the sign as a constant, and the logarithm."""
    sign = np.linalg.slogdet(array(A))[0]
    at, kept = ("slice", (1,), {"index": (..., 0, 0)}), {"condition": np.ones((), bool)}
    return [
        made_of("sign", (sign, regular(A)), at, ("where", (0, -1), kept)),
        Call("log_det", (A,), own=OWN["log_det"]),
    ]
