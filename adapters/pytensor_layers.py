"""Layers, written in PyTensor's functions: it has none of its own."""

import math
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import special
from pytensor.tensor.signal import convolve2d


def affine(x: Any, W: Any, b: Any = 0) -> Any:
    return pt.matmul(x, W) + b if W.ndim else x * W + b


def pairs(x: Any, width: Any) -> Any:
    sides = (width,) * (x.ndim - 2) if isinstance(width, int) else width
    return [(p, p) if isinstance(p, int) else p for p in sides]


def conv(x: Any, W: Any, b: Any = None, stride: Any = 1, padding: Any = 0) -> Any:
    around = [(0, 0), (0, 0), *pairs(x, padding)]
    x = pt.pad(x, around) if np.any(around) else x
    each = convolve2d(x[:, None], W[None, :, :, ::-1, ::-1], mode="valid", method="direct")
    strides = (stride,) * 2 if isinstance(stride, int) else stride
    z = pt.sum(each, axis=2)[(..., *(slice(None, None, s) for s in strides))]
    return z if b is None else z + by_channel(b, z)


def by_channel(a: Any, x: Any) -> Any:
    return pt.reshape(a, (-1, *(1 for _ in range(x.ndim - 2))))


def causal_mask(scores: Any, fill: float = -1e4) -> Any:
    return pt.where(np.tri(scores.type.shape[-1], dtype=bool), scores, fill)


def attention(q: Any, k: Any, v: Any, *bias: Any, **o: Any) -> Any:
    k, v = (pt.repeat(a, q.type.shape[1] // a.type.shape[1], axis=1) for a in (k, v))
    scale = o.get("scale") or 1 / math.sqrt(q.type.shape[-1])
    scores = pt.matmul(q, pt.swapaxes(k, -1, -2)) * scale
    seen = o.get("seen")
    if seen is None and o.get("causal", True):
        seen = np.tri(*scores.type.shape[-2:], dtype=bool)
    scores = sum(bias, scores)
    return pt.matmul(special.softmax(hidden(scores, seen), axis=-1), v)


def hidden(scores: Any, seen: Any) -> Any:
    return scores if seen is None else pt.where(seen, scores, -np.inf)


def standardized(x: Any, axis: Any, eps: float) -> Any:
    mean, variance = (f(x, axis=axis, keepdims=True) for f in (pt.mean, pt.var))
    return (x - mean) / pt.sqrt(variance + eps)


def batch_norm(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    return scaled(standardized(x, (0, *range(2, x.ndim)), eps), gamma, beta)


def batch_norm_inference(x: Any, *p: Any, mean: Any, variance: Any, eps: float = 1e-5) -> Any:
    m, v = (by_channel(pt.constant(a, dtype=x.dtype), x) for a in (mean, variance))
    return scaled((x - m) / pt.sqrt(v + eps), *p)


def group_norm(x: Any, *parameters: Any, groups: int, eps: float = 1e-5) -> Any:
    shape = x.type.shape
    xhat = standardized(pt.reshape(x, (shape[0], groups, -1)), -1, eps)
    return scaled(pt.reshape(xhat, shape), *parameters)


def scaled(xhat: Any, *parameters: Any) -> Any:
    if not parameters:
        return xhat
    gamma, beta = (by_channel(a, xhat) for a in parameters)
    return xhat * gamma + beta


def rms_norm(x: Any, gamma: Any, eps: float = 1e-5) -> Any:
    return x / pt.sqrt(pt.mean(pt.sqr(x), axis=-1, keepdims=True) + eps) * gamma


def weight_norm(v: Any, g: Any, dim: int = 0) -> Any:
    axes = tuple(axis for axis in range(v.ndim) if axis != dim)
    return v / length(v, axes, keepdims=True) * g


def length(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return pt.sqrt(pt.sum(pt.sqr(x), axis=axis, keepdims=keepdims))


def gelu(z: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        return 0.5 * z * (1 + pt.erf(math.sqrt(0.5) * z))
    return 0.5 * z * (1 + pt.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def glu(x: Any, axis: int = -1) -> Any:
    half = x.type.shape[axis] // 2
    a, b = pt.split(x, [half, half], n_splits=2, axis=axis)
    return a * pt.sigmoid(b)
