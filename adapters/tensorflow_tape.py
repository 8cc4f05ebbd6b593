"""TensorFlow: tf.GradientTape, eager; and the same adapter under tf.function."""

import os
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what it says of its own build

import tensorflow as tf

from backproof.adapters.directional import forward_over_reverse
from backproof.adapters.protocol import Adapter, Loss, Tensor
from backproof.adapters.tensorflow_functions import (
    axes,
    batch_norm,
    batch_norm_inference,
    bce_with_logits,
    causal_mask,
    conv,
    conv_transpose,
    is_basic,
    matmul,
    normalized,
    places,
    pool,
    reduced,
    upsample,
    variance,
)

tf.config.set_visible_devices([], "GPU")
ZERO = tf.UnconnectedGradients.ZERO


def grad(function: Any, argnums: Any = 0, *, has_aux: bool) -> Any:
    """Return the gradient, and what the function returns beside the loss."""

    def gradient(*arguments: Any) -> Any:
        wanted = arguments[0] if argnums == 0 else arguments
        with tf.GradientTape() as tape:
            tape.watch(tf.nest.flatten(wanted))
            E, beside = function(*arguments)
        found = tape.gradient(E, wanted, unconnected_gradients=ZERO)
        return tf.nest.map_structure(
            tf.convert_to_tensor, found
        ), beside  # of rows, some are sparse

    return gradient


def value_and_grad(loss: Loss, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    gradients, values = grad(loss, has_aux=True)(tensors)
    return values, gradients


def jvp(function: Any, of: Any, directions: Any) -> Any:
    with tf.autodiff.ForwardAccumulator(of, directions) as accumulator:
        found = function(*of)
    return found, accumulator.jvp(found, ZERO)


def tangents(loss: Loss, tensors: dict[str, Tensor], directions: dict[str, Tensor]) -> Any:
    return jvp(loss, (tensors,), (directions,))


def per_example(
    loss: Loss, tensors: dict[str, Tensor], batched: Collection[str]
) -> tuple[Tensor, ...]:
    mapped = {name: t for name, t in tensors.items() if name in batched}
    return tf.vectorized_map(lambda own: value_and_grad(loss, {**tensors, **own}), mapped)


def traced(loss: Loss, tensors: dict[str, Tensor], **options: bool) -> tuple[Tensor, ...]:
    """Return the same of tf.function, which has seen other numbers before."""
    run = tf.function(partial(value_and_grad, loss), autograph=False, **options)
    run({name: t / 2 for name, t in tensors.items()})
    return run(tensors)


OF_MATH = (
    *("sigmoid", "tanh", "softplus", "log_sigmoid", "add", "subtract", "multiply", "divide"),
    *("negative", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "sin", "cos"),
    *("erf", "abs", "maximum", "minimum", "atan2", "lgamma", "digamma"),
)

REDUCTIONS = ("sum", "mean", "max", "min", "logsumexp")

METHODS = ("jvp", "forward-over-reverse")
CPU = Path("/proc/cpuinfo")

adapter = Adapter(
    version=tf.__version__,
    processor=("AVX512",) if CPU.exists() and "avx512f" in CPU.read_text() else ("AVX2",),
    ops={
        **{name: getattr(tf.math, name) for name in OF_MATH},
        **{name: axes(getattr(tf.math, f"reduce_{name}")) for name in REDUCTIONS},
        **{name: getattr(tf.nn, name) for name in ("relu", "elu", "silu", "softsign")},
        "dense": lambda x, W, *b: tf.matmul(x, W) + b[0] if b else tf.matmul(x, W),
        "conv": conv,
        "conv_transpose": conv_transpose,
        "embedding": lambda W, index: tf.nn.embedding_lookup(W, index),
        "leaky_relu": lambda z, negative_slope=0.01: tf.nn.leaky_relu(z, negative_slope),
        "gelu": lambda z, approximate="none": tf.nn.gelu(z, approximate == "tanh"),
        "softmax": lambda x, axis=-1: tf.nn.softmax(x, axis),
        "log_softmax": lambda x, axis=-1: tf.nn.log_softmax(x, axis),
        "batch_norm": batch_norm,
        "batch_norm_inference": batch_norm_inference,
        "layer_norm": lambda x, gamma, beta, eps=1e-5: normalized(x, [-1], eps, gamma, beta),
        "max_pool": pool("MAX", -np.inf),
        "average_pool": pool("AVG", 0),
        "upsample": upsample,
        "causal_mask": causal_mask,
        "matmul": matmul,
        "einsum": lambda *operands, equation: tf.einsum(equation, *operands),
        "addmm": lambda c, a, b, alpha=1, beta=1: beta * c + alpha * tf.matmul(a, b),
        "scale": lambda x, factor: factor * x,
        "power": lambda x, exponent: tf.math.pow(x, exponent),
        "variance": variance,
        "norm": lambda x, axis=None, keepdims=False: tf.norm(x, axis=axis, keepdims=keepdims),
        "normalize": lambda x, axis=1, eps=1e-12: tf.math.l2_normalize(x, axis, eps**2),
        "cumsum": lambda x, axis: tf.math.cumsum(x, axis),
        "concatenate": lambda *parts, axis: tf.concat(parts, axis),
        "stack": lambda *parts, axis: tf.stack(parts, axis),
        "reshape": lambda x, shape: tf.reshape(x, shape),
        "transpose": lambda x, axes: tf.transpose(x, axes),
        "expand": lambda x, shape: tf.broadcast_to(x, shape),
        "slice": lambda x, index: (
            x[index] if is_basic(index) else tf.gather_nd(x, places(x, index))
        ),
        "add_at": lambda x, source, index: tf.tensor_scatter_nd_add(x, places(x, index), source),
        "put": lambda x, values, index: tf.tensor_scatter_nd_update(x, places(x, index), values),
        "pad": lambda x, width, value=0: tf.pad(x, width, "CONSTANT", tf.constant(value, x.dtype)),
        "masked_fill": lambda x, mask, value: tf.where(mask, tf.constant(value, x.dtype), x),
        "where": lambda a, b, condition: tf.where(condition, a, b),
        "clamp": lambda x, low=None, high=None: tf.clip_by_value(
            x, x.dtype.min if low is None else low, x.dtype.max if high is None else high
        ),
        "erf_inv": tf.math.erfinv,
        "triangular_solve": lambda A, B, lower=True, transpose=False: tf.linalg.triangular_solve(
            A, B, lower, transpose
        ),
        "solve": tf.linalg.solve,
        "cholesky": tf.linalg.cholesky,
        "half_squared_error": lambda y, t: tf.nn.l2_loss(t - y),
        "mean_squared_error": lambda y, t, **o: reduced(tf.math.squared_difference(y, t), **o),
        "l1_loss": lambda y, t, **o: reduced(tf.math.abs(y - t), **o),
        "cross_entropy": lambda y, target, **o: reduced(
            tf.nn.sparse_softmax_cross_entropy_with_logits(target, y), **o
        ),
        "softmax_cross_entropy": lambda y, t, axis=-1, **o: reduced(
            tf.nn.softmax_cross_entropy_with_logits(t, y, axis), **o
        ),
        "bce_with_logits": bce_with_logits,
    },
    array=lambda a: tf.constant(np.array(a)),
    numpy=lambda t: tf.convert_to_tensor(t).numpy(),  # of rows, some are sparse
    value_and_grad=value_and_grad,
    per_example=per_example,
    compiled=partial(tf.function, autograph=False),
    forward_mode={"jvp": tangents},
    second_order={"forward-over-reverse": forward_over_reverse(grad, jvp)},
    lacks="TensorFlow has no function for it",
    unsupported={
        **dict.fromkeys(
            (
                *("conv_transpose groups", "embedding padding_index", "softplus beta"),
                *("elu alpha", "softplus threshold", "triangular_solve unit_diagonal"),
                *("average_pool count_include_pad", "bce_with_logits weight"),
                *("cross_entropy weight", "cross_entropy label_smoothing", "cross_entropy axis"),
                *("cross_entropy ignore_index", "softmax_cross_entropy weight"),
                *("softmax_cross_entropy label_smoothing", "erf_inv bfloat16", "erf_inv float16"),
                *("lgamma bfloat16", "digamma bfloat16", "digamma float16"),
            ),
            "TensorFlow has none",
        ),
        **dict.fromkeys(("conv groups", "conv_transpose dilation"), "on CPUs its gradient raises"),
        "transpose axes": (lambda axes: min(axes) < 0, "its gradient raises for axes below zero"),
        "conv dilation": (lambda d: not isinstance(d, int), "tf.nn.convolution has no stride then"),
        **dict.fromkeys(
            (f"{op} {way}" for op in ("upsample", "softsign") for way in METHODS),
            "TensorFlow's gradient has no gradient itself",
        ),
        "bce_with_logits pos_weight forward-over-reverse": (
            "its slopes are added up in another order, which leaves saturated logits no digit"
        ),
        "batch_norm bfloat16": "its sums over images are bfloat16: ResNet-20's decide nothing",
        "max_pool dilation": "tf.nn.pool has no stride beside it",
    },
)
variants = {
    "function": replace(adapter, value_and_grad=traced),
    "function_jit": replace(adapter, value_and_grad=partial(traced, jit_compile=True)),
}
