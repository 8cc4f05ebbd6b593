"""What users of Paddle write around its functions: layers, indices and losses."""

import math
import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings(action="ignore"):  # of tools that it does not find
    import paddle
    from paddle.nn import functional as F

from backproof.adapters.protocol import Tensor


def dense(x: Tensor, W: Tensor, *b: Tensor) -> Tensor:
    if W.shape == []:
        return sum(b, x * W)
    return F.linear(x, W, *(a.expand(W.shape[1:]) for a in b))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Expand first where both have batches: there the gradient of paddle.matmul raises."""
    if min(a.ndim, b.ndim) > len("IK"):
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (t.expand([*batch, *t.shape[-2:]]) for t in (a, b))
    return paddle.matmul(a, b)


def addmm(c: Tensor, a: Tensor, b: Tensor, **scales: float) -> Tensor:
    function = paddle.addmm if a.ndim == len("IK") else paddle.baddbmm
    return function(c, a, b, **scales)


def flat(padding: Any) -> Any:
    """Return padding as Paddle has it: pairs one after another."""
    if isinstance(padding, int) or all(isinstance(n, int) for n in padding):
        return padding
    return [n for pair in padding for n in pair]


def of_images(*functions: Any) -> Any:
    """Return a function of images; functions: of those of one axis, two and three."""

    def of(x: Tensor, *leaves: Tensor, **options: Any) -> Tensor:
        if "padding" in options:
            options["padding"] = flat(options["padding"])
        return functions[x.ndim - 3](x, *leaves, **options)

    return of


average = of_images(F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


def average_pool(x: Tensor, count_include_pad: bool = True, **options: Any) -> Tensor:  # noqa: FBT001, FBT002
    return average(x, exclusive=not count_include_pad, **options)


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    running = paddle.zeros_like(gamma), paddle.ones_like(gamma)
    return F.batch_norm(x, *running, gamma, beta, training=True, epsilon=eps)


def batch_norm_inference(
    x: Tensor, *parameters: Tensor, mean: Any, variance: Any, eps: float = 1e-5
) -> Tensor:
    m, v = (paddle.to_tensor(a, dtype=x.dtype) for a in (mean, variance))
    return F.batch_norm(x, m, v, *parameters, epsilon=eps)


def group_norm(x: Tensor, *parameters: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    return F.group_norm(x, groups, eps, *parameters)


def causal_mask(scores: Tensor, fill: float = -1e4) -> Tensor:
    later = paddle.ones(scores.shape[-2:], dtype="bool").triu(1)
    return paddle.masked_fill(scores, later, fill)


def attention(q: Tensor, k: Tensor, v: Tensor, *bias: Tensor, **options: Any) -> Tensor:
    causal, seen = options.pop("causal", True), options.pop("seen", None)
    mask = bias[0] if bias else None if seen is None else paddle.to_tensor(seen)
    heads_last = (t.transpose([0, 2, 1, 3]) for t in (q, k, v))
    attend: Any = F.scaled_dot_product_attention
    return attend(*heads_last, mask, is_causal=causal, **options).transpose([0, 2, 1, 3])


def of_classes(function: Any, y: Tensor, *t: Tensor, **options: Any) -> Tensor:
    t = t or (paddle.to_tensor(options.pop("target")),)
    return function(y, *t, **weights(y, options))


def softmax_cross_entropy(y: Tensor, t: Tensor, axis: int = -1, **options: Any) -> Tensor:
    losses = of_classes(F.cross_entropy, y, t, soft_label=True, axis=axis, **options)
    return losses.squeeze(axis) if losses.ndim else losses


def weights(y: Tensor, options: Any) -> Any:
    arrays = {k: options[k] for k in ("weight", "pos_weight") if k in options}
    return options | {k: paddle.to_tensor(a, dtype=y.dtype) for k, a in arrays.items()}


def complete_iou(p: Tensor, t: Tensor, eps: float = 1e-7) -> Tensor:
    """Compose it as PaddleDetection does: Paddle itself has none."""
    (x1, y1, x2, y2), (X1, Y1, X2, Y2) = p.unbind(-1), t.unbind(-1)
    w, h, wt, ht = x2 - x1, y2 - y1, X2 - X1, Y2 - Y1
    inter = F.relu(paddle.minimum(x2, X2) - paddle.maximum(x1, X1))
    inter = inter * F.relu(paddle.minimum(y2, Y2) - paddle.maximum(y1, Y1))
    iou = inter / (w * h + wt * ht - inter + eps)
    c2 = (paddle.maximum(x2, X2) - paddle.minimum(x1, X1)).square() + eps
    c2 = c2 + (paddle.maximum(y2, Y2) - paddle.minimum(y1, Y1)).square()
    rho2 = ((x1 + x2 - X1 - X2).square() + (y1 + y2 - Y1 - Y2).square()) / 4
    v = 4 / math.pi**2 * (paddle.atan(wt / ht) - paddle.atan(w / h)).square()
    alpha = (v / (1 - iou + v + eps)).detach()
    return 1 - iou + rho2 / c2 + alpha * v


def over(function: Any) -> Any:
    """Return a reduction, by NumPy's name of its option."""
    return lambda x, axis=None, keepdims=False, **o: function(x, axis=axis, keepdim=keepdims, **o)


def indices(i: Any) -> Any:
    if isinstance(i, tuple):
        return tuple(map(indices, i))
    return paddle.to_tensor(i) if isinstance(i, np.ndarray) else i
