"""What functions are made of, where a derivative is a part of the loss.

Autograd keeps what it needs of the inside of a function, and a derivative that is a part of the
program uses it. So a function that has an inside is recorded as the calls that it is made of. What
layer norm and batch norm keep even counts as a constant, so that their third derivatives are wrong:
the program as it runs, which is held to the one that is recorded, is then refuted.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from backproof.adapters.torch_graph import tensors_of

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
    """Return whether a call is that of a derivative which can itself be differentiated.

    Inside of vmap, each call beneath is one of all directions at once; these are not seen.
    """
    if function is not torch.autograd.grad or not named.get("create_graph"):
        return False
    return not any(map(is_batched, tensors_of(named)))


def is_batched(t: Tensor) -> bool:
    """Return whether a tensor stands for many, inside of vmap."""
    functorch = torch._C._functorch  # noqa: SLF001 no other name
    return bool(functorch.is_functorch_wrapped_tensor(t) or functorch.is_legacy_batchedtensor(t))


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
    """Return the loss by its logarithms, which are what is kept for a derivative."""
    if (size_average, reduce) != (None, None):
        options = size_average, ignore_index, reduce, reduction, label_smoothing
        return F.cross_entropy(input, target, weight, *options)
    axis = min(input.dim() - 1, 1)
    logarithms = F.log_softmax(input, axis)
    if target.is_floating_point():
        return of_shares(logarithms, target, weight, axis, reduction, label_smoothing)
    found = F.nll_loss(logarithms, target, weight, None, ignore_index, None, reduction)
    if not label_smoothing:
        return found
    every = of_all(logarithms, target, weight, axis, ignore_index, reduction)
    return (1 - label_smoothing) * found + every * (label_smoothing / input.shape[axis])


def of_shares(
    logarithms: Tensor, target: Tensor, weight: Any, axis: int, reduction: str, smoothing: float
) -> Tensor:
    """Return the loss of targets that are probabilities, a share of which is spread evenly."""
    classes = logarithms.shape[axis]
    shares = target * (1 - smoothing) + smoothing / classes if smoothing else target
    terms = -logarithms * shares
    terms = terms if weight is None else terms * column(weight, logarithms, axis)
    if reduction == "none":
        return terms.sum(axis)
    return terms.sum() / (logarithms.numel() // classes) if reduction == "mean" else terms.sum()


def of_all(
    logarithms: Tensor, target: Tensor, weight: Any, axis: int, ignored: int, reduction: str
) -> Tensor:
    """Return the loss whose target is each class once; of ignored targets it is zero.

    Its mean is over the weights of the targets, as that of the loss itself.
    """
    terms = -logarithms if weight is None else -logarithms * column(weight, logarithms, axis)
    terms = terms.sum(axis)
    terms = terms.masked_fill(target == ignored, 0)
    if reduction == "none":
        return terms
    if reduction == "sum":
        return terms.sum()
    kept = target[target != ignored]
    return terms.sum() / (kept.numel() if weight is None else weight[kept].sum())


def column(weight: Tensor, x: Tensor, axis: int) -> Tensor:
    """Return the weights of classes along an axis of x."""
    return weight.view(-1, *(1 for _ in x.shape[axis + 1 :]))


def normalized(x: Tensor, axes: Any, eps: float) -> Tensor:
    """Return (x - mean) / sqrt(variance + eps) over some axes."""
    centered = x - x.mean(axes, keepdim=True)
    return centered * (centered.square().mean(axes, keepdim=True) + eps).rsqrt()


def affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Return y times the weights of its channels, plus their biases."""
    column = (-1, *(1 for _ in y.shape[2:]))
    y = y if weight is None else y * weight.view(column)
    return y if bias is None else y + bias.view(column)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the batch norm, channel by channel, and move the running statistics."""
    axes, column = (0, *range(2, input.dim())), (-1, *(1 for _ in input.shape[2:]))
    if running_mean is not None and running_var is not None:
        if not training:
            centered = input - running_mean.view(column)
            return affine(centered * (running_var.view(column) + eps).rsqrt(), weight, bias)
        with torch.no_grad():
            running_mean.lerp_(input.mean(axes), momentum)
            running_var.lerp_(input.var(axes), momentum)
    return affine(normalized(input, axes, eps), weight, bias)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    """Return the norm of each example over groups of channels."""
    groups = input.flatten(1).unflatten(1, (num_groups, -1))
    return affine(normalized(groups, -1, eps).reshape(input.shape), weight, bias)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the norm of each example, channel by channel."""
    if running_mean is None and use_input_stats:
        return group_norm(input, input.shape[1], weight, bias, eps)
    of = running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    return F.instance_norm(input, *of)


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    """Return the norm over the last axes."""
    y = normalized(input, tuple(range(-len(normalized_shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Return x / sqrt(mean x^2 + eps) over the last axes."""
    axes = tuple(range(-len(normalized_shape), 0))
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    y = input * (input.square().mean(axes, keepdim=True) + eps).rsqrt()
    return y if weight is None else y * weight


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
    """Return scaled dot-product attention, softmax(q k^T / sqrt E) v; zeros for blind rows."""
    if dropout_p or enable_gqa:
        of = query, key, value, attn_mask, dropout_p, is_causal
        return F.scaled_dot_product_attention(*of, scale=scale, enable_gqa=enable_gqa)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        blind = ~attn_mask.any(-1, keepdim=True)
        scores = scores.masked_fill(~(attn_mask | blind), -torch.inf)
        return (scores.softmax(-1) @ value).masked_fill(blind, 0)
    if attn_mask is not None:
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
    "batch_norm": batch_norm,
    "cross_entropy": cross_entropy,
    "group_norm": group_norm,
    "gru_cell": gru_cell,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "lstm_cell": lstm_cell,
    "rms_norm": rms_norm,
    "rnn_tanh_cell": tanh_cell,
    "scaled_dot_product_attention": attention,
}
"""The name of a function that has an inside -> the calls that it is made of."""
