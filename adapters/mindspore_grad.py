"""MindSpore on the CPU: eager tensors (PyNative) and mindspore.value_and_grad.

First order alone. In gradients of gradients MindSpore takes what ops.sum, reshape and permute hand
on for a constant, so most of them are zero; no finding says so yet. And mindspore.jvp raises here.
A part of MindSpore was compiled for NumPy 1, and its first call raises a SystemError, so that call
is made here.
"""

import os
import warnings
from contextlib import redirect_stderr, suppress
from io import StringIO
from typing import Any

import numpy as np

os.environ.setdefault("GLOG_v", "3")  # errors alone

with warnings.catch_warnings(action="ignore"):  # of tools that it does not find
    import mindspore
    from mindspore import ops, tensor

from backproof.adapters.mindspore_functions import (
    adaptive_max_pool,
    axes,
    batch_norm,
    batch_norm_inference,
    causal_mask,
    complete_iou,
    conv,
    dense,
    group_norm,
    has_steps,
    indices,
    matmul,
    max_pool,
    of_classes,
    of_images,
    weights,
)
from backproof.adapters.mindspore_optimizers import libraries
from backproof.adapters.protocol import Adapter, Loss, Tensor

mindspore.set_context(mode=mindspore.PYNATIVE_MODE, device_target="CPU", pynative_synchronize=True)
with suppress(SystemError), redirect_stderr(StringIO()):  # of a part that NumPy 1 compiled
    _ = ops.ones((1, 1), mindspore.float32).T


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Any, ...]:
    values: dict[str, Tensor] = {}

    def of_positions(*positions: Tensor) -> Tensor:
        E, found = loss(dict(zip(tensors, positions, strict=True)))
        values.update(found)
        return E

    differentiated = mindspore.value_and_grad(of_positions, tuple(range(len(tensors))))
    _, gradients = differentiated(*tensors.values())
    gradients = gradients if len(tensors) > 1 else (gradients,)
    return values, dict(zip(tensors, gradients, strict=True))


OF_OPS = (
    *("add", "subtract", "multiply", "divide", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt"),
    *("reciprocal", "sin", "cos", "erf", "abs", "maximum", "minimum", "atan2", "lgamma"),
    *("digamma", "cumsum", "reshape", "sigmoid", "tanh", "relu", "elu", "silu"),
    *("softmax", "log_softmax", "mish", "softsign", "hardsigmoid", "hardswish", "prelu", "glu"),
    *("gelu", "l1_loss"),
)

WITHOUT_FLOAT64 = (
    *("average_pool", "batch_norm", "batch_norm_inference", "conv", "prelu"),
    "softmax_cross_entropy",
)
IN_FLOAT32 = (
    *("gelu approximate", "layer_norm", "mean_squared_error", "huber", "l1_loss", "variance"),
    *("digamma", "lgamma"),
)

adapter = Adapter(
    version=mindspore.__version__,
    ops={
        **{name: getattr(ops, name) for name in OF_OPS},
        "dense": dense,
        "matmul": matmul,
        "conv": conv,
        "embedding": lambda W, index: ops.gather(W, tensor(index), 0),
        "leaky_relu": lambda z, negative_slope=0.01: ops.leaky_relu(z, negative_slope),
        "softplus": lambda z, beta=1, threshold=20: ops.softplus(z, beta, threshold),
        "log_sigmoid": ops.logsigmoid,
        "batch_norm": batch_norm,
        "batch_norm_inference": batch_norm_inference,
        "layer_norm": lambda x, gamma, beta, eps=1e-5: ops.LayerNorm(-1, -1, eps)(x, gamma, beta)[
            0
        ],
        "group_norm": group_norm,
        "max_pool": max_pool,
        "average_pool": of_images(ops.avg_pool1d, ops.avg_pool2d, ops.avg_pool3d),
        "adaptive_average_pool": of_images(
            ops.adaptive_avg_pool1d, ops.adaptive_avg_pool2d, ops.adaptive_avg_pool3d
        ),
        "adaptive_max_pool": adaptive_max_pool,
        "upsample": lambda x, scale_factor: ops.interpolate(
            x, size=tuple(n * scale_factor for n in x.shape[2:])
        ),
        "causal_mask": causal_mask,
        "addmm": lambda c, a, b, **scales: (ops.addmm if a.ndim == len("IK") else ops.baddbmm)(
            c, a, b, **scales
        ),
        "scale": lambda x, factor: x * factor,
        "power": lambda x, exponent: ops.pow(x, exponent),
        "negative": ops.neg,
        "sum": lambda x, axis=None, keepdims=False: ops.sum(x, axis, keepdims),
        "mean": lambda x, axis=None, keepdims=False: ops.mean(x, axis, keepdims),
        "max": lambda x, axis=None, keepdims=False: ops.amax(x, axis, keepdims),
        "min": lambda x, axis=None, keepdims=False: ops.amin(x, axis, keepdims),
        "logsumexp": lambda x, axis=None, keepdims=False: ops.logsumexp(x, axes(x, axis), keepdims),
        "variance": lambda x, axis=None, keepdims=False, correction=1: ops.var(
            x, axis, correction, keepdims
        ),
        "norm": lambda x, axis=None, keepdims=False: ops.vector_norm(
            x, axis=axis, keepdims=keepdims
        ),
        "normalize": lambda x, axis=1, eps=1e-12: ops.L2Normalize(axis, eps**2)(x),
        "concatenate": lambda *parts, axis: ops.cat(parts, axis),
        "stack": lambda *parts, axis: ops.stack(parts, axis),
        "transpose": lambda x, axes: ops.permute(x, axes),
        "slice": lambda x, index: x[indices(index)],
        "expand": lambda x, shape: ops.broadcast_to(x, shape),
        "add_at": lambda x, source, index: ops.tensor_scatter_add(
            x, tensor(index).expand_dims(-1), source
        ),
        "put": lambda x, values, index: ops.tensor_scatter_update(
            x, tensor(np.argwhere(index)), values
        ),
        "pad": lambda x, width, value=0: ops.pad(
            x, [n for pair in reversed(width) for n in pair], value=value
        ),
        "masked_fill": lambda x, mask, value: ops.masked_fill(
            x, tensor(mask), tensor(value, x.dtype)
        ),
        "where": lambda a, b, condition: ops.where(tensor(condition), a, b),
        "clamp": lambda x, low=-np.inf, high=None: ops.clamp(x, low, high),
        "erf_inv": ops.erfinv,
        "half_squared_error": lambda y, t: 0.5 * ops.sum(ops.square(t - y)),
        "mean_squared_error": ops.mse_loss,
        "huber": ops.huber_loss,
        "cross_entropy": lambda y, **o: of_classes(ops.cross_entropy, y, **o),
        "nll_loss": lambda y, **o: of_classes(ops.nll_loss, y, **o),
        "softmax_cross_entropy": lambda y, t, **o: of_classes(ops.cross_entropy, y, t, **o),
        "bce_with_logits": lambda y, t, **o: ops.binary_cross_entropy_with_logits(
            y, t, **weights(y, o)
        ),
        "kl_div": ops.kl_div,
        "complete_iou": complete_iou,
    },
    array=lambda a: tensor(a.copy()),
    numpy=lambda t: t.asnumpy(),
    value_and_grad=value_and_grad,
    libraries=libraries,
    lacks="MindSpore has no function for it",
    unsupported={
        "bfloat16": "MindSpore has few functions for it on CPUs, and no product",
        **dict.fromkeys(("einsum", "conv_transpose", "rms_norm"), "it has no kernel for CPUs"),
        "layer_norm float16": "its gradient raises, in some networks",
        "slice index": (has_steps, "in steps, the gradient raises in some networks"),
        "normalize float16": "ops.L2Normalize takes no eps of zero, which eps^2 is",
        "norm": "at zero its gradient is NaN, which no case of an op alone shows yet",
        "embedding padding_index": "ops.gather has none",
        "elu alpha": (lambda alpha: alpha != 1, "ops.elu wants 1"),
        "kl_div.t": "ops.kl_div does not differentiate its labels",
        "kl_div log_target": "ops.kl_div has none",
        **dict.fromkeys(
            (f"{op} float64" for op in WITHOUT_FLOAT64), "it has no kernel for such numbers on CPUs"
        ),
        **dict.fromkeys((f"{op} float64" for op in IN_FLOAT32), "MindSpore computes it in float32"),
        "softplus float64": "MindSpore computes it in float32",
        "log_softmax": "not settled yet: its logarithm has five digits, and in float64 too",
        "mish": "above 44 it is NaN in float32, and what follows is not decided",
        "log_sigmoid": "of a sigmoid of zero it is infinite, and what follows is not decided",
        **dict.fromkeys(
            (
                *("cross_entropy label_smoothing", "cross_entropy weight"),
                *("softmax_cross_entropy label_smoothing", "softmax_cross_entropy weight"),
            ),
            "not settled yet: numbers of few digits",
        ),
        "bce_with_logits": "not settled yet: few digits, which changed from run to run",
        **{
            f"{op} padding": (lambda padding: np.ndim(padding) > 1, "MindSpore's is even")
            for op in ("conv", "max_pool", "average_pool")
        },
    },
)
