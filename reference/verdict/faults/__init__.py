"""The classical mistakes of backpropagation, by name.

Each is a wrong forward function, backward function, rule of the sweep, or update, written so
that it runs over arrays (to plant it: the suite must refute it) and over `Ball` (to explain a
refuted link: does what was seen lie in this fault's own ball?).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from backproof.reference.network import Network
from backproof.reference.verdict.faults import (
    activations,
    arithmetic,
    attention,
    boxes,
    convolution,
    cross_entropy,
    dense,
    elementary,
    gates,
    gelu,
    group_norm,
    indexing,
    linear_algebra,
    losses,
    normalization,
    pooling,
    products,
    reductions,
    rms_norm,
    shaping,
    softmax,
    special,
    weight_norm,
)
from backproof.reference.verdict.faults.families import Table, faults
from backproof.reference.verdict.faults.fault import Fault
from backproof.reference.verdict.faults.sweep import stale, sweep
from backproof.reference.verdict.faults.updates import updates

__all__ = ["FAULTS", "Fault", "catalogue"]

TABLES: dict[str, Table] = {
    "half_squared_error": losses.HALF_SQUARED_ERROR,
    "mean_squared_error": losses.MEAN_SQUARED_ERROR,
    "huber": losses.HUBER,
    "softmax_cross_entropy": cross_entropy.SOFTMAX_CROSS_ENTROPY,
    "cross_entropy": cross_entropy.CROSS_ENTROPY,
    "bce_with_logits": cross_entropy.BCE_WITH_LOGITS,
    "complete_iou": boxes.COMPLETE_IOU,
    "sigmoid": activations.SIGMOID,
    "tanh": activations.TANH,
    "relu": activations.RELU,
    "leaky_relu": activations.LEAKY_RELU,
    "elu": activations.ELU,
    "softplus": activations.SOFTPLUS,
    "gelu": gelu.GELU,
    "silu": activations.SILU,
    "softmax": softmax.SOFTMAX,
    "log_softmax": softmax.LOG_SOFTMAX,
    "dense": dense.DENSE,
    "conv": convolution.CONVOLUTION,
    "conv_transpose": convolution.CONV_TRANSPOSE,
    "batch_norm": normalization.BATCH_NORM,
    "layer_norm": normalization.LAYER_NORM,
    "rms_norm": rms_norm.RMS_NORM,
    "weight_norm": weight_norm.WEIGHT_NORM,
    "max_pool": pooling.MAX_POOL,
    "average_pool": pooling.AVERAGE_POOL,
    "adaptive_average_pool": pooling.ADAPTIVE_AVERAGE_POOL,
    "adaptive_max_pool": pooling.ADAPTIVE_MAX_POOL,
    "upsample": pooling.UPSAMPLE,
    "causal_mask": attention.CAUSAL_MASK,
    "attention": attention.ATTENTION,
    "matmul": arithmetic.MATMUL,
    "einsum": products.EINSUM,
    "addmm": products.ADDMM,
    "add": arithmetic.ADD,
    "multiply": arithmetic.MULTIPLY,
    "scale": arithmetic.SCALE,
    "sum": reductions.SUM,
    "concatenate": shaping.CONCATENATE,
    "reshape": shaping.RESHAPE,
    "transpose": shaping.TRANSPOSE,
    "slice": indexing.SLICE,
    "pad": shaping.PAD,
    "stack": shaping.STACK,
    "expand": shaping.EXPAND,
    "add_at": indexing.ADD_AT,
    "put": indexing.PUT,
    "masked_fill": indexing.MASKED_FILL,
    "embedding": indexing.EMBEDDING,
    "subtract": elementary.SUBTRACT,
    "divide": elementary.DIVIDE,
    "negative": elementary.NEGATIVE,
    "power": elementary.POWER,
    "exp": elementary.EXP,
    "expm1": elementary.EXPM1,
    "log": elementary.LOG,
    "log1p": elementary.LOG1P,
    "sqrt": elementary.SQRT,
    "rsqrt": elementary.RSQRT,
    "reciprocal": elementary.RECIPROCAL,
    "sin": elementary.SIN,
    "cos": elementary.COS,
    "erf": elementary.ERF,
    "abs": elementary.ABS,
    "clamp": elementary.CLAMP,
    "maximum": elementary.MAXIMUM,
    "minimum": elementary.MINIMUM,
    "where": elementary.WHERE,
    "group_norm": group_norm.GROUP_NORM,
    "batch_norm_inference": group_norm.BATCH_NORM_INFERENCE,
    "mean": reductions.MEAN,
    "max": reductions.MAX,
    "logsumexp": reductions.LOGSUMEXP,
    "variance": reductions.VARIANCE,
    "norm": reductions.NORM,
    "normalize": reductions.NORMALIZE,
    "cumsum": reductions.CUMSUM,
    "log_sigmoid": gates.LOG_SIGMOID,
    "mish": gates.MISH,
    "softsign": gates.SOFTSIGN,
    "hardsigmoid": gates.HARDSIGMOID,
    "hardswish": gates.HARDSWISH,
    "prelu": gates.PRELU,
    "glu": gates.GLU,
    "nll_loss": cross_entropy.NLL_LOSS,
    "l1_loss": losses.L1_LOSS,
    "kl_div": losses.KL_DIV,
    "min": reductions.MIN,
    "atan2": special.ATAN2,
    "erf_inv": special.ERF_INV,
    "lgamma": special.LGAMMA,
    "digamma": special.DIGAMMA,
    "triangular_solve": linear_algebra.TRIANGULAR_SOLVE,
    "solve": linear_algebra.SOLVE,
    "cholesky": linear_algebra.CHOLESKY,
}
"""Op -> the table of its faults."""

FAULTS: dict[str, Callable[[], Iterator[Fault]]] = {
    op: partial(faults, op, table) for op, table in TABLES.items()
}
"""Op -> what yields its faults."""


def catalogue(network: Network, before: Mapping[str, Any] | None = None) -> dict[str, Fault]:
    """Return name -> fault, of all faults that can be made on a network.

    before: leaf or node -> its value in the step before, and "dE/dw" -> its gradient then; with
    it the faults of stale numbers are included.
    """
    ops = {node.op for node in network.nodes}
    found = [fault for op, of in FAULTS.items() if op in ops for fault in of()]
    found += [*sweep(network), *updates()]
    if before is not None:
        found += stale(network, before)
    return {fault.name: fault for fault in found}
