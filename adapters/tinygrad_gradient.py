"""tinygrad: Tensor.gradient, and all values and gradients realized together.

tinygrad compiles with clang. Where there is none, its own interpreter in Python runs the kernels.
"""

import os
from importlib.metadata import version
from shutil import which
from typing import Any

import numpy as np

os.environ.setdefault("DEV", "CPU" if which("clang") else "PYTHON")

from tinygrad import Device, Tensor, dtypes

from backproof.adapters.gaps import Why
from backproof.adapters.protocol import Adapter, Loss
from backproof.adapters.protocol import Tensor as Any_
from backproof.adapters.tinygrad_functions import (
    attention,
    average_pool,
    axes,
    batch_norm,
    batch_norm_inference,
    bce_with_logits,
    conv,
    group_norm,
    indices,
    max_pool,
    nll_loss,
    rms_norm,
    upsample,
)
from backproof.adapters.tinygrad_optimizers import libraries


def array(a: Any) -> Any_:
    narrow = a.dtype.name == "bfloat16"
    t = Tensor(np.array(a, "float32" if narrow else None, ndmin=1))  # a number is a constant
    return (t.cast(dtypes.bfloat16) if narrow else t).reshape(a.shape).realize()


def numpy(t: Any_) -> Any:
    narrow = t.dtype == dtypes.bfloat16
    return t.numpy().astype("bfloat16") if narrow else t.numpy()


def value_and_grad(loss: Loss, tensors: dict[str, Any_]) -> tuple[Any_, ...]:
    E, values = loss(tensors)
    found = E.gradient(*tensors.values())
    found = [t.clone(Device.DEFAULT) if t.device is None else t for t in found]  # constants
    Tensor.realize(*values.values(), *found)
    return values, dict(zip(tensors, found, strict=True))


OF_TENSORS = (
    *("matmul", "add", "exp", "log", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "erf", "abs"),
    *("maximum", "minimum", "sigmoid", "tanh", "relu", "silu", "mish", "softsign", "hardsigmoid"),
    *("hardswish", "elu", "softplus", "softmax", "log_softmax"),
)

EMULATED = "tinygrad raises where it emulates float16: its interpreter, before Python 3.12"
NARROW = "its slope s^2 e^-x is zero where s^2 underflows, which is not settled yet"
REDUCED = "compiled, it loses digits above 30, float64's most of all, which is not settled yet"


def of_device() -> dict[str, Why]:
    """Return what is not supported by the compiler, or by the interpreter."""
    found: dict[str, Why] = {}
    if Device.DEFAULT != "PYTHON":
        found |= dict.fromkeys(("sin", "cos"), REDUCED)
    if dtypes.half in Device[Device.DEFAULT].renderer.supported_dtypes():
        found |= dict.fromkeys(("sigmoid float16", "tanh float16"), NARROW)
        found["gelu approximate float16"] = "its slope is NaN where z^2 overflows: not settled yet"
    else:
        found |= dict.fromkeys(("min axis float16", "logsumexp float16"), EMULATED)
        found["max_pool padding float16"] = lambda padding: not isinstance(padding, int), EMULATED
    return found


adapter = Adapter(
    version=version("tinygrad"),
    ops={
        **{name: getattr(Tensor, name) for name in OF_TENSORS},
        "dense": lambda x, W, *b: x.dot(W) + b[0] if b else x.dot(W),
        "conv": conv,
        "conv_transpose": lambda x, W, *b, **o: x.conv_transpose2d(W, *b, **o),
        "embedding": lambda W, index: W[Tensor(index)],
        "leaky_relu": lambda z, negative_slope=0.01: z.leaky_relu(negative_slope),
        "gelu": lambda z, approximate="none": z.gelu(approximate),
        "log_sigmoid": Tensor.logsigmoid,
        "batch_norm": batch_norm,
        "batch_norm_inference": batch_norm_inference,
        "group_norm": group_norm,
        "rms_norm": rms_norm,
        "layer_norm": lambda x, gamma, beta, eps=1e-5: x.layernorm(eps=eps) * gamma + beta,
        "max_pool": max_pool,
        "average_pool": average_pool,
        "upsample": upsample,
        "attention": attention,
        "causal_mask": lambda scores, fill=-1e4: (
            scores.const_like(1, dtypes.bool).tril().where(scores, fill)
        ),
        "einsum": lambda *operands, equation: Tensor.einsum(equation, *operands),
        "addmm": lambda c, a, b, alpha=1, beta=1: beta * c + alpha * (a @ b),
        "scale": lambda x, factor: factor * x,
        "power": lambda x, exponent: x**exponent,
        **{name: axes(name) for name in ("sum", "mean", "max", "min", "logsumexp")},
        "variance": axes("var"),
        "normalize": lambda x, axis=1, eps=1e-12: x.normalize(2.0, axis, eps),
        "cumsum": lambda x, axis: x.cumsum(axis),
        "concatenate": lambda *parts, axis: Tensor.cat(*parts, dim=axis),
        "stack": lambda *parts, axis: Tensor.stack(*parts, dim=axis),
        "reshape": lambda x, shape: x.reshape(shape),
        "transpose": lambda x, axes: x.permute(axes),
        "expand": lambda x, shape: x.expand(shape),
        "slice": lambda x, index: x[indices(index)],
        "pad": lambda x, width, value=0: x.pad(tuple(width), value=value),
        "masked_fill": lambda x, mask, value: x.masked_fill(Tensor(mask), value),
        "where": lambda a, b, condition: Tensor(condition).where(a, b),
        "clamp": lambda x, low=None, high=None: x.clamp(low, high),
        "negative": Tensor.neg,
        "subtract": Tensor.sub,
        "multiply": Tensor.mul,
        "divide": Tensor.div,
        "half_squared_error": lambda y, t: 0.5 * (t - y).square().sum(),
        "cross_entropy": lambda y, target, **o: y.sparse_categorical_crossentropy(
            Tensor(target), **o
        ),
        "softmax_cross_entropy": lambda y, t, **o: y.cross_entropy(t, **o),
        "nll_loss": nll_loss,
        "bce_with_logits": bce_with_logits,
    },
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
    libraries=libraries,
    lacks="tinygrad has no function for it",
    unsupported={
        **of_device(),
        "cross_entropy axis": "sparse_categorical_crossentropy has the last axis",
        "nll_loss axis": (lambda axis: axis != 1, "nll_loss has the axis 1"),
        "embedding padding_index": "tinygrad's Embedding has none",
        "softplus threshold": "tinygrad's softplus has none",
        "attention scale": "tinygrad has none",
        "bce_with_logits weight": "tinygrad has none",
        "softmax_cross_entropy weight": "tinygrad has none",
        "cross_entropy weight": "tinygrad has none",
    },
)
