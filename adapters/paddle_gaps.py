"""What Paddle does not support on the CPU, and why."""

from typing import Any

import numpy as np

from backproof.adapters.gaps import Why
from backproof.reference.ops import OPS

LARGEST_EPS = 1e-3
MOST_GROUPS = 2
"""Of more groups each may have one channel, for which there is no kernel; options do not tell."""

IN_BFLOAT16 = (
    *("embedding", "upsample", "causal_mask", "multiply", "scale", "sum", "reshape", "transpose"),
    *("slice", "pad", "stack", "expand", "add_at", "put", "masked_fill", "subtract", "negative"),
    *("maximum", "minimum"),
)
"""The ops that have kernels in bfloat16, gradients included."""

WITHOUT_SECOND_ORDER = (
    *("conv_transpose", "embedding", "gelu", "softmax", "log_softmax", "layer_norm", "weight_norm"),
    *("max_pool", "adaptive_max_pool", "upsample", "attention", "einsum", "addmm", "huber"),
    *("softmax_cross_entropy", "cross_entropy", "nll_loss", "bce_with_logits", "l1_loss", "kl_div"),
    *("complete_iou", "expm1", "log1p", "reciprocal", "erf", "group_norm", "max", "min", "norm"),
    *("logsumexp", "normalize", "cumsum", "log_sigmoid", "mish", "softsign", "hardsigmoid"),
    *("hardswish", "prelu", "atan2", "erf_inv", "lgamma", "digamma", "triangular_solve", "solve"),
    "cholesky",
)


def parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def has_stride(index: Any) -> bool:
    return any(isinstance(part, slice) and part.step is not None for part in parts(index))


def has_mask(index: Any) -> bool:
    return any(isinstance(part, np.ndarray) and part.dtype == bool for part in parts(index))


UNSUPPORTED: dict[str, Why] = {
    "float16": "on CPUs Paddle has no product of its entries: `multiply` is not registered",
    **{
        f"{op} bfloat16": "Paddle has no kernel of it for CPUs, or of its gradient"
        for op in OPS
        if op not in IN_BFLOAT16
    },
    **dict.fromkeys(
        (f"{op} reverse-over-reverse" for op in WITHOUT_SECOND_ORDER),
        "Paddle's gradient of it has no gradient",
    ),
    "slice index reverse-over-reverse": (has_stride, "the gradient of slices by steps has none"),
    "conv groups reverse-over-reverse": (
        lambda groups: groups > MOST_GROUPS,
        "convolution of one channel a group has no kernel of second order",
    ),
    "batch_norm_inference reverse-over-reverse": "its second order has no kernel for inference",
    "max_pool dilation": "Paddle has none",
    "rms_norm": "F.rms_norm has no kernel for CPUs",
    "layer_norm eps": (lambda eps: eps > LARGEST_EPS, "F.layer_norm refuses more than 0.001"),
    "embedding padding_index": "F.embedding has zeros in the place of that row",
    **dict.fromkeys(
        ("cross_entropy weight", "softmax_cross_entropy weight"),
        "F.cross_entropy with labels that are no class numbers takes weights of the last axis",
    ),
    "softmax_cross_entropy.t": "F.cross_entropy does not differentiate its labels",
    **dict.fromkeys(
        ("bce_with_logits.t", "kl_div.t"), "Paddle does not differentiate these labels"
    ),
    "nll_loss ignore_index": "it crashes the process where there is no weight",
}
"""An op, an option, a precision or a method -> why it is not supported."""

IN_STATIC_GRAPHS: dict[str, Why] = {
    **UNSUPPORTED,
    "slice index": (has_mask, "a static graph does not know how many entries a mask chooses"),
    "complete_iou float64": "a static graph rounds its numbers of Python to float32",
}
"""The same under paddle.jit.to_static."""
