"""What functions are about to draw: the masks of dropouts, slopes and samples."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from backproof.adapters.torch_functions import name_of
from backproof.adapters.torch_functions.arithmetic import scaled

Tensor = Any


@contextmanager
def ahead(x: Tensor) -> Iterator[None]:
    """Draw random numbers that are drawn again afterwards."""
    with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.no_grad():
        yield


def dropped(function: Any, input: Tensor, *others: Any, **named: Any) -> Tensor:  # noqa: A002
    """Return what a dropout is about to multiply by: zeros, and 1 / (1 - p).

    It is found by the dropout of ones: those that are not zero were not dropped.
    """
    named.pop("inplace", None)
    p = others[0] if others else named.get("p", 0.5)
    with ahead(input):
        return scaled(function(torch.ones_like(input), *others[:2], **named) != 0, p, input)


def dropped_in_attention(
    function: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,  # noqa: FBT001, FBT002 PyTorch's
    **named: Any,
) -> Tensor:
    """Return what attention is about to multiply its weights by: zeros, and 1 / (1 - p).

    Between equal places each weight is 1/S, and values that are the rows of the unit matrix return
    the weights themselves: those that are not zero were not dropped.
    """
    if not dropout_p:
        return None
    S = key.shape[-2]
    unit = torch.eye(S, dtype=value.dtype, device=value.device).expand(*value.shape[:-2], S, S)
    alike = torch.zeros_like(query), torch.zeros_like(key), unit
    with ahead(query):
        return scaled(function(*alike, dropout_p=dropout_p, **named) != 0, dropout_p, query)


def kept(function: Any, input: Tensor, *others: Any, **named: Any) -> Tensor:  # noqa: A002
    """Return what an alpha dropout is about to keep, as 1, and 0: where ones and zeros differ."""
    named.pop("inplace", None)
    both = []
    for make in (torch.ones_like, torch.zeros_like):
        with ahead(input):
            both.append(function(make(input), *others[:2], **named))
    return (both[0] != both[1]).to(input)


def leaking(_: Any, input: Tensor, *others: Any, **named: Any) -> Tensor:  # noqa: A002
    """Return what a leaky ReLU is about to multiply by: 1, and slopes for what is negative."""
    side = torch.where(input > 0, 1, -1).to(input)
    named.pop("inplace", None)
    with ahead(input):
        return side * torch.nn.functional.rrelu(side, *others[:3], **named)


def sampled(_: Any, input: Tensor, *others: Any, **named: Any) -> Tensor:  # noqa: A002
    """Return the samples of a fractional pooling, two for each channel: given, or soon drawn."""
    for given in (*others[1:], *named.values()):
        if isinstance(given, torch.Tensor):
            return given
    channels = input[None].shape[-4:-2]
    with ahead(input):
        return torch.rand(*channels, 2, dtype=input.dtype, device=input.device)


DROPS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d"), dropped),
    "feature_dropout": dropped,
    **dict.fromkeys(("alpha_dropout", "feature_alpha_dropout"), kept),
    "fractional_max_pool2d": sampled,
    "rrelu": leaking,
    "scaled_dot_product_attention": dropped_in_attention,
}
"""Name of a function that draws -> what finds the numbers that it is about to draw."""


def with_mask(function: Any, args: Any, named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a call's arguments by name, with the mask that it is about to draw, if it draws."""
    drop = DROPS.get(name_of(function))
    return {**named, "mask": drop(function, *args, **named)} if drop else named
