"""Classical mistakes of convolution.

Shapes: x (N, C, S), kernels W (O, C/G, K), b (O,) or left out, z and dz (N, O, P).
"""

from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.convolution import bias_gradient, conv_forward
from backproof.reference.ops.windows import inner
from backproof.reference.verdict.faults.families import Cotangent, Table, averaged, forward, seeing
from backproof.reference.verdict.faults.kernels import (
    dW,
    dx,
    exchanged,
    filled,
    flipped,
    late,
    shifted,
    shuffled,
    undilated,
    undilated_dW,
)

IN_TURN = "what channels dealt out in turn give, for channels in blocks"
OTHER_LAYOUT = "layers that store (C, O, K, L) against layers that store (O, C, K, L)"
SAME = "TensorFlow's SAME padding of even images at a stride of two"
SHIFTED = "what the image gives one row further up and one column further left"
SHUFFLED = "the channel shuffle of Zhang et al., ShuffleNet (2018)"

to_x, to_w, to_b = map(Cotangent, range(3))

VALUES: Table = {
    (
        "kernel flipped",
        "the convolution of mathematics, with the kernel turned by 180 degrees",
    ): seeing(lambda x, W, *b: (x, flipped(W), *b)).known(
        "scipy.signal.convolve; what frameworks call convolution is correlation"
    ),
    (
        "rows and columns of the kernel exchanged",
        "what W gives with its last and first side exchanged, read row by row as W",
    ): seeing(lambda x, W, *b: (x, exchanged(W, (2, W.ndim - 1)), *b)).known(
        "layers that store width before height"
    ),
    ("in and out exchanged", "what W gives with (C, O) read row by row as (O, C)"): seeing(
        lambda x, W, *b: (x, exchanged(W), *b)
    ).known(OTHER_LAYOUT),
    ("padding off by one", SHIFTED): forward(
        lambda x, W, *b, padding=0, **o: conv_forward(shifted(x, W, padding), W, *b, **o)
    ).known(SAME),
    ("dilation forgotten", "what a dilation of 1 gives"): forward(undilated),
    ("groups mixed up", IN_TURN): forward(
        lambda x, *a, groups=1, **o: conv_forward(shuffled(x, groups), *a, groups=groups, **o)
    ).known(SHUFFLED),
    ("bias forgotten", "the convolution, without b"): forward(
        lambda x, W, b, **o: conv_forward(x, W, **o), inputs=3
    ),
}

INPUT_COTANGENTS: Table = {
    (
        "kernel not flipped on the way back",
        "the correlation of dz with W, which should be turned by 180 degrees",
    ): to_x.seeing(lambda x, W, *b: (x, flipped(W), *b)),
    (
        "in and out exchanged on the way back",
        "what W sends back with (C, O) read row by row as (O, C)",
    ): to_x.seeing(lambda x, W, *b: (x, exchanged(W), *b)).known(OTHER_LAYOUT),
    ("off by one on the way back", "dx moved down by one row and right by one column"): to_x(
        late
    ).known("an output padding; the stride's zeros before each entry, not after it"),
    (
        "stride's zeros filled on the way back",
        "what dz gives repeated, for dz with zeros between its entries",
    ): to_x(filled).known("upsampling for a transposed convolution"),
    ("dilation forgotten on the way back", "what a dilation of 1 sends back"): to_x(
        lambda *a, **o: dx(*a, **{**o, "dilation": 1})
    ),
    (
        "groups mixed up on the way back",
        "dx with its channels dealt out in turn, not in blocks",
    ): to_x.then(lambda d, *_, groups=1, **__: shuffled(d, groups)).known(SHUFFLED),
    ("input gradient detached", "zero"): to_x.lost,
}

KERNEL_GRADIENTS: Table = {
    ("kernel gradient flipped", "dW turned by 180 degrees"): to_w.then(
        lambda d, *_, **__: flipped(d)
    ),
    (
        "in and out exchanged in the kernel gradient",
        "dW with (C, O) read row by row as (O, C)",
    ): to_w.then(lambda d, *_, **__: exchanged(d)).known(OTHER_LAYOUT),
    ("only the first image counted", "dW of the first image"): to_w.of_first,
    ("mean for sum over the batch", "dW / N"): to_w.then(averaged),
    ("padding off by one in the kernel gradient", SHIFTED): to_w(
        lambda dz, z, x, W, *b, padding=0, **o: dW(dz, z, shifted(x, W, padding), W, **o)
    ).known(SAME),
    ("dilation forgotten in the kernel gradient", "what a dilation of 1 gives"): to_w(undilated_dW),
    ("groups mixed up in the kernel gradient", IN_TURN): to_w(
        lambda dz, z, x, *a, groups=1, **o: dW(dz, z, shuffled(x, groups), *a, groups=groups, **o)
    ).known(SHUFFLED),
    ("kernel gradient forgotten", "zero"): to_w(lambda dz, z, x, W, *_, **__: 0 * W),
}

BIAS_GRADIENTS: Table = {
    ("bias gradient of the first image alone", "the sum of dz over the first image"): to_b.of_first,
    ("bias gradient averaged over the batch", "the sum of dz / N"): to_b.then(averaged),
    ("bias gradient averaged over all places", "the sum of dz / (N P)"): to_b(
        lambda dz, *_, **__: bias_gradient(dz) / (dz.size // dz.shape[1])
    ),
    (
        "bias gradient not summed over the places",
        "the sum of dz over the first place of every image",
    ): to_b(lambda dz, *_, **__: np.sum(dz[inner(0 for _ in dz.shape[2:])], axis=0)),
    ("bias gradient forgotten", "zero"): to_b(lambda dz, z, x, W, b, **_: 0 * b),
}

CONV: Table = {**VALUES, **INPUT_COTANGENTS, **KERNEL_GRADIENTS, **BIAS_GRADIENTS}


def as_long(y: Any, other: Any) -> Any:
    """Return the first entries of images, as many as another has."""
    return y[inner(map(slice, other.shape[2:]))]


CONV_TRANSPOSE: Table = {
    ("kernel flipped", "what the kernel turned by 180 degrees gives"): seeing(
        lambda x, W, *b: (x, flipped(W), *b)
    ).known("a convolution of spread images, with the kernel not flipped"),
    ("in and out exchanged", "what W gives with (O, C) read row by row as (C, O)"): seeing(
        lambda x, W, *b: (x, exchanged(W), *b)
    ).known(OTHER_LAYOUT),
    ("padding forgotten", "the first entries of what no padding gives"): forward(
        lambda x, W, *b, **o: as_long(
            OPS["conv_transpose"].forward(x, W, *b, **{**o, "padding": 0}),
            OPS["conv_transpose"].forward(x, W, *b, **o),
        )
    ),
    ("bias forgotten", "the transposed convolution, without b"): forward(
        lambda x, W, b, **o: OPS["conv_transpose"].forward(x, W, **o), inputs=3
    ),
    ("kernel flipped on the way back", "dx of the kernel turned by 180 degrees"): to_x.seeing(
        lambda x, W, *b: (x, flipped(W), *b)
    ),
    ("input gradient detached", "zero"): to_x.lost,
    ("kernel gradient flipped", "dW turned by 180 degrees"): to_w.then(
        lambda d, *_, **__: flipped(d)
    ),
    ("mean for sum over the batch", "dW / N"): to_w.then(averaged),
    ("bias gradient averaged over the batch", "the sum of dy / N"): to_b.then(averaged),
    ("bias gradient forgotten", "zero"): to_b(lambda dy, y, x, W, b, **_: 0 * b),
}
