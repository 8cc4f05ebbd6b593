"""What users of TensorFlow write around its functions: layers, indices and losses.

TensorFlow keeps channels last: images are transposed before its layers, and back after them.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from backproof.adapters.protocol import Tensor


def channels_last(x: Tensor) -> Tensor:
    return tf.transpose(x, (0, *range(2, x.ndim), 1))


def channels_first(x: Tensor) -> Tensor:
    return tf.transpose(x, (0, x.ndim - 1, *range(1, x.ndim - 1)))


def each(option: Any, x: Tensor) -> list[Any]:
    return [option] * (x.ndim - 2) if isinstance(option, int) else [*option]


def around(x: Tensor, padding: Any, value: float = 0.0) -> Tensor:
    """Return x with a value around its images, channels last."""
    pairs = [(n, n) if isinstance(n, int) else n for n in each(padding, x)]
    x = channels_last(x)
    if not any(map(any, pairs)):
        return x
    return tf.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=tf.constant(value, x.dtype))


def conv(
    x: Tensor, W: Tensor, *b: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Tensor:
    kernel = tf.transpose(W, (*range(2, W.ndim), 1, 0))
    layout = ("NWC", "NHWC", "NDHWC")[x.ndim - 3]
    options = {"strides": each(stride, x), "dilations": each(dilation, x), "data_format": layout}
    z = tf.nn.convolution(around(x, padding), kernel, padding="VALID", **options)
    return channels_first(tf.nn.bias_add(z, b[0]) if b else z)


def conv_transpose(
    x: Tensor, W: Tensor, *b: Tensor, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
) -> Tensor:
    strides, before, more = (each(o, x) for o in (stride, padding, output_padding))
    sides = zip(x.shape[2:], W.shape[2:], strides, before, more, strict=True)
    whole = [(n - 1) * s + k + max(e - p, 0) for n, k, s, p, e in sides]
    kernel = tf.transpose(W, (*range(2, W.ndim), 1, 0))
    z = tf.nn.conv_transpose(
        channels_last(x), kernel, [x.shape[0], *whole, W.shape[1]], strides, padding="VALID"
    )
    inside = [
        slice(p, (n - p + e) if p > e else n) for n, p, e in zip(whole, before, more, strict=True)
    ]
    z = z[:, *inside, :] if any(before) else z
    return channels_first(tf.nn.bias_add(z, b[0]) if b else z)


def pool(kind: str, value: float) -> Any:
    def pooled(
        x: Tensor, kernel_size: Any, stride: Any, padding: Any = 0, dilation: Any = 1
    ) -> Tensor:
        window = (each(option, x) for option in (kernel_size, stride, dilation))
        size, strides, dilations = window
        padded = around(x, padding, value)
        return channels_first(tf.nn.pool(padded, size, kind, strides, "VALID", dilations=dilations))

    return pooled


def normalized(x: Tensor, axes: Any, eps: float, *parameters: Tensor) -> Tensor:
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    gamma, beta = parameters or (None, None)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, eps)


def batch_norm(x: Tensor, *parameters: Tensor, eps: float = 1e-5) -> Tensor:
    return channels_first(normalized(channels_last(x), [*range(x.ndim - 1)], eps, *parameters))


def batch_norm_inference(
    x: Tensor, *parameters: Tensor, mean: Any, variance: Any, eps: float = 1e-5
) -> Tensor:
    m, v = (tf.constant(a, x.dtype) for a in (mean, variance))
    gamma, beta = parameters or (None, None)
    return channels_first(tf.nn.batch_normalization(channels_last(x), m, v, beta, gamma, eps))


def upsample(x: Tensor, scale_factor: int) -> Tensor:
    sides = [scale_factor * n for n in x.shape[2:]]
    return channels_first(tf.image.resize(channels_last(x), sides, "nearest"))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    if b.ndim > 1:
        return tf.matmul(a, b)
    return tf.linalg.matvec(a, b) if a.ndim > 1 else tf.tensordot(a, b, 1)


def variance(x: Tensor, axis: Any = None, *, keepdims: bool = False, correction: int = 1) -> Tensor:
    y = tf.math.reduce_variance(x, axis, keepdims)
    n = math.prod(x.shape) // math.prod(tf.math.reduce_variance(x, axis).shape)
    return n / (n - correction) * y if correction else y


def causal_mask(scores: Tensor, fill: float = -1e4) -> Tensor:
    seen = tf.linalg.band_part(tf.ones(scores.shape[-2:], tf.bool), -1, 0)
    return tf.where(seen, scores, tf.constant(fill, scores.dtype))


def places(x: Tensor, index: Any) -> Any:
    """Return the coordinates of the entries at an index."""
    entries = np.arange(np.prod(x.shape)).reshape(x.shape)[index]
    return np.stack(np.unravel_index(entries, x.shape), axis=-1)


def is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, np.ndarray) for part in parts)


def reduced(losses: Tensor, reduction: str = "mean") -> Tensor:
    of = {"none": tf.identity, "mean": tf.reduce_mean, "sum": tf.reduce_sum}
    return of[reduction](losses)


def bce_with_logits(y: Tensor, t: Tensor, pos_weight: Any = None, **o: str) -> Tensor:
    if pos_weight is None:
        return reduced(tf.nn.sigmoid_cross_entropy_with_logits(t, y), **o)
    pos_weight = tf.constant(pos_weight, y.dtype)
    return reduced(tf.nn.weighted_cross_entropy_with_logits(t, y, pos_weight), **o)


def axes(function: Any) -> Any:
    """Return a reduction, by NumPy's name of its option."""
    return lambda x, axis=None, keepdims=False: function(x, axis, keepdims)
