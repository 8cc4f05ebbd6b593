"""Softmax and attention."""

from collections.abc import Iterator
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
from backproof.adapters.torch_functions.numbers import as_vectors
from backproof.reference.ops.attention import earlier


@reads("softmax")
@as_vectors
def softmax(_: Seen, input: Tensor, dim: int | None = None, *__: Any, **___: Any) -> Call:
    return Call("softmax", (input,), axis(input, dim))


@reads("log_softmax")
@as_vectors
def log_softmax(_: Seen, input: Tensor, dim: int | None = None, *__: Any, **___: Any) -> Call:
    return Call("log_softmax", (input,), axis(input, dim))


def axis(x: Tensor, dim: int | None) -> dict[str, int]:
    """Return the option that names an axis, if it is not the last. Raises NotKnown."""
    if dim is None:
        raise NotKnown("dim=None")
    return {} if dim % x.dim() == x.dim() - 1 else {"axis": dim}


@reads("scaled_dot_product_attention")
def attention(
    of: Seen,
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
    """Read it as one op, or as its parts: with dropout, and where a row sees nothing.

    mask: the dropout of the weights. PyTorch takes no `attn_mask` beside `is_causal`.
    """
    if min(query.dim(), key.dim(), value.dim()) < len("HTD"):
        raise NotKnown("no axis of heads")
    seen, bias = hidden(attn_mask)
    blind = np.asarray(False) if seen is None else ~seen.any(-1, keepdims=True)  # noqa: FBT003
    if blind.any():
        seen = seen | blind  # what such a row gives is written over: it is zero
    tensors = (query, key, value, *bias)
    spread = [*broadcast(of.result, tensors[:3], enable_gqa)]
    if dropout_p:
        if spread:
            raise NotKnown("dropout, and operands that broadcast")
        if is_causal:
            seen = earlier(np.empty((query.shape[-2], key.shape[-2])))
        steps = with_dropout(query, key, bias, seen, scale)
        tensors = (*tensors, mask)
    else:
        options = {"causal": is_causal, "seen": seen, "scale": scale}
        given = {k: v for k, v in options.items() if v is not None}
        places = [*range(len(tensors))]
        for i, (_, (place,), _) in enumerate(spread):
            places[place] = i - len(spread)
        steps = [*spread, ("attention", (*places,), given)]
    if blind.any():
        steps.append(("masked_fill", (-1,), {"mask": blind, "value": 0}))
    (op, _, first), *others = steps
    return made_of("attention of parts", tensors, *steps) if others else Call(op, tensors, first)


def broadcast(y: Tensor, tensors: Any, enable_gqa: bool) -> Iterator[Any]:
    """Yield a step for each of q, k, v that has fewer examples or heads than the result.

    enable_gqa: whether keys and values may have fewer heads than queries, which share them.
    """
    for place, t in enumerate(tensors):
        heads = t.shape[-3] if enable_gqa else y.shape[-3]
        shape = (*y.shape[:-3], heads, *t.shape[-2:])
        if t.shape != shape:
            yield ("expand", (place,), {"shape": shape})


def hidden(attn_mask: Tensor | None) -> tuple[Any, tuple[Any, ...]]:
    """Return which places are seen, None for all, and what is added to the scores, if anything.

    Raises NotKnown.
    """
    if attn_mask is None:
        return None, ()
    seen = attn_mask if attn_mask.dtype == torch.bool else attn_mask.detach() > -torch.inf
    every = None if seen.all() else array(seen)
    if attn_mask.dtype == torch.bool:
        return every, ()
    if every is None:
        return None, (attn_mask,)
    if attn_mask.requires_grad:
        raise NotKnown("an infinite mask that is differentiated")
    finite = attn_mask.masked_fill(~seen, 0)
    return every, (finite,) if finite.any() else ()


def with_dropout(query: Tensor, key: Tensor, bias: Any, seen: Any, scale: Any) -> list[Any]:
    """Return the steps of attention of q, k, v, a bias, if any, and a mask of the weights."""
    times = query.shape[-3] // key.shape[-3]
    heads = (..., [i // times for i in range(query.shape[-3])], slice(None), slice(None))
    axes = (*range(query.dim() - 2), query.dim() - 1, query.dim() - 2)
    factor = 1 / sqrt(query.shape[-1]) if scale is None else scale
    steps: list[Any] = [
        ("slice", (1,), {"index": heads}),
        ("transpose", (-1,), {"axes": axes}),
        ("matmul", (0, -1)),
        ("scale", (-1,), {"factor": factor}),
    ]
    steps += [("add", (-1, 3))] if bias else []
    steps += [("masked_fill", (-1,), {"mask": ~seen, "value": -1e30})] if seen is not None else []
    steps += [
        ("softmax", (-1,)),
        ("multiply", (-1, 3 + len(bias))),
        ("slice", (2,), {"index": heads}),
        ("matmul", (-2, -1)),
    ]
    return steps
