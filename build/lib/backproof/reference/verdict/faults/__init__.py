"""The classical mistakes of backpropagation, by name.

Each is a wrong forward function, backward function, rule of the sweep, or update, written so
that it runs over arrays (to plant it: the suite must refute it) and over `Ball` (to explain a
refuted link: does what was seen lie in this fault's own ball?).
"""

from collections.abc import Callable, Iterator, Mapping
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
    embedding,
    huber,
    logits,
    losses,
    masks,
    norms,
    pooling,
    rectifiers,
    rms_norm,
    shaping,
    smooth,
    softmax,
    upsampling,
)
from backproof.reference.verdict.faults.fault import Fault
from backproof.reference.verdict.faults.sweep import stale, sweep
from backproof.reference.verdict.faults.updates import updates

__all__ = ["FAULTS", "Fault", "catalogue"]

FAULTS: dict[str, Callable[[], Iterator[Fault]]] = {
    "half_squared_error": losses.half_squared_error,
    "mean_squared_error": losses.mean_squared_error,
    "huber": huber.huber,
    "softmax_cross_entropy": cross_entropy.softmax_cross_entropy,
    "cross_entropy": cross_entropy.cross_entropy,
    "bce_with_logits": logits.bce_with_logits,
    "complete_iou": boxes.complete_iou,
    "sigmoid": activations.sigmoid,
    "tanh": activations.tanh,
    "relu": activations.relu,
    "leaky_relu": rectifiers.leaky_relu,
    "elu": rectifiers.elu,
    "softplus": rectifiers.softplus,
    "gelu": smooth.gelu,
    "silu": smooth.silu,
    "softmax": softmax.softmax,
    "log_softmax": softmax.log_softmax,
    "dense": dense.dense,
    "conv2d": convolution.convolution,
    "batch_norm": norms.batch_norm,
    "layer_norm": norms.layer_norm,
    "rms_norm": rms_norm.rms_norm,
    "max_pool": pooling.max_pool,
    "average_pool": pooling.average_pool,
    "upsample": upsampling.upsample,
    "causal_mask": masks.causal_mask,
    "attention": attention.attention,
    "matmul": arithmetic.matmul,
    "add": arithmetic.add,
    "multiply": arithmetic.multiply,
    "scale": arithmetic.scale,
    "sum": arithmetic.total,
    "concatenate": shaping.concatenate,
    "reshape": shaping.reshape,
    "transpose": shaping.transpose,
    "slice": shaping.slicing,
    "pad": shaping.padding,
    "embedding": embedding.embedding,
}
"""Op -> its faults."""


def catalogue(network: Network, before: Mapping[str, Any] | None = None) -> dict[str, Fault]:
    """Return name -> fault, of all faults that can be made on a network.

    before: leaf or node -> its value in the step before, and "dE/dw" -> its gradient then; with
    it the faults of stale numbers are included.
    """
    ops = {node.op for node in network.nodes}
    faults = [fault for op, of in FAULTS.items() if op in ops for fault in of()]
    faults += [*sweep(network), *updates()]
    if before is not None:
        faults += stale(network, before)
    return {fault.name: fault for fault in faults}
