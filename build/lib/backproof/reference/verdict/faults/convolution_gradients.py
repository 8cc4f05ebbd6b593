"""Classical mistakes of convolution's gradients.

Shapes: x (N, C, H, W), kernels W (O, C/G, K, L), b (O,) or left out, dz (N, O, P, Q).
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from backproof.reference.verdict.faults.fault import Fault, in_backward
from backproof.reference.verdict.faults.kernels import (
    dW,
    dx,
    exchanged,
    filled,
    flipped,
    late,
    shifted,
    shuffled,
    undilated_dW,
)

OTHER_LAYOUT = "layers that store (C, O, K, L) against layers that store (O, C, K, L)"
SAME = "TensorFlow's SAME padding of even images at a stride of two"
SHIFTED = "what the image gives one row further up and one column further left"
SHUFFLED = "the channel shuffle of Zhang et al., ShuffleNet (2018)"


def input_cotangents() -> Iterator[Fault]:
    """Yield the faults of dx."""
    backward = partial(in_backward, "conv2d", 0)
    yield backward(
        "kernel not flipped on the way back",
        "the correlation of dz with W, which should be turned by 180 degrees",
        lambda dz, z, x, W, *b, **o: dx(dz, z, x, flipped(W), **o),
    )
    yield backward(
        "in and out exchanged on the way back",
        "what W sends back with (C, O) read row by row as (O, C)",
        lambda dz, z, x, W, *b, **o: dx(dz, z, x, exchanged(W), **o),
        OTHER_LAYOUT,
    )
    yield backward(
        "off by one on the way back",
        "dx moved down by one row and right by one column",
        late,
        "an output padding; the stride's zeros before each entry, not after it",
    )
    yield backward(
        "stride's zeros filled on the way back",
        "what dz gives repeated, for dz with zeros between its entries",
        filled,
        "upsampling for a transposed convolution",
    )
    yield backward(
        "dilation forgotten on the way back",
        "what a dilation of 1 sends back",
        lambda *a, **o: dx(*a, **{**o, "dilation": 1}),
    )
    yield backward(
        "groups mixed up on the way back",
        "dx with its channels dealt out in turn, not in blocks",
        lambda *a, groups=1, **o: shuffled(dx(*a, groups=groups, **o), groups),
        SHUFFLED,
    )
    yield backward(
        "input gradient detached",
        "zero",
        lambda dz, z, x, *_, **__: np.zeros_like(x),
        "a stray detach() or stop_gradient",
    )


def kernel_gradients() -> Iterator[Fault]:
    """Yield the faults of dW."""
    backward = partial(in_backward, "conv2d", 1)
    yield backward(
        "kernel gradient flipped",
        "dW turned by 180 degrees",
        lambda *a, **o: flipped(dW(*a, **o)),
    )
    yield backward(
        "in and out exchanged in the kernel gradient",
        "dW with (C, O) read row by row as (O, C)",
        lambda *a, **o: exchanged(dW(*a, **o)),
        OTHER_LAYOUT,
    )
    yield backward(
        "only the first image counted",
        "dW of the first image",
        lambda dz, z, x, *a, **o: dW(dz[:1], z, x[:1], *a, **o),
    )
    yield backward(
        "mean for sum over the batch", "dW / N", lambda *a, **o: dW(*a, **o) / a[0].shape[0]
    )
    yield backward(
        "padding off by one in the kernel gradient",
        SHIFTED,
        lambda dz, z, x, *a, padding=0, **o: dW(dz, z, shifted(x, padding), *a, **o),
        SAME,
    )
    yield backward(
        "dilation forgotten in the kernel gradient", "what a dilation of 1 gives", undilated_dW
    )
    yield backward(
        "groups mixed up in the kernel gradient",
        "what channels dealt out in turn give, for channels in blocks",
        lambda dz, z, x, *a, groups=1, **o: dW(dz, z, shuffled(x, groups), *a, groups=groups, **o),
        SHUFFLED,
    )
    yield backward("kernel gradient forgotten", "zero", lambda dz, z, x, W, *b, **_: 0 * W)


def bias_gradients() -> Iterator[Fault]:
    """Yield the faults of db."""
    backward = partial(in_backward, "conv2d", 2)
    yield backward(
        "bias gradient of the first image alone",
        "the sum of dz over the first image",
        lambda dz, *_, **__: np.sum(dz[:1], axis=(0, 2, 3)),
    )
    yield backward(
        "bias gradient averaged over the batch",
        "the sum of dz / N",
        lambda dz, *_, **__: np.sum(dz, axis=(0, 2, 3)) / dz.shape[0],
    )
    yield backward(
        "bias gradient averaged over all places",
        "the sum of dz / (N P Q)",
        lambda dz, *_, **__: np.sum(dz, axis=(0, 2, 3)) / (dz.size // dz.shape[1]),
    )
    yield backward(
        "bias gradient not summed over the places",
        "the sum of dz over the first place of every image",
        lambda dz, *_, **__: np.sum(dz[:, :, 0, 0], axis=0),
    )
    yield backward("bias gradient forgotten", "zero", lambda dz, z, x, W, b, **_: 0 * b)
