"""Quantiles: the entry of a rank, or what lies between two of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import Call, NotKnown, Seen, Tensor, reads, steps
from backproof.adapters.torch_functions.numbers import as_vectors

ROUNDED: dict[str, Callable[[Any], Any]] = {
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.rint,
}
"""Interpolation -> how a rank is rounded, so that it is that of an entry."""


@reads("quantile", "nanquantile")
@as_vectors
def quantile(
    seen: Seen,
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Call:
    """Read it as a + s (b - a), or b - (1 - s) (b - a) where s is 1/2 or more.

    a and b are the entries of the ranks around q (n - 1), which PyTorch rounds to the precision of
    the input, and s is the share of the way between them.
    """
    if input.isnan().any():
        raise NotKnown("NaN")
    if getattr(q, "requires_grad", False):
        raise NotKnown("q, which is differentiated")
    places = torch.arange(input.numel()).view(input.shape)
    values, places = (
        t.flatten() if dim is None else t.movedim(dim, -1) for t in (input.detach(), places)
    )
    places = places.gather(-1, values.sort(-1).indices.cpu())
    rank = np.asarray(torch.as_tensor(q, dtype=input.dtype).cpu() * (places.shape[-1] - 1))
    rank = ROUNDED.get(interpolation, np.asarray)(rank)
    share = (
        np.asarray(rank - np.floor(rank))
        if interpolation != "midpoint"
        else np.full_like(rank, 0.5)
    )
    is_late = share >= share.dtype.type(0.5)

    def at(ranks: Any) -> dict[str, Any]:
        found = places.numpy()[..., ranks.astype(int)]
        found = np.moveaxis(found, -1, 0) if rank.ndim else found
        return {"index": np.unravel_index(found, tuple(input.shape))}

    low, high, near = (
        np.floor(rank),
        np.ceil(rank),
        np.where(is_late, np.ceil(rank), np.floor(rank)),
    )
    whole = {"shape": tuple(seen.result.shape)}
    across = rank.shape + (1,) * (places.dim() - 1)
    between = [
        ("low", "slice", "x", at(low)),
        ("high", "slice", "x", at(high)),
        ("apart", "subtract", "high low"),
        ("away", "multiply", "share apart"),
        ("at", "add", "entry away"),
    ]
    entry = ("entry", "slice", "x", at(near))
    if interpolation in ROUNDED:
        return steps("quantile", {"x": input}, entry, ("y", "reshape", "entry", whole))
    away = np.where(is_late, share - 1, share).reshape(across)
    operands = {"x": input, "share": away}
    return steps("quantile", operands, entry, *between, ("y", "reshape", "at", whole))
