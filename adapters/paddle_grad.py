"""Paddle on the CPU: eager tensors and paddle.grad."""

import math
import warnings
from typing import Any

import numpy as np

with warnings.catch_warnings(action="ignore"):  # of tools that it does not find
    import paddle
    from paddle.nn import functional as F
    from paddle.nn.utils.weight_norm_hook import _weight_norm

from backproof.adapters.paddle_optimizers import libraries
from backproof.adapters.protocol import Adapter, Loss, Tensor


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    for tensor in tensors.values():
        tensor.stop_gradient = False
    E, values = loss(tensors)
    gradients = paddle.grad(E, [*tensors.values()], allow_unused=True)  # labels have none
    return values, dict(zip(tensors, gradients, strict=True))


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


def index(i: Any) -> Any:
    if isinstance(i, tuple):
        return tuple(map(index, i))
    return paddle.to_tensor(i) if isinstance(i, np.ndarray) else i


LARGEST_EPS = 1e-3

OF_PADDLE = (
    *("add", "subtract", "multiply", "divide", "exp", "expm1", "log", "log1p", "sqrt"),
    *("rsqrt", "reciprocal", "sin", "cos", "erf", "abs", "maximum", "minimum", "atan2", "lgamma"),
    *("digamma", "cumsum", "expand", "reshape"),
)
OF_FUNCTIONAL = (
    *("sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "softplus", "softmax", "log_softmax"),
    *("log_sigmoid", "mish", "softsign", "hardsigmoid", "hardswish", "prelu", "glu", "l1_loss"),
    "kl_div",
)

adapter = Adapter(
    version=paddle.__version__,
    ops={
        **{name: getattr(paddle, name) for name in OF_PADDLE},
        **{name: getattr(F, name) for name in OF_FUNCTIONAL},
        "dense": dense,
        "matmul": matmul,
        "conv": of_images(F.conv1d, F.conv2d, F.conv3d),
        "conv_transpose": of_images(F.conv1d_transpose, F.conv2d_transpose, F.conv3d_transpose),
        "embedding": lambda W, index, padding_index=None: F.embedding(
            paddle.to_tensor(index), W, padding_index
        ),
        "gelu": lambda z, approximate="none": F.gelu(z, approximate == "tanh"),
        "batch_norm": batch_norm,
        "batch_norm_inference": batch_norm_inference,
        "layer_norm": lambda x, gamma, beta, eps=1e-5: F.layer_norm(
            x, x.shape[-1:], gamma, beta, eps
        ),
        "group_norm": group_norm,
        "weight_norm": lambda v, g, dim=0: _weight_norm(v, g, dim),
        "max_pool": of_images(F.max_pool1d, F.max_pool2d, F.max_pool3d),
        "average_pool": average_pool,
        "adaptive_average_pool": of_images(
            F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d
        ),
        "adaptive_max_pool": of_images(
            F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d
        ),
        "upsample": lambda x, scale_factor: F.interpolate(x, scale_factor=scale_factor),
        "causal_mask": causal_mask,
        "attention": attention,
        "einsum": lambda *operands, equation: paddle.einsum(equation, *operands),
        "addmm": addmm,
        "scale": lambda x, factor: paddle.scale(x, factor),
        "power": lambda x, exponent: paddle.pow(x, exponent),
        "negative": paddle.neg,
        **{
            name: over(getattr(paddle, name)) for name in ("sum", "mean", "max", "min", "logsumexp")
        },
        "variance": over(paddle.var),
        "norm": over(paddle.linalg.vector_norm),
        "normalize": lambda x, axis=1, eps=1e-12: F.normalize(x, 2, axis, eps),
        "concatenate": lambda *parts, axis: paddle.concat(parts, axis),
        "stack": lambda *parts, axis: paddle.stack(parts, axis),
        "transpose": lambda x, axes: paddle.transpose(x, axes),
        "slice": lambda x, index: x[globals()["index"](index)],
        "add_at": lambda x, source, index: paddle.index_put(
            x, (paddle.to_tensor(index),), source, accumulate=True
        ),
        "put": lambda x, values, index: paddle.index_put(x, (paddle.to_tensor(index),), values),
        "pad": lambda x, width, value=0: F.pad(x, flat(width), value=value),
        "masked_fill": lambda x, mask, value: paddle.masked_fill(x, paddle.to_tensor(mask), value),
        "where": lambda a, b, condition: paddle.where(paddle.to_tensor(condition), a, b),
        "clamp": lambda x, low=None, high=None: paddle.clip(x, low, high),
        "erf_inv": paddle.erfinv,
        "solve": paddle.linalg.solve,
        "triangular_solve": lambda A, B, lower=True, transpose=False, unit_diagonal=False: (
            paddle.linalg.triangular_solve(A, B, not lower, transpose, unit_diagonal)
        ),
        "cholesky": lambda A: paddle.linalg.cholesky((A + A.mT) / 2),
        "half_squared_error": lambda y, t: 0.5 * paddle.sum(paddle.square(t - y)),
        "mean_squared_error": F.mse_loss,
        "huber": F.smooth_l1_loss,
        "cross_entropy": lambda y, **o: of_classes(F.cross_entropy, y, **o),
        "nll_loss": lambda y, axis=1, **o: of_classes(F.nll_loss, y, **o),  # noqa: ARG005 it is 1
        "softmax_cross_entropy": lambda y, t, **o: of_classes(
            F.cross_entropy, y, t, soft_label=True, **o
        ),
        "bce_with_logits": lambda y, t, **o: F.binary_cross_entropy_with_logits(
            y, t, **weights(y, o)
        ),
        "complete_iou": complete_iou,
    },
    array=paddle.to_tensor,
    numpy=lambda t: t.numpy(),
    value_and_grad=value_and_grad,
    libraries=libraries,
    lacks="Paddle has no function for it",
    unsupported={
        **dict.fromkeys(
            ("bfloat16", "float16"), "Paddle has few functions for it on CPUs, and no product"
        ),
        "max_pool dilation": "Paddle has none",
        "rms_norm": "F.rms_norm has no kernel for CPUs",
        "layer_norm eps": (lambda eps: eps > LARGEST_EPS, "F.layer_norm refuses more than 0.001"),
        "embedding padding_index": "F.embedding has zeros in the place of that row",
        **dict.fromkeys(
            ("cross_entropy weight", "softmax_cross_entropy weight"),
            "F.cross_entropy with labels that are no class numbers takes weights of the last axis",
        ),
        "softmax_cross_entropy.t": "F.cross_entropy does not differentiate its labels",
        **dict.fromkeys(
            ("bce_with_logits.t", "kl_div.t"), "Paddle does not differentiate these labels"
        ),
        "nll_loss ignore_index": "it crashes the process where there is no weight",
    },
)
