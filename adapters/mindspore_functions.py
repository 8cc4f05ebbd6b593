"""What users of MindSpore write around its functions: layers, indices and losses."""

import math
from typing import Any

import mindspore
import numpy as np
from mindspore import ops, tensor

from backproof.adapters.protocol import Tensor


def dense(x: Tensor, W: Tensor, *b: Tensor) -> Tensor:
    if W.ndim == 0:
        return sum(b, x * W)
    return ops.dense(x, W.T, *(a.broadcast_to(W.shape[1:]) for a in b))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Multiply batches by ops.BatchMatMul: the gradient of ops.matmul raises for some of one."""
    if min(a.ndim, b.ndim) > len("IK"):
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (t.broadcast_to((*batch, *t.shape[-2:])) for t in (a, b))
        return ops.BatchMatMul()(a, b)
    return ops.matmul(a, b)


def of_images(*functions: Any) -> Any:
    """Return a function of images; functions: of those of one axis, two and three."""

    def of(x: Tensor, *leaves: Tensor, **options: Any) -> Tensor:
        return functions[x.ndim - 3](x, *leaves, **options)

    return of


convolution = of_images(ops.conv1d, ops.conv2d, ops.conv3d)


def conv(x: Tensor, *leaves: Tensor, **options: Any) -> Tensor:
    return convolution(x, *leaves, pad_mode="pad", **options)


def conv_transpose(x: Tensor, W: Tensor, *b: Tensor, groups: int = 1, **options: Any) -> Tensor:
    """Transpose a convolution, as nn.Conv2dTranspose does; of one axis as nn.Conv1dTranspose."""
    given = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, **options}
    if x.ndim == len("NCW"):
        one = {name: (int("padding" not in name), option) for name, option in given.items()}
        x, W = x.expand_dims(2), W.expand_dims(2)
        return conv_transpose(x, W, *b, groups=groups, **one).squeeze(2)
    s, p, more, d = (np.broadcast_to(option, 2).tolist() for option in given.values())
    sides = [
        s[i] * (x.shape[2 + i] - 1) + d[i] * (W.shape[2 + i] - 1) + 1 - 2 * p[i] + more[i]
        for i in range(2)
    ]
    options = {"stride": tuple(s), "dilation": tuple(d), "pad": tuple(np.repeat(p, 2).tolist())}
    of = ops.Conv2DTranspose(W.shape[0], W.shape[2:], pad_mode="pad", group=groups, **options)
    y = of(x, W, (len(x), W.shape[1] * groups, *sides))
    return ops.bias_add(y, *b) if b else y


def max_pool(x: Tensor, **options: Any) -> Tensor:
    """Pool images of one axis as those of two, as nn.MaxPool1d does."""
    if x.ndim > len("NCW"):
        return (ops.max_pool2d if x.ndim == len("NCHW") else ops.max_pool3d)(x, **options)
    high = {"padding": 0}  # elsewhere one
    options = {k: (high.get(k, 1), int(np.ravel(o)[0])) for k, o in options.items()}
    return ops.max_pool2d(x.expand_dims(2), **options).squeeze(2)


def adaptive_max_pool(x: Tensor, output_size: Any) -> Tensor:
    """Pool images of one axis as those of two: adaptive_max_pool1d wants equal windows."""
    if x.ndim > len("NCW"):
        return ops.adaptive_max_pool2d(x, output_size)
    size = (1, int(np.ravel(output_size)[0]))
    return ops.adaptive_max_pool2d(x.expand_dims(2), size).squeeze(2)


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    running = ops.zeros_like(gamma), ops.ones_like(gamma)
    return ops.batch_norm(x, *running, gamma, beta, training=True, eps=eps)


def batch_norm_inference(
    x: Tensor, *parameters: Tensor, mean: Any, variance: Any, eps: float = 1e-5
) -> Tensor:
    m, v = (tensor(a, x.dtype) for a in (mean, variance))
    parameters = parameters or (ops.ones_like(m), ops.zeros_like(m))
    return ops.batch_norm(x, m, v, *parameters, eps=eps)


def group_norm(x: Tensor, *parameters: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    return ops.group_norm(x, groups, *parameters, eps=eps)


def causal_mask(scores: Tensor, fill: float = -1e4) -> Tensor:
    later = ops.ones(scores.shape[-2:], mindspore.float32).triu(1).bool()
    return ops.masked_fill(scores, later, tensor(fill, scores.dtype))


def of_classes(function: Any, y: Tensor, *t: Tensor, axis: int = -1, **options: Any) -> Tensor:
    labels = [ops.movedim(a, axis, 1) for a in t]
    labels = labels or [tensor(options.pop("target"), mindspore.int32)]
    return function(ops.movedim(y, axis, 1), *labels, **weights(y, options))


def weights(y: Tensor, options: Any) -> Any:
    arrays = {k: options[k] for k in ("weight", "pos_weight") if k in options}
    return options | {k: tensor(a, y.dtype) for k, a in arrays.items()}


def complete_iou(p: Tensor, t: Tensor, eps: Any = 1e-7) -> Tensor:
    """Compose it: MindSpore itself has none."""
    eps = tensor(eps, p.dtype)
    (x1, y1, x2, y2), (X1, Y1, X2, Y2) = ops.unbind(p, -1), ops.unbind(t, -1)
    w, h, wt, ht = x2 - x1, y2 - y1, X2 - X1, Y2 - Y1
    inter = ops.relu(ops.minimum(x2, X2) - ops.maximum(x1, X1))
    inter = inter * ops.relu(ops.minimum(y2, Y2) - ops.maximum(y1, Y1))
    iou = inter / (w * h + wt * ht - inter + eps)
    c2 = ops.square(ops.maximum(x2, X2) - ops.minimum(x1, X1)) + eps
    c2 = c2 + ops.square(ops.maximum(y2, Y2) - ops.minimum(y1, Y1))
    rho2 = (ops.square(x1 + x2 - X1 - X2) + ops.square(y1 + y2 - Y1 - Y2)) / 4
    v = tensor(4 / math.pi**2, p.dtype) * ops.square(ops.atan(wt / ht) - ops.atan(w / h))
    alpha = ops.stop_gradient(v / (1 - iou + v + eps))
    return 1 - iou + rho2 / c2 + alpha * v


def axes(x: Tensor, axis: Any) -> Any:
    return tuple(range(x.ndim)) if axis is None else axis


def indices(i: Any) -> Any:
    if isinstance(i, tuple):
        return tuple(map(indices, i))
    return tensor(i) if isinstance(i, np.ndarray) else i


def part_of(x: Tensor, index: Any) -> Tensor:
    """Index; where two axes have steps, by ops.strided_slice: the gradient of x[...] raises."""
    parts = index if isinstance(index, tuple) else (index,)
    if sum(isinstance(part, slice) and part.step is not None for part in parts) > 1:
        each = (part.indices(n) for part, n in zip(parts, x.shape, strict=False))
        return ops.strided_slice(x, *zip(*each, strict=True))
    return x[indices(index)]


def bce_with_logits(y: Tensor, t: Tensor, reduction: str = "mean", **options: Any) -> Tensor:
    """Reduce the losses by MindSpore's other functions.

    Its own mean hands on shares of the mean over as many entries as its first call in the process
    had, of as many axes.
    """
    losses = ops.binary_cross_entropy_with_logits(y, t, reduction="none", **weights(y, options))
    return {"mean": ops.mean, "sum": ops.sum, "none": lambda x: x}[reduction](losses)
