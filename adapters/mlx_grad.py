"""MLX on the CPU: mlx.core.value_and_grad, with mlx.nn's layers and losses."""

from importlib.metadata import version
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from backproof.adapters.mlx_images import (
    batch_norm,
    batch_norm_inference,
    channels_first,
    channels_last,
    conv,
    conv_transpose,
    group_norm,
    pooled,
    upsample,
)
from backproof.adapters.mlx_optimizers import libraries
from backproof.adapters.protocol import Adapter, Loss, Tensor

mx.set_default_device(mx.cpu)


def array(a: Any) -> Tensor:  # mx.array does not know NumPy's bfloat16
    name = a.dtype.name
    return mx.array(a.astype("float32") if name == "bfloat16" else a, getattr(mx, name))


def numpy(t: Tensor) -> Any:
    narrow = t.dtype == mx.bfloat16
    return np.array(t.astype(mx.float32)).astype("bfloat16") if narrow else np.array(t)


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    (_, values), gradients = mx.value_and_grad(loss)(tensors)
    return values, gradients


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    return mx.fast.layer_norm(x, gamma, beta, eps)


def attention(
    q: Tensor, k: Tensor, v: Tensor, *bias: Tensor, causal: bool = True, **o: Any
) -> Tensor:
    scale = o.get("scale") or q.shape[-1] ** -0.5
    mask = "causal" if causal else bias[0] if bias else o.get("seen")
    mask = mx.array(mask) if isinstance(mask, np.ndarray) else mask
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask=mask)


def causal_mask(scores: Tensor, fill: float = -1e4) -> Tensor:
    seen = mx.tri(scores.shape[-2], dtype=mx.bool_)
    return mx.where(seen, scores, mx.array(fill, scores.dtype))


def meaned(loss: Any) -> Any:
    """Return a loss whose reduction is the mean by default."""
    return lambda y, t, **options: loss(y, t, **{"reduction": "mean", **options})


def indices(i: Any) -> Any:
    if isinstance(i, tuple):
        return tuple(map(indices, i))
    return mx.array(i) if isinstance(i, np.ndarray) else i


def has_mask(i: Any) -> bool:
    return any(np.asarray(part).dtype == bool for part in (i if isinstance(i, tuple) else [i]))


IN_FLOAT32 = (
    *("dense", "addmm", "conv", "conv_transpose", "sigmoid", "elu", "gelu", "silu", "softplus"),
    *("log_sigmoid", "softmax", "log_softmax", "logsumexp", "layer_norm", "rms_norm", "group_norm"),
    *("attention", "mish", "glu", "cross_entropy", "softmax_cross_entropy", "bce_with_logits"),
)
"""What MLX computes in float32 of float64 arrays, without a word."""

OF_CORE = (
    *("matmul", "addmm", "add", "subtract", "multiply", "divide", "negative", "exp", "expm1"),
    *("log", "log1p", "sqrt", "rsqrt", "reciprocal", "erf", "sin", "cos", "abs", "maximum"),
    *("minimum", "sum", "mean", "max", "min", "logsumexp", "cumsum", "reshape", "transpose"),
)

OF_LAYERS = (
    *("sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "softplus", "log_softmax", "mish"),
    *("softsign", "hardswish", "glu", "log_sigmoid"),
)

adapter = Adapter(
    version=version("mlx"),
    ops={
        **{name: getattr(nn, name) for name in OF_LAYERS},
        **{name: getattr(mx, name) for name in OF_CORE},
        "dense": lambda x, W, *b: mx.addmm(b[0], x, W) if b else mx.matmul(x, W),
        "conv": conv,
        "conv_transpose": conv_transpose,
        "embedding": lambda W, index: W[mx.array(index)],
        "gelu": lambda z, approximate="none": (
            nn.gelu_approx(z) if approximate == "tanh" else nn.gelu(z)
        ),
        "softmax": lambda x, axis=-1: mx.softmax(x, axis),
        "batch_norm": batch_norm,
        "batch_norm_inference": batch_norm_inference,
        "group_norm": group_norm,
        "layer_norm": layer_norm,
        "rms_norm": lambda x, gamma, eps=1e-5: mx.fast.rms_norm(x, gamma, eps),
        "max_pool": pooled("MaxPool"),
        "average_pool": pooled("AvgPool"),
        "upsample": upsample,
        "prelu": lambda x, a: channels_first(nn.prelu(channels_last(x), a)),
        "causal_mask": causal_mask,
        "attention": attention,
        "einsum": lambda *operands, equation: mx.einsum(equation, *operands),
        "scale": lambda x, factor: factor * x,
        "power": lambda x, exponent: mx.power(x, exponent),
        "variance": lambda x, correction=1, **o: mx.var(x, ddof=correction, **o),
        "norm": mx.linalg.norm,
        "concatenate": lambda *parts, axis: mx.concatenate(parts, axis),
        "stack": lambda *parts, axis: mx.stack(parts, axis),
        "expand": mx.broadcast_to,
        "slice": lambda x, index: x[indices(index)],
        "add_at": lambda x, source, index: x.at[indices(index)].add(source),
        "pad": lambda x, width, value=0: mx.pad(x, width, constant_values=value),
        "masked_fill": lambda x, mask, value: mx.where(mx.array(mask), mx.array(value, x.dtype), x),
        "where": lambda a, b, condition: mx.where(mx.array(condition), a, b),
        "atan2": mx.arctan2,
        "clamp": lambda x, low=None, high=None: mx.clip(x, low, high),
        "erf_inv": mx.erfinv,
        "half_squared_error": lambda y, t: 0.5 * mx.sum(mx.square(t - y)),
        "mean_squared_error": nn.losses.mse_loss,
        "l1_loss": nn.losses.l1_loss,
        "huber": meaned(nn.losses.huber_loss),
        "cross_entropy": lambda y, target, **o: meaned(nn.losses.cross_entropy)(
            y, mx.array(target), **o
        ),
        "softmax_cross_entropy": meaned(nn.losses.cross_entropy),
        "nll_loss": lambda y, target, **o: meaned(nn.losses.nll_loss)(y, mx.array(target), **o),
        "bce_with_logits": nn.losses.binary_cross_entropy,
    },
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
    libraries=libraries,
    lacks="MLX has no function for it",
    unsupported={
        **dict.fromkeys((f"{op} float64" for op in IN_FLOAT32), "MLX computes it in float32"),
        **dict.fromkeys(
            (
                *("softplus beta", "softplus threshold", "bce_with_logits pos_weight"),
                *("bce_with_logits weight", "cross_entropy ignore_index", "conv_transpose groups"),
                *("nll_loss weight", "nll_loss ignore_index"),
                *("embedding padding_index", "average_pool count_include_pad", "max_pool dilation"),
            ),
            "MLX has none",
        ),
        **dict.fromkeys(
            ("cross_entropy weight", "softmax_cross_entropy weight"),
            "MLX's mean divides by the number of rows, not by the sum of their weights",
        ),
        "max_pool padding": (
            lambda p: not isinstance(p, int),
            "nn.MaxPool2d has one for both sides",
        ),
        "slice index": (has_mask, "MLX has no masks as indices"),
        "rms_norm eps bfloat16": "at 1e15 its gradient is off by more than the recorded finding",
        **dict.fromkeys(
            ("batch_norm bfloat16", "batch_norm float16"),
            "where all entries are equal its gradient is off, for a reason that is not known yet",
        ),
        "softmax_cross_entropy.t": "MLX takes the sum of the labels for one, and so their gradient",
    },
)
