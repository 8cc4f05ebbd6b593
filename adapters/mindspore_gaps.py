"""What MindSpore does not support on the CPU, and why."""

import numpy as np

from backproof.adapters.gaps import Why

WITHOUT_FLOAT64 = (
    *("average_pool", "batch_norm", "batch_norm_inference", "conv", "conv_transpose", "prelu"),
    *("softmax_cross_entropy", "bce_with_logits"),
)
IN_FLOAT32 = (
    *("gelu approximate", "layer_norm", "mean_squared_error", "huber", "l1_loss", "variance"),
    *("digamma", "lgamma", "softplus", "mish", "solve"),
)
WITHOUT_SECOND_ORDER = (
    *("softmax", "log_softmax", "elu", "hardsigmoid", "hardswish", "prelu", "gelu approximate"),
    *("layer_norm", "group_norm", "max_pool", "average_pool", "adaptive_average_pool"),
    *("adaptive_max_pool", "upsample", "normalize", "add_at", "erf_inv", "cross_entropy"),
    *("nll_loss", "kl_div", "complete_iou", "bce_with_logits", "triangular_solve"),
)
SIDES_OF_IMAGES = 3


UNSUPPORTED: dict[str, Why] = {
    "bfloat16": "MindSpore has few functions for it on CPUs, and no product",
    **dict.fromkeys(("attention", "einsum", "rms_norm"), "it has no kernel for CPUs"),
    "cholesky": "its gradient has no kernel for CPUs",
    "normalize float16": "ops.L2Normalize takes no eps of zero, which eps^2 is",
    "embedding padding_index": "ops.gather has none",
    "elu alpha": (lambda alpha: alpha != 1, "ops.elu wants 1"),
    "kl_div.t": "ops.kl_div does not differentiate its labels",
    "kl_div log_target": "ops.kl_div has none",
    **dict.fromkeys(
        ("log_softmax", "cross_entropy label_smoothing", "cross_entropy weight"),
        "ops.log_softmax takes the logarithm of its sum from a table, to five digits",
    ),
    **{f"{op} float64": "it has no kernel for such numbers on CPUs" for op in WITHOUT_FLOAT64},
    **{f"{op} float64": "MindSpore computes it in float32" for op in IN_FLOAT32},
    **{
        f"{op} padding": (lambda padding: np.ndim(padding) > 1, "MindSpore's is even")
        for op in ("conv", "max_pool", "average_pool")
    },
    **{
        f"{op} reverse-over-reverse": "MindSpore's gradient of it has no gradient, or its raises"
        for op in WITHOUT_SECOND_ORDER
    },
    "conv stride reverse-over-reverse": (
        lambda stride: np.size(stride) == SIDES_OF_IMAGES,
        "the gradient of a convolution of three axes has none",
    ),
    **dict.fromkeys(
        ("mish reverse-over-reverse", "log_sigmoid reverse-over-reverse"),
        "far from zero it is not finite, and nothing that follows is decided",
    ),
    "power exponent reverse-over-reverse": (
        lambda exponent: exponent == 0,
        "at zero it is NaN, and nothing that follows is decided",
    ),
    **dict.fromkeys(
        ("batch_norm reverse-over-reverse", "batch_norm_inference reverse-over-reverse"),
        "its second order reads freed memory: the same call gives other numbers, or raises",
    ),
}
"""An op, an option, a precision or a method -> why it is not supported."""
