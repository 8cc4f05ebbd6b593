"""Keras: keras.ops and keras.losses, differentiated by the backend that runs them.

A process has one backend, which Keras reads from KERAS_BACKEND when it is imported. So each of the
three adapters keras_tensorflow, keras_jax and keras_torch is verified in a run of its own.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import losses, ops

from backproof.adapters.gaps import Why
from backproof.adapters.keras_images import adaptive, conv, conv_transpose, dtype, pool, upsample
from backproof.adapters.keras_optimizers import libraries
from backproof.adapters.protocol import Adapter, Tensor


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    mean, variance = ops.moments(x, (0, *range(2, x.ndim)))
    return ops.batch_normalization(x, mean, variance, 1, beta, gamma, eps)


def batch_norm_inference(
    x: Tensor, *parameters: Tensor, mean: Any, variance: Any, eps: float = 1e-5
) -> Tensor:
    gamma, beta = parameters or (None, None)
    m, v = (ops.convert_to_tensor(a, x.dtype) for a in (mean, variance))
    return ops.batch_normalization(x, m, v, 1, beta, gamma, eps)


def group_norm(x: Tensor, *parameters: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    options = {"center": bool(parameters), "scale": bool(parameters), "dtype": dtype(x)}
    layer = keras.layers.GroupNormalization(groups, 1, eps, **options)
    layer.build(x.shape)
    return layer.stateless_call([*parameters], [], x)[0]


def attention(q: Tensor, k: Tensor, v: Tensor, *bias: Tensor, **o: Any) -> Tensor:
    q, k, v = (ops.swapaxes(a, 1, 2) for a in (q, k, v))  # heads last
    masks = {"mask": o["seen"][None, None]} if "seen" in o else {}
    masks |= {"bias": bias[0][None]} if bias else {}
    options = {"scale": o.get("scale"), "is_causal": o.get("causal", True)}
    return ops.swapaxes(ops.dot_product_attention(q, k, v, **masks, **options), 1, 2)


def variance(x: Tensor, axis: Any = None, *, keepdims: bool = False, correction: int = 1) -> Tensor:
    y = ops.var(x, axis, keepdims)
    n = math.prod(x.shape) // math.prod(y.shape)
    return n / (n - correction) * y if correction else y


def index(x: Tensor, index: Any) -> Tensor:
    if not any(isinstance(i, np.ndarray) for i in (index if isinstance(index, tuple) else [index])):
        return x[index]
    return ops.take(ops.reshape(x, (-1,)), np.arange(math.prod(x.shape)).reshape(x.shape)[index])


def put(x: Tensor, values: Tensor, index: Any) -> Tensor:
    entries = np.arange(math.prod(x.shape)).reshape(x.shape)[index]
    places = np.stack(np.unravel_index(entries.ravel(), x.shape), axis=-1)
    return ops.scatter_update(x, places, ops.reshape(values, (-1,)))


def triangular_solve(
    A: Tensor, B: Tensor, *, lower: bool = True, transpose: bool = False
) -> Tensor:
    T = ops.swapaxes(A, -1, -2) if transpose else A
    return ops.solve_triangular(T, B, lower=lower != transpose)


def entropy(function: Any, y: Tensor, t: Any, reduction: str = "mean", **axis: int) -> Tensor:
    each_row = function(t, y, from_logits=True, **axis)
    return {"none": ops.array, "mean": ops.mean, "sum": ops.sum}[reduction](each_row)


SAME = (
    *("sigmoid", "tanh", "relu", "silu", "softplus", "softsign", "log_sigmoid", "elu", "glu"),
    *("leaky_relu", "softmax", "log_softmax", "matmul", "add", "subtract", "multiply", "divide"),
    *("negative", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "sin", "cos"),
    *("erf", "abs", "maximum", "minimum", "sum", "mean", "max", "min", "logsumexp", "cumsum"),
    *("transpose", "cholesky", "solve"),
)

OF_KERAS = {
    **{name: getattr(ops, name) for name in SAME},
    "dense": lambda x, W, *b: ops.matmul(x, W) + b[0] if b else ops.matmul(x, W),
    "conv": conv,
    "conv_transpose": conv_transpose,
    "embedding": lambda W, index: ops.take(W, index, axis=0),
    "leaky_relu": lambda z, negative_slope=0.01: ops.leaky_relu(z, negative_slope),
    "gelu": lambda z, approximate="none": ops.gelu(z, approximate == "tanh"),
    "mish": keras.activations.mish,
    "hardsigmoid": ops.hard_sigmoid,
    "hardswish": ops.hard_silu,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "group_norm": group_norm,
    "layer_norm": lambda x, g, b, eps=1e-5: ops.layer_normalization(x, g, b, -1, eps),
    "rms_norm": lambda x, gamma, eps=1e-5: ops.rms_normalization(x, gamma, -1, eps),
    "max_pool": pool(ops.max_pool, -math.inf),
    "average_pool": pool(ops.average_pool, 0),
    "adaptive_average_pool": adaptive(ops.adaptive_average_pool),
    "adaptive_max_pool": adaptive(ops.adaptive_max_pool),
    "upsample": upsample,
    "attention": attention,
    "causal_mask": lambda scores, fill=-1e4: ops.where(
        ops.tri(scores.shape[-2], dtype="bool"), scores, fill
    ),
    "einsum": lambda *operands, equation: ops.einsum(equation, *operands),
    "addmm": lambda c, a, b, alpha=1, beta=1: beta * c + alpha * ops.matmul(a, b),
    "scale": lambda x, factor: ops.multiply(x, factor),
    "power": lambda x, exponent: ops.power(x, exponent),
    "variance": variance,
    "norm": lambda x, axis=None, keepdims=False: ops.norm(x, None, axis, keepdims),
    "normalize": lambda x, axis=1, eps=1e-12: ops.normalize(x, axis, 2, eps),
    "concatenate": lambda *parts, axis: ops.concatenate(parts, axis),
    "stack": lambda *parts, axis: ops.stack(parts, axis),
    "reshape": lambda x, shape: ops.reshape(x, shape),
    "expand": lambda x, shape: ops.broadcast_to(x, shape),
    "slice": index,
    "put": put,
    "pad": lambda x, width, value=0: ops.pad(x, width, constant_values=value),
    "masked_fill": lambda x, mask, value: ops.where(mask, value, x),
    "where": lambda a, b, condition: ops.where(condition, a, b),
    "clamp": lambda x, low=-math.inf, high=math.inf: ops.clip(x, low, high),
    "atan2": ops.arctan2,
    "erf_inv": ops.erfinv,
    "triangular_solve": triangular_solve,
    "half_squared_error": lambda y, t: 0.5 * ops.sum(ops.square(t - y)),
    "mean_squared_error": lambda y, t: ops.mean(losses.mean_squared_error(t, y)),
    "l1_loss": lambda y, t: ops.mean(losses.mean_absolute_error(t, y)),
    "huber": lambda y, t: ops.mean(losses.huber(t, y)),
    "cross_entropy": lambda y, target, **o: entropy(
        ops.sparse_categorical_crossentropy, y, target, **o
    ),
    "softmax_cross_entropy": lambda y, t, **o: entropy(ops.categorical_crossentropy, y, t, **o),
    "bce_with_logits": lambda y, t, **o: entropy(ops.binary_crossentropy, y, t, **o),
}

LACKS = (
    *("conv groups", "conv_transpose groups", "embedding padding_index", "softplus beta"),
    *("softplus threshold", "max_pool dilation", "average_pool count_include_pad"),
    *("triangular_solve unit_diagonal", "cross_entropy weight", "cross_entropy label_smoothing"),
    *("cross_entropy ignore_index", "softmax_cross_entropy weight", "bce_with_logits weight"),
    *("softmax_cross_entropy label_smoothing", "bce_with_logits pos_weight"),
)
MEANS = ("mean_squared_error reduction", "huber delta", "l1_loss reduction")


def on(backend: Adapter, name: str, unsupported: Mapping[str, Why]) -> Adapter:
    """Return Keras on a backend. Raises ImportError where Keras has another one already."""
    if (found := keras.backend.backend()) != name:
        raise ImportError(f"Keras runs {found} in this process; verify it on {name} in another run")
    return replace(
        backend,
        version=keras.__version__,
        ops=OF_KERAS,
        libraries=libraries,
        dialect=None,
        forward_mode={},
        second_order={},
        lacks="Keras has no function for it",
        unsupported={
            **dict.fromkeys(LACKS, "Keras has none"),
            **dict.fromkeys(MEANS, "Keras's loss is a mean over the last axis"),
            **unsupported,
        },
    )
