"""What functions are made of, where a derivative is a part of the loss.

Autograd keeps what it needs of the inside of a function, and a derivative that is a part of the
program uses it. So a function that has an inside is recorded as the calls that it is made of.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Tensor = Any


class Asked(TorchFunctionMode):
    """Sees whether a program takes a derivative that is a part of its loss."""

    found = False

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make a call."""
        self.found |= is_part(function, kwargs or {})
        return function(*args, **(kwargs or {}))


def is_part(function: Any, named: Mapping[str, Any]) -> bool:
    """Return whether a call is that of a derivative which can itself be differentiated."""
    return function is torch.autograd.grad and bool(named.get("create_graph"))


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss by its logarithms, where these alone are kept for a derivative."""
    if target.is_floating_point() or label_smoothing or (size_average, reduce) != (None, None):
        options = size_average, ignore_index, reduce, reduction, label_smoothing
        return F.cross_entropy(input, target, weight, *options)
    logarithms = F.log_softmax(input, min(input.dim() - 1, 1))
    return F.nll_loss(logarithms, target, weight, ignore_index=ignore_index, reduction=reduction)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return scaled dot-product attention, softmax(q k^T / sqrt E) v."""
    if dropout_p or enable_gqa:
        of = query, key, value, attn_mask, dropout_p, is_causal
        return F.scaled_dot_product_attention(*of, scale=scale, enable_gqa=enable_gqa)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(-1) @ value


def lstm_cell(
    input: Tensor, hx: Any, W_x: Tensor, W_h: Tensor, b_x: Any = None, b_h: Any = None
) -> tuple[Tensor, Tensor]:
    """Return the next h and c of an LSTM."""
    h, c = hx
    i, f, g, o = (F.linear(input, W_x, b_x) + F.linear(h, W_h, b_h)).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_cell(
    input: Tensor, hx: Tensor, W_x: Tensor, W_h: Tensor, b_x: Any = None, b_h: Any = None
) -> Tensor:
    """Return the next h of a GRU."""
    r, u, n = F.linear(input, W_x, b_x).chunk(3, -1)
    r_h, u_h, n_h = F.linear(hx, W_h, b_h).chunk(3, -1)
    n = (n + (r + r_h).sigmoid() * n_h).tanh()
    return n + (u + u_h).sigmoid() * (hx - n)


def tanh_cell(
    input: Tensor, hx: Tensor, W_x: Tensor, W_h: Tensor, b_x: Any = None, b_h: Any = None
) -> Tensor:
    """Return the next h of a simple cell."""
    return (F.linear(input, W_x, b_x) + F.linear(hx, W_h, b_h)).tanh()


BODIES: Mapping[str, Callable[..., Any]] = {
    "cross_entropy": cross_entropy,
    "gru_cell": gru_cell,
    "lstm_cell": lstm_cell,
    "rnn_tanh_cell": tanh_cell,
    "scaled_dot_product_attention": attention,
}
"""The name of a function that has an inside -> the calls that it is made of."""
