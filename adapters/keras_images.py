"""Keras's convolutions, poolings and upsampling.

Keras keeps channels last: images are transposed before its functions, and back after them.
"""

from typing import Any

import keras
from keras import ops

from backproof.adapters.protocol import Tensor


def channels_last(x: Tensor) -> Tensor:
    return ops.moveaxis(x, 1, -1)


def channels_first(x: Tensor) -> Tensor:
    return ops.moveaxis(x, -1, 1)


def each(option: Any, x: Tensor) -> tuple[Any, ...]:
    return (option,) * (x.ndim - 2) if isinstance(option, int) else tuple(option)


def around(x: Tensor, padding: Any, value: float = 0.0) -> Tensor:
    """Return x with a value around its images, channels last."""
    pairs = [(n, n) if isinstance(n, int) else n for n in each(padding, x)]
    x = channels_last(x)
    if not any(map(any, pairs)):
        return x
    return ops.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=value)


def kernel(W: Tensor) -> Tensor:
    return ops.transpose(W, (*range(2, W.ndim), 1, 0))


def conv(
    x: Tensor, W: Tensor, *b: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Tensor:
    options = {"strides": each(stride, x), "dilation_rate": each(dilation, x)}
    z = ops.conv(around(x, padding), kernel(W), **options, data_format="channels_last")
    return channels_first(z + b[0] if b else z)


def conv_transpose(
    x: Tensor, W: Tensor, *b: Tensor, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
) -> Tensor:
    strides, before, more = (each(o, x) for o in (stride, padding, output_padding))
    z = ops.conv_transpose(channels_last(x), kernel(W), strides, data_format="channels_last")
    sides = zip(x.shape[2:], W.shape[2:], strides, before, more, strict=True)
    inside = [slice(p, (n - 1) * s - p + k + e) for n, k, s, p, e in sides]
    z = z[(slice(None), *inside)]
    return channels_first(z + b[0] if b else z)


def pool(function: Any, value: float) -> Any:
    def pooled(x: Tensor, kernel_size: Any, stride: Any, padding: Any = 0) -> Tensor:
        size, strides = each(kernel_size, x), each(stride, x)
        padded = around(x, padding, value)
        return channels_first(function(padded, size, strides, data_format="channels_last"))

    return pooled


def adaptive(function: Any) -> Any:
    return lambda x, output_size: function(x, output_size, data_format="channels_first")


def dtype(x: Tensor) -> str:
    return keras.backend.standardize_dtype(x.dtype)


def upsample(x: Tensor, scale_factor: int) -> Tensor:
    layer = keras.layers.UpSampling2D(scale_factor, "channels_last", dtype=dtype(x))
    return channels_first(layer(channels_last(x)))
