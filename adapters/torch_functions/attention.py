"""Softmax and attention."""

from math import sqrt
from typing import Any

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
from backproof.reference.ops.attention import earlier


@reads("softmax")
def softmax(_: Seen, input: Tensor, dim: int | None = None, *__: Any, **___: Any) -> Call:
    return Call("softmax", (input,), axis(input, dim))


@reads("log_softmax")
def log_softmax(_: Seen, input: Tensor, dim: int | None = None, *__: Any, **___: Any) -> Call:
    return Call("log_softmax", (input,), axis(input, dim))


def axis(x: Tensor, dim: int | None) -> dict[str, int]:
    """Return the option that names an axis, if it is not the last. Raises NotKnown."""
    if dim is None:
        raise NotKnown("dim=None")
    return {} if dim % x.dim() == x.dim() - 1 else {"axis": dim}


@reads("scaled_dot_product_attention")
def attention(
    _: Seen,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    mask: Tensor = None,
) -> Call:
    """Read it as one op; with dropout, as its parts: `mask` is the dropout of the weights."""
    if query.dim() < len("HTD"):
        raise NotKnown("no axis of heads")
    seen, bias = hidden(attn_mask)
    if dropout_p:
        seen = both(seen, query, key) if is_causal else seen
        return with_dropout((query, key, value), bias, seen, scale, mask)
    options: dict[str, Any] = {"causal": is_causal}
    options |= {} if seen is None else {"seen": seen}
    options |= {} if scale is None else {"scale": scale}
    return Call("attention", (query, key, value, *bias), options)


def hidden(attn_mask: Tensor | None) -> tuple[Any, tuple[Any, ...]]:
    """Return which places are seen, None for all, and what is added to the scores, if anything.

    Raises NotKnown where a row sees nothing: its weights are no numbers.
    """
    if attn_mask is None:
        return None, ()
    seen = attn_mask if attn_mask.dtype == torch.bool else attn_mask.detach() > -torch.inf
    if not seen.any(-1).all():
        raise NotKnown("a row that sees nothing")
    every = None if seen.all() else array(seen)
    if attn_mask.dtype == torch.bool:
        return every, ()
    if every is None:
        return None, (attn_mask,)
    if attn_mask.requires_grad:
        raise NotKnown("an infinite mask that is differentiated")
    finite = attn_mask.masked_fill(~seen, 0)
    return every, (finite,) if finite.any() else ()


def both(seen: Any, query: Tensor, key: Tensor) -> Any:
    """Return which places are seen by a causal mask as well."""
    causal = earlier(np.empty((query.shape[-2], key.shape[-2])))
    return causal if seen is None else causal & seen


def with_dropout(
    tensors: tuple[Tensor, ...], bias: Any, seen: Any, scale: Any, mask: Tensor
) -> Call:
    """Return attention whose weights are multiplied by a mask, as one op of many."""
    query, key, _ = tensors
    times = query.shape[-3] // key.shape[-3]
    heads = (..., [i // times for i in range(query.shape[-3])], slice(None), slice(None))
    axes = (*range(query.dim() - 2), query.dim() - 1, query.dim() - 2)
    factor = 1 / sqrt(query.shape[-1]) if scale is None else scale
    n = len(tensors) + len(bias)
    steps: list[Any] = [
        ("slice", (1,), {"index": heads}),
        ("transpose", (-1,), {"axes": axes}),
        ("matmul", (0, -1)),
        ("scale", (-1,), {"factor": factor}),
    ]
    steps += [("add", (-1, len(tensors)))] if bias else []
    steps += [("masked_fill", (-1,), {"mask": ~seen, "value": -1e30})] if seen is not None else []
    steps += [
        ("softmax", (-1,)),
        ("multiply", (-1, n)),
        ("slice", (2,), {"index": heads}),
        ("matmul", (-2, -1)),
    ]
    return made_of("attention with dropout", (*tensors, *bias, mask), *steps)
