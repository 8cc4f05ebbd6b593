"""The residual network for CIFAR (He et al. 2015, Deep Residual Learning, sec. 4.2).

Shapes: N images, C channels, H height and width, K classes.
"""

from math import sqrt

import numpy as np

from backproof.reference.network import Network
from backproof.reference.networks.build import Builder

STAGES = 3
"""How many stages of n blocks there are; all but the first halve the image, double the channels."""


def resnet(
    n: int = 3,
    width: int = 16,
    *,
    image: int = 32,
    classes: int = 10,
    batch: int = 4,
    shortcut: str = "padded",
    seed: int = 0,
) -> Network:
    """Return the network of 6n + 2 layers: n = 3 is ResNet-20, n = 18 has 110.

    width:    channels of the first stage; the paper's is 16.
    image:    H; the paper's is 32. A multiple of 4.
    shortcut: where a stage begins: "padded" with zeros (option A, the paper's on CIFAR) or
              "projection" by a 1 x 1 convolution (option B).
    Batch norm is in training mode. Weights are drawn as in He et al. (2015, Delving Deep).
    """
    g = Builder(np.random.default_rng(seed))
    x = g.input("images", g.rng.standard_normal((batch, 3, image, image)))
    # 1. A 3 x 3 convolution.
    x = rectified(g, "stem", convolution(g, "stem", x, (width, 3, 3, 3)))
    # 2. Three stages of n blocks.
    channels = width
    for stage in range(1, STAGES + 1):
        for i in range(1, n + 1):
            out = width * 2 ** (stage - 1)
            x = block(g, f"{stage}.{i}", x, channels, out, shortcut)
            channels = out
    # 3. Global average pooling, and a linear classifier.
    g.node("pooled", "average_pool", x, kernel_size=image // 4, stride=image // 4)
    g.node("features", "reshape", "pooled", shape=(batch, channels))
    weight = g.normal("fc.weight", channels, classes, scale=1 / sqrt(channels))
    g.node("logits", "dense", "features", weight, g.near("fc.bias", classes))
    g.node("E", "cross_entropy", "logits", target=g.rng.integers(classes, size=batch))
    return g.network(f"resnet-{6 * n + 2}")


def block(g: Builder, name: str, x: str, channels: int, out: int, shortcut: str) -> str:
    """Add a block: relu(x + f(x)), f two 3 x 3 convolutions, each with batch norm."""
    stride = 1 if channels == out else 2
    # 1. f.
    h = convolution(g, f"{name}a", x, (out, channels, 3, 3), stride)
    h = convolution(g, f"{name}b", rectified(g, f"{name}a", h), (out, out, 3, 3))
    # 2. x itself, or brought to the new size.
    if stride > 1 and shortcut == "projection":
        x = convolution(g, f"{name}c", x, (out, channels, 1, 1), stride)
    elif stride > 1:
        every_other = (slice(None), slice(None), slice(None, None, 2), slice(None, None, 2))
        g.node(f"{name}.half", "slice", x, index=every_other)
        width = ((0, 0), (0, out - channels), (0, 0), (0, 0))
        x = g.node(f"{name}.padded", "pad", f"{name}.half", width=width)
    # 3. Their sum.
    g.node(f"{name}.sum", "add", h, x)
    return g.node(f"{name}", "relu", f"{name}.sum")


def convolution(
    g: Builder, name: str, x: str, shape: tuple[int, int, int, int], stride: int = 1
) -> str:
    """Add a convolution that keeps the size, or divides it by the stride, and its batch norm."""
    fan_in = shape[1] * shape[2] * shape[3]
    kernel = g.normal(f"{name}.kernel", *shape, scale=sqrt(2 / fan_in))
    g.node(f"{name}.conv", "conv", x, kernel, stride=stride, padding=shape[2] // 2)
    gain, bias = g.near(f"{name}.gain", shape[0], mean=1.0), g.near(f"{name}.bias", shape[0])
    return g.node(f"{name}.norm", "batch_norm", f"{name}.conv", gain, bias)


def rectified(g: Builder, name: str, x: str) -> str:
    """Add a ReLU."""
    return g.node(f"{name}.relu", "relu", x)
