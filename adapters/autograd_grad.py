"""Autograd (HIPS): autograd.grad_and_aux. It differentiates NumPy: layers are written in NumPy."""

import math
from importlib.metadata import version
from typing import Any

import autograd.numpy as np
from autograd import grad_and_aux
from autograd.builtins import dict as traced_dict
from autograd.numpy import linalg
from autograd.scipy import special
from autograd.scipy.linalg import solve_triangular
from autograd.scipy.signal import convolve

from backproof.adapters.protocol import Adapter, Loss, Tensor


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    def traced(tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        E, values = loss(tensors)
        return E, traced_dict(values)

    gradients, values = grad_and_aux(traced)(tensors)
    return values, gradients


def conv(x: Tensor, W: Tensor, *b: Tensor, stride: Any = 1, padding: Any = 0) -> Tensor:
    n = x.ndim - 2
    around = (padding,) * n if isinstance(padding, int) else padding
    width = [(p, p) if isinstance(p, int) else p for p in around]
    if any(map(any, width)):
        x = np.pad(x, [(0, 0), (0, 0), *width], "constant")
    axes = [*range(2, n + 2)]
    flipped = W[(slice(None), slice(None), *(slice(None, None, -1),) * n)]
    z = convolve(x, flipped, axes=(axes, axes), dot_axes=([1], [1]), mode="valid")
    strides = (stride,) * n if isinstance(stride, int) else stride
    if any(s > 1 for s in strides):
        z = z[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
    return z + by_channel(b[0], x) if b else z


def by_channel(a: Tensor, x: Tensor) -> Tensor:
    return np.reshape(a, (-1, *(1 for _ in x.shape[2:])))


def causal_mask(scores: Tensor, fill: float = -1e4) -> Tensor:
    seen = np.tril(np.ones(scores.shape[-2:], bool))
    return np.where(seen, scores, np.array(fill, scores.dtype))


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    below = x - np.max(x, axis=axis, keepdims=True)
    return below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))


def standardized(x: Tensor, axis: Any, eps: float) -> Tensor:
    mean, variance = (f(x, axis=axis, keepdims=True) for f in (np.mean, np.var))
    return (x - mean) / np.sqrt(variance + eps)


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    gamma, beta = by_channel(gamma, x), by_channel(beta, x)
    return standardized(x, (0, *range(2, x.ndim)), eps) * gamma + beta


def group_norm(x: Tensor, *parameters: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    xhat = standardized(np.reshape(x, (len(x), groups, -1)), -1, eps)
    gamma, beta = (by_channel(a, x) for a in parameters) if parameters else (1, 0)
    return np.reshape(xhat, x.shape) * gamma + beta


def rms_norm(x: Tensor, gamma: Tensor, eps: float = 1e-5) -> Tensor:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * gamma


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    axes = tuple(axis for axis in range(v.ndim) if axis != dim)
    return v / np.sqrt(np.sum(v * v, axis=axes, keepdims=True)) * g


def gelu(z: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "none":
        return 0.5 * z * (1 + special.erf(math.sqrt(0.5) * z))
    return 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def reduced(losses: Tensor, reduction: str = "mean") -> Tensor:
    return {"none": np.array, "mean": np.mean, "sum": np.sum}[reduction](losses)


def softmax_cross_entropy(y: Tensor, t: Tensor, axis: int = -1, **reduction: str) -> Tensor:
    return reduced(-np.sum(t * log_softmax(y, axis), axis=axis), **reduction)


def bce_with_logits(y: Tensor, t: Tensor, **reduction: str) -> Tensor:
    return reduced(np.logaddexp(y.dtype.type(0), y) - t * y, **reduction)


def huber(y: Tensor, t: Tensor, delta: float = 1.0, **reduction: str) -> Tensor:
    size = np.abs(t - y)
    losses = np.where(size > delta, delta * (size - 0.5 * delta), 0.5 * size**2)
    return reduced(losses, **reduction)


OF_NUMPY = (
    *("exp", "expm1", "log", "log1p", "sqrt", "abs", "sin", "cos", "maximum", "minimum"),
    *("reciprocal", "tanh", "matmul", "add", "subtract", "multiply", "divide", "negative", "sum"),
    *("mean", "max", "min", "cumsum", "reshape", "transpose"),
)

adapter = Adapter(
    version=version("autograd"),
    ops={
        **{name: getattr(np, name) for name in OF_NUMPY},
        "dense": lambda x, W, *b: sum(b, np.matmul(x, W)),
        "conv": conv,
        "embedding": lambda W, index: W[index],
        "sigmoid": special.expit,
        "relu": lambda z: np.maximum(z, 0),
        "leaky_relu": lambda z, negative_slope=0.01: np.where(z > 0, z, negative_slope * z),
        "elu": lambda z, alpha=1.0: np.where(z > 0, z, alpha * np.expm1(np.where(z > 0, 0 * z, z))),
        "gelu": gelu,
        "silu": lambda z: z * special.expit(z),
        "softplus": lambda z: np.logaddexp(z.dtype.type(0), z),
        "log_sigmoid": lambda z: -np.logaddexp(z.dtype.type(0), -z),
        "softmax": softmax,
        "log_softmax": log_softmax,
        "batch_norm": batch_norm,
        "layer_norm": lambda x, g, b, eps=1e-5: standardized(x, -1, eps) * g + b,
        "group_norm": group_norm,
        "rms_norm": rms_norm,
        "weight_norm": weight_norm,
        "upsample": lambda x, scale_factor: np.repeat(
            np.repeat(x, scale_factor, axis=2), scale_factor, axis=3
        ),
        "causal_mask": causal_mask,
        "einsum": lambda *operands, equation: np.einsum(equation, *operands),
        "addmm": lambda c, a, b, alpha=1, beta=1: beta * c + alpha * np.matmul(a, b),
        "scale": lambda x, factor: factor * x,
        "power": lambda x, exponent: x**exponent,
        "logsumexp": special.logsumexp,
        "variance": lambda x, correction=1, **o: np.var(x, ddof=correction, **o),
        "norm": linalg.norm,
        "concatenate": lambda *parts, axis: np.concatenate(parts, axis),
        "stack": lambda *parts, axis: np.stack(parts, axis),
        "slice": lambda x, index: x[index],
        "pad": lambda x, width: np.pad(x, width, "constant"),
        "masked_fill": lambda x, mask, value: np.where(mask, np.array(value, x.dtype), x),
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "atan2": np.arctan2,
        "clamp": lambda x, low=None, high=None: np.clip(x, low, high),
        "erf": special.erf,
        "erf_inv": special.erfinv,
        "lgamma": special.gammaln,
        "digamma": special.digamma,
        "cholesky": linalg.cholesky,
        "solve": linalg.solve,
        "triangular_solve": lambda A, B, transpose=False, lower=True, unit_diagonal=False: (
            solve_triangular(A, B, trans=int(transpose), lower=lower, unit_diagonal=unit_diagonal)
        ),
        "half_squared_error": lambda y, t: 0.5 * np.sum((t - y) ** 2),
        "mean_squared_error": lambda y, t, **o: reduced((t - y) ** 2, **o),
        "l1_loss": lambda y, t, **o: reduced(np.abs(t - y), **o),
        "huber": huber,
        "softmax_cross_entropy": softmax_cross_entropy,
        "bce_with_logits": bce_with_logits,
    },
    array=np.array,
    numpy=np.asarray,
    value_and_grad=value_and_grad,
    state=lambda _: np.errstate(all="ignore"),
    lacks="autograd has no function for it",
    unsupported={
        "bfloat16": "NumPy has no matrix product in it",
        "float16": "NumPy has no native matrix product in it",
        "conv dilation": "autograd.scipy.signal.convolve has no dilation",
        "conv groups": "autograd.scipy.signal.convolve has no groups",
        "pad value": "autograd's np.pad has no gradient with one",
        **dict.fromkeys(
            (
                *("embedding padding_index", "softplus beta", "softplus threshold"),
                *("softmax_cross_entropy weight", "softmax_cross_entropy label_smoothing"),
                *("bce_with_logits weight", "bce_with_logits pos_weight"),
            ),
            "NumPy has none",
        ),
        "transpose axes": (lambda axes: min(axes) < 0, "its gradient raises for axes below zero"),
        "norm axis": (lambda axis: not isinstance(axis, int), "its gradient raises for two axes"),
        "where": "autograd's np.where does not sum the gradient of what it broadcasts",
        "triangular_solve transpose": "autograd.scipy.linalg takes no batch of matrices",
        "expand": "the gradient of np.broadcast_to raises where axes are new",
    },
)
