"""MLX's layers of images, whose channels come last: images are transposed, and back after them."""

from typing import Any

import mlx.core as mx
from mlx import nn

from backproof.adapters.protocol import Tensor


def channels_last(a: Tensor) -> Tensor:
    return mx.moveaxis(a, 1, -1)


def channels_first(a: Tensor) -> Tensor:
    return mx.moveaxis(a, -1, 1)


def conv(
    x: Tensor, W: Tensor, *b: Tensor, padding: Any = 0, dilation: Any = 1, **options: Any
) -> Tensor:
    if not isinstance(padding, int):
        pairs = [(n, n) if isinstance(n, int) else n for n in padding]
        padding = tuple([pair[side] for pair in pairs] for side in (0, 1))
    z = mx.conv_general(
        channels_last(x), channels_last(W), padding=padding, kernel_dilation=dilation, **options
    )
    return channels_first(z + b[0] if b else z)


def conv_transpose(x: Tensor, W: Tensor, *b: Tensor, **options: Any) -> Tensor:
    transposed = (mx.conv_transpose1d, mx.conv_transpose2d, mx.conv_transpose3d)[x.ndim - 3]
    z = transposed(channels_last(x), mx.moveaxis(W, 0, -1), **options)
    return channels_first(z + b[0] if b else z)


def pooled(name: str) -> Any:
    def pool(x: Tensor, kernel_size: Any, stride: Any, padding: Any = 0) -> Tensor:
        layer = getattr(nn, f"{name}{x.ndim - 2}d")(kernel_size, stride, padding)
        return channels_first(layer(channels_last(x)))

    return pool


def with_parameters(layer: Any, *parameters: Tensor) -> Any:
    layer.update(dict(zip(("weight", "bias"), parameters, strict=False)))
    return layer


def batch_norm(x: Tensor, *parameters: Tensor, eps: float = 1e-5) -> Tensor:
    layer = nn.BatchNorm(x.shape[1], eps, track_running_stats=False)
    return channels_first(with_parameters(layer, *parameters)(channels_last(x)))


def batch_norm_inference(
    x: Tensor, *parameters: Tensor, mean: Any, variance: Any, eps: float = 1e-5
) -> Tensor:
    layer = nn.BatchNorm(x.shape[1], eps, affine=bool(parameters)).eval()
    layer.running_mean, layer.running_var = (mx.array(a, x.dtype) for a in (mean, variance))
    return channels_first(with_parameters(layer, *parameters)(channels_last(x)))


def group_norm(x: Tensor, *parameters: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    layer = nn.GroupNorm(groups, x.shape[1], eps, bool(parameters), pytorch_compatible=True)
    return channels_first(with_parameters(layer, *parameters)(channels_last(x)))


def upsample(x: Tensor, scale_factor: int) -> Tensor:
    layer = nn.Upsample((float(scale_factor),) * (x.ndim - 2))
    return channels_first(layer(channels_last(x)))
