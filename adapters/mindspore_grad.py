"""MindSpore on the CPU: eager tensors (PyNative) and mindspore.grad, once and nested.

It has no forward mode: mindspore.jvp is two passes in reverse, compiled from a function's text.
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
    from mindspore.scipy.linalg import solve_triangular

from backproof.adapters.directional import reverse_over_reverse
from backproof.adapters.mindspore_functions import (
    adaptive_max_pool,
    axes,
    batch_norm,
    batch_norm_inference,
    bce_with_logits,
    causal_mask,
    complete_iou,
    conv,
    conv_transpose,
    dense,
    group_norm,
    matmul,
    max_pool,
    of_classes,
    of_images,
    part_of,
)
from backproof.adapters.mindspore_gaps import UNSUPPORTED
from backproof.adapters.mindspore_optimizers import libraries
from backproof.adapters.protocol import Adapter, Loss, Tensor

mindspore.set_context(mode=mindspore.PYNATIVE_MODE, device_target="CPU", pynative_synchronize=True)
with suppress(SystemError), redirect_stderr(StringIO()):  # of a part that NumPy 1 compiled
    _ = ops.ones((1, 1), mindspore.float32).T


def grad(function: Any, argnums: Any = 0, *, has_aux: bool) -> Any:
    """Return the gradient, and what the function returns beside the loss."""

    def gradient(*arguments: dict[str, Tensor]) -> Any:
        wanted = arguments[:1] if argnums == 0 else arguments
        beside: list[Any] = []

        def of_positions(*positions: Tensor) -> Tensor:
            E, found = function(*as_before(positions, wanted), *arguments[len(wanted) :])
            beside.append(found)
            return E

        flat = [t for named in wanted for t in named.values()]
        found = mindspore.grad(of_positions, tuple(range(len(flat))))(*flat)
        found = as_before(found if len(flat) > 1 else (found,), wanted)
        return found[0] if argnums == 0 else found, beside[-1]

    return gradient


def as_before(flat: Any, wanted: Any) -> tuple[dict[str, Tensor], ...]:
    """Return tensors under their names again."""
    tensors = iter(flat)
    return tuple({name: next(tensors) for name in named} for named in wanted)


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Any, ...]:
    gradients, values = grad(loss, has_aux=True)(tensors)
    return values, gradients


OF_OPS = (
    *("add", "subtract", "multiply", "divide", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt"),
    *("reciprocal", "sin", "cos", "erf", "abs", "maximum", "minimum", "atan2", "lgamma"),
    *("digamma", "cumsum", "reshape", "sigmoid", "tanh", "relu", "elu", "silu"),
    *("softmax", "log_softmax", "mish", "softsign", "hardsigmoid", "hardswish", "prelu", "glu"),
    *("gelu", "l1_loss"),
)

adapter = Adapter(
    version=mindspore.__version__,
    ops={
        **{name: getattr(ops, name) for name in OF_OPS},
        "dense": dense,
        "matmul": matmul,
        "conv": conv,
        "conv_transpose": conv_transpose,
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
        "slice": part_of,
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
        "solve": ops.matrix_solve,
        "triangular_solve": lambda A, B, lower=True, transpose=False, unit_diagonal=False: (
            solve_triangular(A, B, int(transpose), lower, unit_diagonal)
        ),
        "half_squared_error": lambda y, t: 0.5 * ops.sum(ops.square(t - y)),
        "mean_squared_error": ops.mse_loss,
        "huber": ops.huber_loss,
        "cross_entropy": lambda y, **o: of_classes(ops.cross_entropy, y, **o),
        "nll_loss": lambda y, **o: of_classes(ops.nll_loss, y, **o),
        "softmax_cross_entropy": lambda y, t, **o: of_classes(ops.cross_entropy, y, t, **o),
        "bce_with_logits": bce_with_logits,
        "kl_div": ops.kl_div,
        "complete_iou": complete_iou,
    },
    array=lambda a: tensor(a.copy()),
    numpy=lambda t: t.asnumpy(),
    value_and_grad=value_and_grad,
    second_order={"reverse-over-reverse": reverse_over_reverse(grad, ops.zeros_like)},
    libraries=libraries,
    lacks="MindSpore has no function for it",
    unsupported=UNSUPPORTED,
)
