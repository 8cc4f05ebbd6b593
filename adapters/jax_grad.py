"""JAX: jax.value_and_grad, not jitted; and the same adapter under JAX's transformations.

An op that JAX does not have is composed of JAX's functions.
"""

import math
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from backproof.adapters.directional import nested
from backproof.adapters.jax_campaign import DIALECT, JITTED, aborts
from backproof.adapters.jax_scan import scanned
from backproof.adapters.optax_optimizers import libraries
from backproof.adapters.protocol import Adapter, Loss, Tensor


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    (_, values), gradients = jax.value_and_grad(loss, has_aux=True)(tensors)
    return values, gradients


def jitted(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    run({name: t / 2 for name, t in tensors.items()})  # constants kept from this run would show
    (_, values), gradients = run(tensors)
    return values, gradients


def per_example(
    loss: Loss, tensors: dict[str, Tensor], batched: Collection[str]
) -> tuple[Tensor, ...]:
    axes = {name: 0 if name in batched else None for name in tensors}
    mapped = jax.vmap(jax.value_and_grad(loss, has_aux=True), in_axes=(axes,))
    (_, values), gradients = jax.jit(mapped)(tensors)
    return values, gradients


def vmapped(loss: Loss, tensors: dict[str, Tensor], at: int = 1) -> tuple[Tensor, ...]:
    halves = {name: t / 2 for name, t in tensors.items()}  # another example, of other numbers
    both = {k: jnp.stack([halves[k], t] if at else [t, halves[k]]) for k, t in tensors.items()}
    return tuple({k: t[at] for k, t in found.items()} for found in per_example(loss, both, both))


def checkpointed(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return jitted(jax.checkpoint(loss), tensors)


def jvp(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Tensor:
    return jax.jvp(loss, (tensors,), (directions,))


def linearize(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Tensor:
    values, tangent = jax.linearize(loss, tensors)
    return values, tangent(directions)


def dense(x: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    return jnp.dot(x, W) if b is None else jnp.dot(x, W) + b


def each(option: Any, x: Tensor) -> Any:
    return (option,) * (x.ndim - 2) if isinstance(option, int) else option


def around(padding: Any, x: Tensor) -> Any:
    return [(n, n) if isinstance(n, int) else n for n in each(padding, x)]


def conv(
    x: Tensor,
    W: Tensor,
    b: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    z = lax.conv_general_dilated(
        x,
        W,
        window_strides=each(stride, x),
        padding=around(padding, x),
        rhs_dilation=each(dilation, x),
        feature_group_count=groups,
    )
    return z if b is None else z + b.reshape(-1, *(1 for _ in x.shape[2:]))


def conv_transpose(x: Tensor, W: Tensor, *b: Tensor, groups: int = 1, **o: Any) -> Tensor:
    C, O, *K = W.shape  # noqa: E741 as in the op
    W = jnp.flip(W, range(2, W.ndim)).reshape(groups, C // groups, O, *K)
    stride, dilation = (each(o.get(option, 1), x) for option in ("stride", "dilation"))
    reach = [d * (k - 1) for d, k in zip(dilation, K, strict=True)]
    more = zip(
        reach, around(o.get("padding", 0), x), each(o.get("output_padding", 0), x), strict=True
    )
    z = lax.conv_general_dilated(
        x,
        jnp.swapaxes(W, 1, 2).reshape(groups * O, C // groups, *K),
        window_strides=each(1, x),
        padding=[(e - before, e - after + n) for e, (before, after), n in more],
        lhs_dilation=stride,
        rhs_dilation=dilation,
        feature_group_count=groups,
    )
    return z + b[0].reshape(-1, *(1 for _ in K)) if b else z


def embedding(W: Tensor, index: Tensor, padding_index: int | None = None) -> Tensor:
    if padding_index is not None:
        W = W.at[padding_index].set(lax.stop_gradient(W[padding_index]))
    return W[index]


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    axes = (0, *range(2, x.ndim))
    shape = (-1, *(1 for _ in axes[1:]))
    return jax.nn.standardize(x, axes, epsilon=eps) * gamma.reshape(shape) + beta.reshape(shape)


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    return jax.nn.standardize(x, epsilon=eps) * gamma + beta


def rms_norm(x: Tensor, gamma: Tensor, eps: float = 1e-5) -> Tensor:
    return x / jnp.sqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + eps) * gamma


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    axes = tuple(axis for axis in range(v.ndim) if axis != dim)
    return v / jnp.sqrt(jnp.sum(jnp.square(v), axes, keepdims=True)) * g


def max_pool(
    x: Tensor, kernel_size: Any, stride: Any, padding: Any = 0, dilation: Any = 1
) -> Tensor:
    return pooled(x, -jnp.inf, lax.max, kernel_size, stride, padding, dilation)


def average_pool(
    x: Tensor, kernel_size: Any, stride: Any, padding: Any = 0, *, count_include_pad: bool = True
) -> Tensor:
    window = (kernel_size, stride, padding)
    total = pooled(x, 0.0, lax.add, *window)
    if count_include_pad:
        return total / math.prod(each(kernel_size, x))
    return total / pooled(jnp.ones_like(x), 0.0, lax.add, *window)


def pooled(
    x: Tensor, start: float, combine: Tensor, size: Any, stride: Any, pad: Any, dilation: Any = 1
) -> Tensor:
    size, stride, dilation = ((1, 1, *each(option, x)) for option in (size, stride, dilation))
    padding = ((0, 0), (0, 0), *around(pad, x))
    return lax.reduce_window(
        x, x.dtype.type(start), combine, size, stride, padding, window_dilation=dilation
    )


def upsample(x: Tensor, scale_factor: int) -> Tensor:
    sides = (scale_factor * n for n in x.shape[2:])
    return jax.image.resize(x, (*x.shape[:2], *sides), "nearest")


def causal_mask(scores: Tensor, fill: float = -1e4) -> Tensor:
    return jnp.where(jnp.tri(scores.shape[-2], dtype=bool), scores, fill)


def attention(q: Tensor, k: Tensor, v: Tensor, *bias: Tensor, **o: Any) -> Tensor:
    q, k, v = (jnp.swapaxes(a, 1, 2) for a in (q, k, v))  # heads last
    named = {**({"bias": bias[0]} if bias else {}), **({"mask": o["seen"]} if "seen" in o else {})}
    masks = {name: a.reshape(1, -1, *a.shape[-2:]) for name, a in named.items()}
    options = {"scale": o.get("scale"), "is_causal": o.get("causal", True)}
    return jnp.swapaxes(jax.nn.dot_product_attention(q, k, v, **masks, **options), 1, 2)


def reduced(losses: Tensor, reduction: str = "mean") -> Tensor:
    return REDUCTIONS[reduction](losses)


REDUCTIONS: dict[str, Any] = {"none": jnp.array, "mean": jnp.mean, "sum": jnp.sum}


def huber(y: Tensor, t: Tensor, delta: float = 1.0, **reduction: str) -> Tensor:
    size = jnp.abs(t - y)
    losses = jnp.where(size > delta, delta * (size - 0.5 * delta), 0.5 * jnp.square(size))
    return reduced(losses, **reduction)


def kl_div(y: Tensor, t: Tensor, log_target: bool = False, **reduction: str) -> Tensor:  # noqa: FBT001, FBT002 as an option
    return reduced(jnp.exp(t) * (t - y) if log_target else t * (jnp.log(t) - y), **reduction)


def softmax_cross_entropy(
    y: Tensor,
    t: Tensor,
    label_smoothing: float = 0.0,
    weight: Any = None,
    axis: int = -1,
    **reduction: str,
) -> Tensor:
    logp = jax.nn.log_softmax(y, axis)
    if label_smoothing:
        t = (1 - label_smoothing) * t + label_smoothing / t.shape[axis]
    if weight is not None:
        t = t * jnp.expand_dims(jnp.array(weight, y.dtype), (*range(1, y.ndim - axis % y.ndim),))
    return reduced(-jnp.sum(t * logp, axis=axis), **reduction)


def cross_entropy(y: Tensor, axis: int = -1, **options: Any) -> Tensor:
    return nll_loss(jax.nn.log_softmax(y, axis), axis=axis, **options)


def nll_loss(
    logp: Tensor,
    target: Tensor,
    label_smoothing: float = 0.0,
    weight: Any = None,
    ignore_index: int = -100,
    axis: int = -1,
    reduction: str = "mean",
) -> Tensor:
    logp, kept = jnp.moveaxis(logp, axis, -1), target != ignore_index
    w = jnp.ones(logp.shape[-1], logp.dtype) if weight is None else jnp.array(weight, logp.dtype)
    classes = np.where(kept, target, 0)
    t = jax.nn.one_hot(classes, logp.shape[-1], dtype=logp.dtype)
    if label_smoothing:
        t = (1 - label_smoothing) * t + label_smoothing / t.shape[-1]
    losses = jnp.where(kept, -jnp.sum(w * t * logp, axis=-1), 0)
    if reduction != "mean":
        return reduced(losses, reduction)
    return jnp.sum(losses) / jnp.sum(jnp.where(kept, w[classes], 0))


def bce_with_logits(
    y: Tensor, t: Tensor, pos_weight: Any = 1.0, weight: Any = 1.0, **reduction: str
) -> Tensor:
    w, pos = (jnp.array(a, y.dtype) for a in (weight, pos_weight))
    losses = pos * t * jax.nn.log_sigmoid(y) + (1 - t) * jax.nn.log_sigmoid(-y)
    return -reduced(w * losses, **reduction)


def complete_iou(p: Tensor, t: Tensor, eps: float = 1e-7) -> Tensor:
    (x1, y1, x2, y2), (X1, Y1, X2, Y2) = (jnp.moveaxis(box, -1, 0) for box in (p, t))
    w, h, wt, ht = x2 - x1, y2 - y1, X2 - X1, Y2 - Y1
    inter = jax.nn.relu(jnp.minimum(x2, X2) - jnp.maximum(x1, X1))
    inter = inter * jax.nn.relu(jnp.minimum(y2, Y2) - jnp.maximum(y1, Y1))
    iou = inter / (w * h + wt * ht - inter + eps)
    c2 = jnp.square(jnp.maximum(x2, X2) - jnp.minimum(x1, X1)) + eps
    c2 = c2 + jnp.square(jnp.maximum(y2, Y2) - jnp.minimum(y1, Y1))
    rho2 = (jnp.square(x1 + x2 - X1 - X2) + jnp.square(y1 + y2 - Y1 - Y2)) / 4
    v = 4 / math.pi**2 * jnp.square(jnp.arctan(wt / ht) - jnp.arctan(w / h))
    alpha = lax.stop_gradient(v / (1 - iou + v + eps))
    return 1 - iou + rho2 / c2 + alpha * v


def affine(xhat: Tensor, *parameters: Tensor) -> Tensor:
    shape = (-1, *(1 for _ in xhat.shape[2:]))
    if not parameters:
        return xhat
    gamma, beta = (a.reshape(shape) for a in parameters)
    return xhat * gamma + beta


def group_norm(x: Tensor, *parameters: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    rows = x.reshape(x.shape[0], groups, -1)
    xhat = jax.nn.standardize(rows, axis=-1, epsilon=eps)
    return affine(xhat.reshape(x.shape), *parameters)


def batch_norm_inference(
    x: Tensor, *parameters: Tensor, mean: Tensor, variance: Tensor, eps: float = 1e-5
) -> Tensor:
    shape = (-1, *(1 for _ in x.shape[2:]))
    m, v = (jnp.array(a, dtype=x.dtype).reshape(shape) for a in (mean, variance))
    return affine((x - m) * lax.rsqrt(v + eps), *parameters)


def variance(
    x: Tensor, axis: Tensor = None, *, keepdims: bool = False, correction: int = 1
) -> Tensor:
    return jnp.var(x, axis, keepdims=keepdims, correction=correction)


def normalize(x: Tensor, axis: int = 1, eps: float = 1e-12) -> Tensor:
    return x / jnp.maximum(jnp.linalg.norm(x, axis=axis, keepdims=True), eps)


def prelu(z: Tensor, a: Tensor) -> Tensor:
    return jnp.where(z > 0, z, a.reshape(-1, *(1 for _ in range(2, z.ndim))) * z)


def triangular_solve(
    A: Tensor,
    B: Tensor,
    *,
    lower: bool = True,
    transpose: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    options = {"lower": lower, "transpose_a": transpose, "unit_diagonal": unit_diagonal}
    return lax.linalg.triangular_solve(A, B, left_side=True, **options)


adapter = Adapter(
    version=jax.__version__,
    ops={
        "dense": dense,
        "conv": conv,
        "conv_transpose": conv_transpose,
        "embedding": embedding,
        "sigmoid": jax.nn.sigmoid,
        "tanh": jnp.tanh,
        "relu": jax.nn.relu,
        "leaky_relu": jax.nn.leaky_relu,
        "elu": jax.nn.elu,
        "gelu": lambda z, approximate="none": jax.nn.gelu(z, approximate == "tanh"),
        "silu": jax.nn.silu,
        "softplus": jax.nn.softplus,
        "softmax": jax.nn.softmax,
        "log_softmax": jax.nn.log_softmax,
        "batch_norm": batch_norm,
        "layer_norm": layer_norm,
        "rms_norm": rms_norm,
        "weight_norm": weight_norm,
        "max_pool": max_pool,
        "average_pool": average_pool,
        "upsample": upsample,
        "causal_mask": causal_mask,
        "attention": attention,
        "matmul": jnp.matmul,
        "einsum": lambda *operands, equation: jnp.einsum(equation, *operands),
        "addmm": lambda c, a, b, alpha=1, beta=1: beta * c + alpha * (a @ b),
        "add": jnp.add,
        "multiply": jnp.multiply,
        "scale": lambda x, factor: factor * x,
        "sum": jnp.sum,
        "concatenate": lambda *parts, axis: jnp.concatenate(parts, axis),
        "reshape": jnp.reshape,
        "transpose": jnp.transpose,
        "slice": lambda x, index: x[index],
        "pad": lambda x, width, value=0: jnp.pad(x, pad_width=width, constant_values=value),
        "stack": lambda *parts, axis: jnp.stack(parts, axis),
        "expand": jnp.broadcast_to,
        "add_at": lambda x, source, index: x.at[index].add(source),
        "put": lambda x, values, index: x.at[index].set(values),
        "masked_fill": lambda x, mask, value: jnp.where(mask, value, x),
        "half_squared_error": lambda y, t: 0.5 * jnp.sum(jnp.square(t - y)),
        "mean_squared_error": lambda y, t, **o: reduced(jnp.square(t - y), **o),
        "l1_loss": lambda y, t, **o: reduced(jnp.abs(t - y), **o),
        "kl_div": kl_div,
        "min": jnp.min,
        "nll_loss": nll_loss,
        "huber": huber,
        "softmax_cross_entropy": softmax_cross_entropy,
        "cross_entropy": cross_entropy,
        "bce_with_logits": bce_with_logits,
        "complete_iou": complete_iou,
        "subtract": jnp.subtract,
        "divide": jnp.divide,
        "negative": jnp.negative,
        "power": lambda x, exponent: x**exponent,
        "exp": jnp.exp,
        "expm1": jnp.expm1,
        "log": jnp.log,
        "log1p": jnp.log1p,
        "sqrt": jnp.sqrt,
        "rsqrt": lax.rsqrt,
        "reciprocal": jnp.reciprocal,
        "sin": jnp.sin,
        "cos": jnp.cos,
        "erf": lax.erf,
        "abs": jnp.abs,
        "clamp": lambda x, low=None, high=None: jnp.clip(x, low, high),
        "maximum": jnp.maximum,
        "minimum": jnp.minimum,
        "group_norm": group_norm,
        "batch_norm_inference": batch_norm_inference,
        "mean": jnp.mean,
        "max": jnp.max,
        "logsumexp": jax.nn.logsumexp,
        "variance": variance,
        "norm": jnp.linalg.norm,
        "normalize": normalize,
        "cumsum": jnp.cumsum,
        "log_sigmoid": jax.nn.log_sigmoid,
        "mish": jax.nn.mish,
        "softsign": jax.nn.soft_sign,
        "hardsigmoid": jax.nn.hard_sigmoid,
        "hardswish": jax.nn.hard_swish,
        "prelu": prelu,
        "glu": jax.nn.glu,
        "where": lambda a, b, condition: jnp.where(condition, a, b),
        "atan2": jnp.arctan2,
        "erf_inv": lax.erf_inv,
        "lgamma": lax.lgamma,
        "digamma": lax.digamma,
        "triangular_solve": triangular_solve,
        "solve": jnp.linalg.solve,
        "cholesky": jnp.linalg.cholesky,
    },
    array=jnp.array,
    numpy=np.asarray,
    value_and_grad=value_and_grad,
    state=lambda precision: jax.enable_x64(precision == "float64"),
    per_example=per_example,
    compiled=partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0}),
    libraries=libraries,
    dialect=DIALECT,
    aborts=aborts,
    unsupported={
        "adaptive_average_pool": "JAX has no adaptive pooling",
        "adaptive_max_pool": "JAX has no adaptive pooling",
        "max_pool dilation": "reduce_window's maximum has no gradient where it is dilated",
        "softplus beta": "jax.nn.softplus has no beta",
        "softplus threshold": "jax.nn.softplus has no threshold",
    },
    forward_mode={"jvp": jvp, "linearize": linearize},
    second_order=nested(jax.grad, jax.jvp),
)
variants = {
    "jit": replace(adapter, value_and_grad=jitted, dialect=JITTED),
    "vmap": replace(adapter, value_and_grad=vmapped, dialect=None),
    "vmap_first": replace(adapter, value_and_grad=partial(vmapped, at=0), dialect=None),
    "checkpoint": replace(adapter, value_and_grad=checkpointed, dialect=None),
    "scan": replace(adapter, value_and_grad=jitted, walk=scanned, dialect=None),
}
