"""The ops by name: the one table that a network's nodes refer to."""

from backproof.reference.ops.activations import (
    elu,
    leaky_relu,
    log_sigmoid,
    mish,
    relu,
    silu,
    softplus,
    softsign,
    tanh,
)
from backproof.reference.ops.arithmetic import (
    add,
    divide,
    matmul,
    multiply,
    negative,
    scale,
    subtract,
)
from backproof.reference.ops.attention import attention, causal_mask
from backproof.reference.ops.boxes import complete_iou
from backproof.reference.ops.convolution import conv, conv_transpose
from backproof.reference.ops.cross_entropy import (
    bce_with_logits,
    cross_entropy,
    nll_loss,
    softmax_cross_entropy,
)
from backproof.reference.ops.dense import dense
from backproof.reference.ops.elementary import (
    cos,
    erf_,
    exp,
    expm1,
    log,
    log1p,
    power,
    reciprocal,
    rsqrt,
    sin,
    sqrt_,
)
from backproof.reference.ops.gates import glu, hardsigmoid, hardswish, prelu
from backproof.reference.ops.gelu import gelu
from backproof.reference.ops.group_norm import batch_norm_inference, group_norm
from backproof.reference.ops.indexing import add_at, embedding, masked_fill, put, slice_
from backproof.reference.ops.linear_algebra import cholesky, solve_, triangular_solve
from backproof.reference.ops.losses import (
    half_squared_error,
    huber,
    kl_div,
    l1_loss,
    mean_squared_error,
)
from backproof.reference.ops.normalization import batch_norm, layer_norm, rms_norm
from backproof.reference.ops.op import Array, Op
from backproof.reference.ops.piecewise import abs_, clamp, maximum, minimum, where
from backproof.reference.ops.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    max_pool,
    upsample,
)
from backproof.reference.ops.products import addmm, einsum
from backproof.reference.ops.reductions import (
    cumsum,
    logsumexp,
    max_,
    mean,
    min_,
    norm,
    normalize,
    sum_,
    variance,
)
from backproof.reference.ops.shaping import concatenate, expand, pad, reshape, stack, transpose
from backproof.reference.ops.sigmoid import sigmoid
from backproof.reference.ops.softmax import log_softmax, softmax
from backproof.reference.ops.special import atan2, digamma_, erf_inv_, lgamma_
from backproof.reference.ops.weight_norm import weight_norm

__all__ = ["OPS", "Array", "Op"]

OPS: dict[str, Op] = {
    "dense": dense,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "embedding": embedding,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "silu": silu,
    "softplus": softplus,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "weight_norm": weight_norm,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "adaptive_average_pool": adaptive_average_pool,
    "adaptive_max_pool": adaptive_max_pool,
    "upsample": upsample,
    "causal_mask": causal_mask,
    "attention": attention,
    "matmul": matmul,
    "einsum": einsum,
    "addmm": addmm,
    "add": add,
    "multiply": multiply,
    "scale": scale,
    "sum": sum_,
    "concatenate": concatenate,
    "reshape": reshape,
    "transpose": transpose,
    "slice": slice_,
    "pad": pad,
    "stack": stack,
    "expand": expand,
    "add_at": add_at,
    "put": put,
    "masked_fill": masked_fill,
    "half_squared_error": half_squared_error,
    "mean_squared_error": mean_squared_error,
    "huber": huber,
    "softmax_cross_entropy": softmax_cross_entropy,
    "cross_entropy": cross_entropy,
    "bce_with_logits": bce_with_logits,
    "complete_iou": complete_iou,
    "subtract": subtract,
    "divide": divide,
    "negative": negative,
    "power": power,
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "sqrt": sqrt_,
    "rsqrt": rsqrt,
    "reciprocal": reciprocal,
    "sin": sin,
    "cos": cos,
    "erf": erf_,
    "abs": abs_,
    "clamp": clamp,
    "maximum": maximum,
    "minimum": minimum,
    "where": where,
    "group_norm": group_norm,
    "batch_norm_inference": batch_norm_inference,
    "mean": mean,
    "max": max_,
    "logsumexp": logsumexp,
    "variance": variance,
    "norm": norm,
    "normalize": normalize,
    "cumsum": cumsum,
    "log_sigmoid": log_sigmoid,
    "mish": mish,
    "softsign": softsign,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "prelu": prelu,
    "glu": glu,
    "nll_loss": nll_loss,
    "l1_loss": l1_loss,
    "kl_div": kl_div,
    "min": min_,
    "atan2": atan2,
    "erf_inv": erf_inv_,
    "lgamma": lgamma_,
    "digamma": digamma_,
    "triangular_solve": triangular_solve,
    "solve": solve_,
    "cholesky": cholesky,
}
