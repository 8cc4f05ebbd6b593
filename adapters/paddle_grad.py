"""Paddle on the CPU: eager tensors and paddle.grad."""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

with warnings.catch_warnings(action="ignore"):  # of tools that it does not find
    import paddle
    from paddle.nn import functional as F
    from paddle.nn.utils.weight_norm_hook import _weight_norm

from backproof.adapters.directional import inner
from backproof.adapters.paddle_functions import (
    addmm,
    attention,
    average_pool,
    batch_norm,
    batch_norm_inference,
    causal_mask,
    complete_iou,
    dense,
    flat,
    group_norm,
    indices,
    matmul,
    of_classes,
    of_images,
    over,
    softmax_cross_entropy,
    weights,
)
from backproof.adapters.paddle_gaps import IN_STATIC_GRAPHS, UNSUPPORTED
from backproof.adapters.paddle_optimizers import libraries
from backproof.adapters.protocol import Adapter, Loss, Tensor, walk


def array(a: Any) -> Tensor:
    if a.dtype.name == "bfloat16":  # paddle.to_tensor does not know NumPy's
        return array(a.astype("float32")).astype("bfloat16")
    return paddle.to_tensor(a)


def numpy(t: Tensor) -> Any:
    if t.dtype == paddle.bfloat16:
        return numpy(t.astype("float32")).astype("bfloat16")
    return t.numpy()


def gradients(E: Tensor, *of: dict[str, Tensor], create_graph: bool = False) -> Any:
    """Return the gradient of E by each tensor, by name; zeros where E does not depend on it."""
    tensors = [tensor for named in of for tensor in named.values()]
    found = paddle.grad(E, tensors, create_graph=create_graph, allow_unused=True)
    each = (paddle.zeros_like(t) if g is None else g for t, g in zip(tensors, found, strict=True))
    return [{name: next(each) for name in named} for named in of]


def differentiable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for tensor in tensors.values():
        tensor.stop_gradient = False
    return tensors


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    E, values = loss(differentiable(tensors))
    return values, *gradients(E, tensors)


def static(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Return the same of a static graph of the loss, which has seen other numbers before.

    Values are copied: one that is returned as it is may be overwritten by a later op.
    """

    def copied(tensors: dict[str, Tensor]) -> Any:
        E, values = loss(tensors)
        return E, {name: value.clone() for name, value in values.items()}

    run = paddle.jit.to_static(paddle.jit.not_to_static(copied), full_graph=True)
    with warnings.catch_warnings(action="ignore"):  # Paddle's, about its own code
        run(differentiable({name: paddle.scale(t, 0.5) for name, t in tensors.items()}))
        return value_and_grad(run, tensors)


def twice(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
    """Return the values and the gradients, and their tangents: those of <gradients, directions>.

    Every value is added to E with a weight of zero; what the weight receives is its tangent.
    """
    E, v = loss(differentiable(tensors))
    weights = differentiable({name: paddle.zeros_like(value) for name, value in v.items()})
    (g,) = gradients(E + inner(weights, v), tensors, create_graph=True)
    return (v, g), gradients(inner(g, directions), weights, tensors)


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
        "slice": lambda x, index: x[indices(index)],
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
        "softmax_cross_entropy": softmax_cross_entropy,
        "bce_with_logits": lambda y, t, **o: F.binary_cross_entropy_with_logits(
            y, t, **weights(y, o)
        ),
        "complete_iou": complete_iou,
    },
    array=array,
    numpy=numpy,
    value_and_grad=value_and_grad,
    walk=partial(walk, add=lambda *both: paddle.add_n(both)),  # `+` has no kernel in bfloat16
    libraries=libraries,
    second_order={"reverse-over-reverse": twice},
    lacks="Paddle has no function for it",
    unsupported=UNSUPPORTED,
)
variants = {"to_static": replace(adapter, value_and_grad=static, unsupported=IN_STATIC_GRAPHS)}
