"""PyTensor's functions of its variables, by the names of ops, and losses written in them."""

from functools import partial
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import linalg, special

from backproof.adapters.pytensor_layers import (
    affine,
    attention,
    batch_norm,
    batch_norm_inference,
    by_channel,
    causal_mask,
    conv,
    gelu,
    glu,
    group_norm,
    length,
    rms_norm,
    standardized,
    weight_norm,
)


def reduced(losses: Any, reduction: str = "mean") -> Any:
    return {"none": pt.as_tensor, "mean": pt.mean, "sum": pt.sum}[reduction](losses)


def nll_loss(p: Any, target: Any, axis: int = 1, **reduction: str) -> Any:
    at = pt.expand_dims(pt.constant(target), axis)
    return reduced(-pt.squeeze(pt.take_along_axis(p, at, axis), axis), **reduction)


def cross_entropy(y: Any, axis: int = -1, **o: Any) -> Any:
    return nll_loss(special.log_softmax(y, axis), axis=axis, **o)


def softmax_cross_entropy(y: Any, t: Any, axis: int = -1, **reduction: str) -> Any:
    return reduced(-pt.sum(t * special.log_softmax(y, axis), axis=axis), **reduction)


def bce_with_logits(y: Any, t: Any, **reduction: str) -> Any:
    return reduced(pt.softplus(y) - t * y, **reduction)


def kl_div(y: Any, t: Any, *, log_target: bool = False, **reduction: str) -> Any:
    return reduced(pt.exp(t) * (t - y) if log_target else special.xlogy(t, t) - t * y, **reduction)


def huber(y: Any, t: Any, delta: float = 1.0, **reduction: str) -> Any:
    size = pt.abs(t - y)
    losses = pt.where(size > delta, delta * (size - 0.5 * delta), 0.5 * pt.sqr(size))
    return reduced(losses, **reduction)


OF_PYTENSOR = (
    *("exp", "expm1", "log", "log1p", "sqrt", "abs", "sin", "cos", "maximum", "minimum", "erf"),
    *("reciprocal", "tanh", "sigmoid", "softplus", "matmul", "sum", "mean", "max", "min"),
    *("logsumexp", "cumsum"),
)

OPS = {
    **{name: getattr(pt, name) for name in OF_PYTENSOR},
    "add": pt.add,
    "subtract": pt.sub,
    "multiply": pt.mul,
    "divide": pt.true_div,
    "negative": pt.neg,
    "erf_inv": pt.erfinv,
    "lgamma": pt.gammaln,
    "digamma": pt.psi,
    "atan2": pt.arctan2,
    "rsqrt": lambda x: 1 / pt.sqrt(x),
    "scale": lambda x, factor: factor * x,
    "power": lambda x, exponent: pt.pow(x, exponent),
    "clamp": lambda x, low=-np.inf, high=np.inf: pt.clip(x, low, high),
    "dense": affine,
    "conv": conv,
    "embedding": lambda W, index: W[index],
    "relu": lambda z: pt.maximum(z, 0),
    "leaky_relu": lambda z, negative_slope=0.01: pt.where(z > 0, z, negative_slope * z),
    "prelu": lambda z, a: pt.where(z > 0, z, by_channel(a, z) * z),
    "elu": lambda z, alpha=1.0: pt.where(z > 0, z, alpha * pt.expm1(pt.minimum(z, 0))),
    "gelu": gelu,
    "glu": glu,
    "silu": lambda z: z * pt.sigmoid(z),
    "mish": lambda z: z * pt.tanh(pt.softplus(z)),
    "softsign": lambda z: z / (1 + pt.abs(z)),
    "hardsigmoid": lambda z: pt.clip(z / 6 + 0.5, 0, 1),
    "hardswish": lambda z: z * pt.clip(z / 6 + 0.5, 0, 1),
    "log_sigmoid": lambda z: -pt.softplus(-z),
    "softmax": lambda y, axis=-1: special.softmax(y, axis),
    "log_softmax": lambda y, axis=-1: special.log_softmax(y, axis),
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "layer_norm": lambda x, gamma, beta, eps=1e-5: standardized(x, -1, eps) * gamma + beta,
    "group_norm": group_norm,
    "rms_norm": rms_norm,
    "weight_norm": weight_norm,
    "upsample": lambda x, scale_factor: pt.repeat(
        pt.repeat(x, scale_factor, axis=2), scale_factor, axis=3
    ),
    "causal_mask": causal_mask,
    "attention": attention,
    "einsum": lambda *operands, equation: pt.einsum(equation, *operands),
    "addmm": lambda c, a, b, alpha=1, beta=1: beta * c + alpha * pt.matmul(a, b),
    "variance": lambda x, correction=1, **o: pt.cast(pt.var(x, ddof=correction, **o), x.dtype),
    "norm": length,
    "normalize": lambda x, axis=1, eps=1e-12: x / pt.maximum(length(x, axis, keepdims=True), eps),
    "reshape": lambda x, shape: pt.reshape(x, shape),
    "transpose": lambda x, axes: pt.transpose(x, axes),
    "expand": lambda x, shape: pt.broadcast_to(x, shape),
    "concatenate": lambda *parts, axis: pt.concatenate(parts, axis),
    "stack": lambda *parts, axis: pt.stack(parts, axis),
    "slice": lambda x, index: x[index],
    "add_at": lambda x, source, index: x[index].inc(source),
    "put": lambda x, values, index: x[index].set(values),
    "pad": lambda x, width, value=0: pt.pad(x, width, constant_values=value),
    "masked_fill": lambda x, mask, value: pt.where(mask, value, x),
    "where": lambda a, b, condition: pt.where(condition, a, b),
    "cholesky": lambda A: linalg.cholesky((A + pt.matrix_transpose(A)) / 2),
    "solve": partial(linalg.solve, b_ndim=2),
    "triangular_solve": lambda A, B, transpose=False, lower=True, unit_diagonal=False: (
        linalg.solve_triangular(
            A, B, trans=int(transpose), lower=lower, unit_diagonal=unit_diagonal, b_ndim=2
        )
    ),
    "half_squared_error": lambda y, t: 0.5 * pt.sum(pt.sqr(t - y)),
    "mean_squared_error": lambda y, t, **o: reduced(pt.sqr(t - y), **o),
    "l1_loss": lambda y, t, **o: reduced(pt.abs(t - y), **o),
    "kl_div": kl_div,
    "huber": huber,
    "softmax_cross_entropy": softmax_cross_entropy,
    "cross_entropy": cross_entropy,
    "nll_loss": nll_loss,
    "bce_with_logits": bce_with_logits,
}
