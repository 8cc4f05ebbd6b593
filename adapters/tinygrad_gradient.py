"""tinygrad: Tensor.gradient, and all values and gradients realized together.

tinygrad compiles with clang. Where there is none, its own interpreter in Python runs the kernels.
"""

import os
from importlib.metadata import version
from shutil import which
from typing import Any

import numpy as np

os.environ.setdefault("DEV", "CPU" if which("clang") else "PYTHON")

from tinygrad import Device, Tensor, dtypes, nn

from backproof.adapters.gaps import Why
from backproof.adapters.protocol import Adapter, Loss
from backproof.adapters.protocol import Tensor as Any_
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


def pairs(padding: Any) -> Any:
    """Return padding as tinygrad has it: the last axis first, both sides of each."""
    if isinstance(padding, int):
        return padding
    both = [(n, n) if isinstance(n, int) else n for n in padding]
    return tuple(n for pair in reversed(both) for n in pair)


def conv(x: Any_, W: Any_, *b: Any_, padding: Any = 0, **options: Any) -> Any_:
    return x.conv2d(W, *b, padding=pairs(padding), **options)


def each(option: Any, x: Any_) -> Any:
    return (option,) * (x.ndim - 2) if isinstance(option, int) else option


def max_pool(x: Any_, kernel_size: Any, stride: Any, padding: Any = 0, dilation: Any = 1) -> Any_:
    return x.max_pool2d(each(kernel_size, x), each(stride, x), dilation, pairs(padding))


def average_pool(
    x: Any_, kernel_size: Any, stride: Any, padding: Any = 0, *, count_include_pad: bool = True
) -> Any_:
    options = {"padding": pairs(padding), "count_include_pad": count_include_pad}
    return x.avg_pool2d(each(kernel_size, x), each(stride, x), **options)


def batch_norm(x: Any_, gamma: Any_, beta: Any_, eps: float = 1e-5) -> Any_:
    layer = nn.BatchNorm(x.shape[1], eps, track_running_stats=False)
    layer.weight, layer.bias = gamma, beta
    return layer(x)


def group_norm(x: Any_, *parameters: Any_, groups: int, eps: float = 1e-5) -> Any_:
    layer = nn.GroupNorm(groups, x.shape[1], eps, affine=bool(parameters))
    layer.weight, layer.bias = parameters or (None, None)
    return layer(x)


def rms_norm(x: Any_, gamma: Any_, eps: float = 1e-5) -> Any_:
    layer = nn.RMSNorm(x.shape[-1], eps)
    layer.weight = gamma
    return layer(x)


def axes(function: str) -> Any:
    """Return a reduction, by NumPy's name of its option."""
    return lambda x, axis=None, keepdims=False, **o: getattr(x, function)(axis, keepdims, **o)


OF_TENSORS = (
    *("matmul", "add", "exp", "log", "sqrt", "rsqrt", "reciprocal", "sin", "cos", "erf", "abs"),
    *("maximum", "minimum", "sigmoid", "tanh", "relu", "silu", "mish", "softsign", "hardsigmoid"),
    *("hardswish", "elu", "softplus", "softmax", "log_softmax"),
)

EMULATED = "tinygrad raises where it emulates float16: its interpreter, before Python 3.12"
NARROW = "its slope s^2 e^-x is zero where s^2 underflows, which is not settled yet"

FLOAT16: dict[str, Why] = {
    "max_pool padding float16": (lambda padding: not isinstance(padding, int), EMULATED),
    "min axis float16": EMULATED,
    "logsumexp float16": EMULATED,
}
if dtypes.half in Device[Device.DEFAULT].renderer.supported_dtypes():
    FLOAT16 = {"sigmoid float16": NARROW, "tanh float16": NARROW}

adapter = Adapter(
    version=version("tinygrad"),
    ops={
        **{name: getattr(Tensor, name) for name in OF_TENSORS},
        "dense": lambda x, W, *b: x.dot(W) + b[0] if b else x.dot(W),
        "conv": conv,
        "embedding": lambda W, index: W[Tensor(index)],
        "leaky_relu": lambda z, negative_slope=0.01: z.leaky_relu(negative_slope),
        "gelu": lambda z, approximate="none": z.gelu(approximate),
        "log_sigmoid": Tensor.logsigmoid,
        "batch_norm": batch_norm,
        "group_norm": group_norm,
        "rms_norm": rms_norm,
        "layer_norm": lambda x, gamma, beta, eps=1e-5: x.layernorm(eps=eps) * gamma + beta,
        "max_pool": max_pool,
        "average_pool": average_pool,
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
        "bce_with_logits": lambda y, t, **o: y.binary_crossentropy_logits(t, **o),
    },
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
    libraries=libraries,
    lacks="tinygrad has no function for it",
    unsupported={
        **FLOAT16,
        "mish": "its gradient is off by a hundredth at -88, for a reason that is not known yet",
        "cross_entropy axis": "sparse_categorical_crossentropy has the last axis",
        "embedding padding_index": "tinygrad's Embedding has none",
        "softplus threshold": "tinygrad's softplus has none",
        "bce_with_logits pos_weight": "not written",
        "bce_with_logits weight": "tinygrad has none",
        "softmax_cross_entropy weight": "tinygrad has none",
        "cross_entropy weight": "tinygrad has none",
    },
)
