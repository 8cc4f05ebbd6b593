"""Quantiles: the entry of a rank, or what lies between two of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import Call, NotKnown, Seen, Tensor, reads, steps
from backproof.adapters.torch_functions.numbers import as_vectors
from backproof.adapters.torch_functions.order import ordered
from backproof.reference.ops.between import between

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
    """Read it as a point between the entries of the ranks around q (n - 1).

    PyTorch rounds that number to the precision of the input.
    """
    if getattr(q, "requires_grad", False):
        raise NotKnown("q, which is differentiated")
    places = torch.arange(input.numel()).view(input.shape)
    values, places = (
        t.flatten() if dim is None else t.movedim(dim, -1) for t in (input.detach(), places)
    )
    index = values.sort(-1).indices
    if not np.array_equal(ordered(values.gather(-1, index)), np.sort(ordered(values), -1)):
        raise NotKnown("entries that are not in order")
    places = places.gather(-1, index.cpu())
    rank = np.asarray(torch.as_tensor(q, dtype=input.dtype).cpu() * (places.shape[-1] - 1))
    rank = ROUNDED.get(interpolation, np.asarray)(rank)
    low, high = np.floor(rank), np.ceil(rank)
    share = np.full_like(rank, 0.5) if interpolation == "midpoint" else np.asarray(rank - low)

    def at(ranks: Any) -> dict[str, Any]:
        found = places.numpy()[..., ranks.astype(int)]
        found = np.moveaxis(found, -1, 0) if rank.ndim else found
        return {"index": np.unravel_index(found, tuple(input.shape))}

    whole = {"shape": tuple(seen.result.shape)}
    first = ("low", "slice", "x", at(low))
    if interpolation in ROUNDED:
        return steps("quantile", {"x": input}, first, ("y", "reshape", "low", whole))
    across = rank.shape + (1,) * (places.dim() - 1)
    return steps(
        "quantile",
        {"x": input, "share": share.reshape(across)},
        first,
        ("high", "slice", "x", at(high)),
        ("at", "between", "low high share", {}, between),
        ("y", "reshape", "at", whole),
    )
