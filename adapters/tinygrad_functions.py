"""tinygrad's functions, called as ops are."""

from typing import Any

import numpy as np
from tinygrad import Tensor, nn

from backproof.adapters.protocol import Tensor as Any_


def pairs(padding: Any) -> Any:
    """Return padding as tinygrad has it: the last axis first, both sides of each."""
    if isinstance(padding, int):
        return padding
    both = [(n, n) if isinstance(n, int) else n for n in padding]
    return tuple(n for pair in reversed(both) for n in pair)


def conv(x: Any_, W: Any_, *b: Any_, padding: Any = 0, **options: Any) -> Any_:
    return x.conv2d(W, *b, padding=pairs(padding), **options)


def each(option: Any, x: Any_) -> Any:
    return (option,) * (x.ndim - 2) if isinstance(option, int) else option


def max_pool(x: Any_, kernel_size: Any, stride: Any, padding: Any = 0, dilation: Any = 1) -> Any_:
    return x.max_pool2d(each(kernel_size, x), each(stride, x), dilation, pairs(padding))


def average_pool(
    x: Any_, kernel_size: Any, stride: Any, padding: Any = 0, *, count_include_pad: bool = True
) -> Any_:
    options = {"padding": pairs(padding), "count_include_pad": count_include_pad}
    return x.avg_pool2d(each(kernel_size, x), each(stride, x), **options)


def batch_norm(x: Any_, gamma: Any_, beta: Any_, eps: float = 1e-5) -> Any_:
    layer = nn.BatchNorm(x.shape[1], eps, track_running_stats=False)
    layer.weight, layer.bias = gamma, beta
    return layer(x)


def group_norm(x: Any_, *parameters: Any_, groups: int, eps: float = 1e-5) -> Any_:
    layer = nn.GroupNorm(groups, x.shape[1], eps, affine=bool(parameters))
    layer.weight, layer.bias = parameters or (None, None)
    return layer(x)


def rms_norm(x: Any_, gamma: Any_, eps: float = 1e-5) -> Any_:
    layer = nn.RMSNorm(x.shape[-1], eps)
    layer.weight = gamma
    return layer(x)


def batch_norm_inference(
    x: Any_, *parameters: Any_, mean: Any, variance: Any, eps: float = 1e-5
) -> Any_:
    layer = nn.BatchNorm(x.shape[1], eps, affine=bool(parameters))
    layer.weight, layer.bias = parameters or (None, None)
    layer.running_mean, layer.running_var = (Tensor(a, dtype=x.dtype) for a in (mean, variance))
    return layer(x)


def attention(q: Any_, k: Any_, v: Any_, *bias: Any_, causal: bool = True, **o: Any) -> Any_:
    mask = bias[0] if bias else Tensor(o["seen"]) if "seen" in o else None
    return q.scaled_dot_product_attention(k, v, mask, is_causal=causal)


def indices(index: Any) -> Any:
    """Return an index as tinygrad has it: for a mask, the places where it is true."""
    found: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, np.ndarray):
            found += map(Tensor, np.nonzero(part) if part.dtype == bool else [part])
        else:
            found.append(part)
    return tuple(found)


def upsample(x: Any_, scale_factor: int) -> Any_:
    return x.interpolate(tuple(scale_factor * n for n in x.shape[2:]), "nearest")


def nll_loss(y: Any_, target: Any, weight: Any = None, axis: int = 1, **options: Any) -> Any_:
    weight = None if weight is None else Tensor(weight, dtype=y.dtype)
    return y.nll_loss(Tensor(target), weight, **options)


def bce_with_logits(y: Any_, t: Any_, pos_weight: Any = None, **options: Any) -> Any_:
    w = None if pos_weight is None else Tensor(pos_weight, dtype=y.dtype)
    return y.binary_crossentropy_logits(t, pos_weight=w, **options)


def axes(function: str) -> Any:
    """Return a reduction, by NumPy's name of its option."""
    return lambda x, axis=None, keepdims=False, **o: getattr(x, function)(axis, keepdims, **o)
