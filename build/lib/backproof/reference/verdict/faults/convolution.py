"""Classical mistakes of convolution: what it gives; those of its gradients have their own file.

Shapes: x (N, C, H, W), kernels W (O, C/G, K, L), b (O,) or left out, z (N, O, P, Q).
"""

from collections.abc import Iterator
from functools import partial

from backproof.reference.ops.convolution import conv2d_forward
from backproof.reference.verdict.faults.convolution_gradients import (
    OTHER_LAYOUT,
    SAME,
    SHIFTED,
    SHUFFLED,
    bias_gradients,
    input_cotangents,
    kernel_gradients,
)
from backproof.reference.verdict.faults.fault import Fault, in_forward
from backproof.reference.verdict.faults.kernels import (
    exchanged,
    flipped,
    shifted,
    shuffled,
    undilated,
)


def convolution() -> Iterator[Fault]:
    """Yield the faults."""
    yield from values()
    yield from input_cotangents()
    yield from kernel_gradients()
    yield from bias_gradients()


def values() -> Iterator[Fault]:
    """Yield the faults of z."""
    forward = partial(in_forward, "conv2d")
    yield forward(
        "kernel flipped",
        "the convolution of mathematics, with the kernel turned by 180 degrees",
        lambda x, W, *b, **o: conv2d_forward(x, flipped(W), *b, **o),
        "scipy.signal.convolve; what frameworks call convolution is correlation",
    )
    yield forward(
        "rows and columns of the kernel exchanged",
        "what W gives with (L, K) read row by row as (K, L)",
        lambda x, W, *b, **o: conv2d_forward(x, exchanged(W, (2, 3)), *b, **o),
        "layers that store width before height",
    )
    yield forward(
        "in and out exchanged",
        "what W gives with (C, O) read row by row as (O, C)",
        lambda x, W, *b, **o: conv2d_forward(x, exchanged(W), *b, **o),
        OTHER_LAYOUT,
    )
    yield forward(
        "padding off by one",
        SHIFTED,
        lambda x, W, *b, padding=0, **o: conv2d_forward(shifted(x, padding), W, *b, **o),
        SAME,
    )
    yield forward("dilation forgotten", "what a dilation of 1 gives", undilated)
    yield forward(
        "groups mixed up",
        "what channels dealt out in turn give, for channels in blocks",
        lambda x, W, *b, groups=1, **o: conv2d_forward(
            shuffled(x, groups), W, *b, groups=groups, **o
        ),
        SHUFFLED,
    )
    yield forward(
        "bias forgotten",
        "the convolution, without b",
        lambda x, W, b, **o: conv2d_forward(x, W, **o),
        inputs=3,
    )
