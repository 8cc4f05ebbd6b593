"""A single-stage detector in YOLO's manner: backbone, neck, heads at two scales.

After YOLOv3 (Redmon and Farhadi 2018, sec. 2: two of its scales, upsampling and concatenation,
independent logistic classifiers) with SiLU, batch norm and the complete IoU loss of its successors.

Shapes: N images, C channels, H height and width, K classes; a head has S x S cells, and for each
of them 5 + K numbers: x, y, width, height, objectness, classes.
"""

from math import sqrt

import numpy as np

from backproof.reference.network import Network
from backproof.reference.networks.build import Builder
from backproof.reference.ops import Array

SCALES = {"coarse": 16, "fine": 8}
"""Head -> side of its cells, in pixels."""

OBJECTS = 3
"""Objects in every image, each assigned to the cell of its centre, one per cell."""


def yolo(
    width: int = 8, *, image: int = 64, classes: int = 4, batch: int = 2, seed: int = 0
) -> Network:
    """Return the detector with its loss.

    width: channels of the first layer. image: H in pixels, a multiple of 16.
    """
    g = Builder(np.random.default_rng(seed))
    x = g.input("images", g.rng.standard_normal((batch, 3, image, image)))
    # 1. Backbone: four halvings, the last by pooling; "fine" has been halved three times.
    x = layer(g, "b1", x, 3, width, stride=2)
    x = layer(g, "b2", x, width, 2 * width, stride=2)
    fine = layer(g, "b3", x, 2 * width, 4 * width, stride=2)
    g.node("b4.pool", "max_pool", fine, kernel_size=2, stride=2)
    coarse = layer(g, "b5", "b4.pool", 4 * width, 4 * width)
    # 2. Neck: the coarse features, upsampled, concatenated with the fine ones.
    narrow = layer(g, "n1", coarse, 4 * width, 2 * width, kernel=1)
    g.node("n1.up", "upsample", narrow, scale_factor=2)
    g.node("neck", "concatenate", "n1.up", fine, axis=1)
    merged = layer(g, "n2", "neck", 6 * width, 4 * width)
    # 3. Heads and their losses.
    losses = []
    for scale, features in {"coarse": coarse, "fine": merged}.items():
        grid = image // SCALES[scale]
        cells = head(g, scale, features, (4 * width, 5 + classes), batch, grid)
        losses += loss(g, scale, cells, grid, batch, classes)
    g.node("losses", "concatenate", *losses, axis=0)
    g.node("E", "sum", "losses")
    return g.network(f"yolo-{width}-{image}")


def layer(
    g: Builder, name: str, x: str, channels: int, out: int, *, stride: int = 1, kernel: int = 3
) -> str:
    """Add a convolution, batch norm, SiLU."""
    scale = sqrt(2 / (channels * kernel * kernel))
    weight = g.normal(f"{name}.kernel", out, channels, kernel, kernel, scale=scale)
    g.node(f"{name}.conv", "conv", x, weight, stride=stride, padding=kernel // 2)
    gain, bias = g.near(f"{name}.gain", out, mean=1.0), g.near(f"{name}.bias", out)
    g.node(f"{name}.norm", "batch_norm", f"{name}.conv", gain, bias)
    return g.node(name, "silu", f"{name}.norm")


def head(g: Builder, name: str, x: str, channels: tuple[int, int], batch: int, grid: int) -> str:
    """Add a 1 x 1 convolution, and lay out its cells as rows, (N S S, 5 + K)."""
    inside, out = channels
    kernel = g.normal(f"{name}.kernel", out, inside, 1, 1, scale=1 / sqrt(inside))
    g.node(f"{name}.map", "conv", x, kernel, g.near(f"{name}.bias", out))
    g.node(f"{name}.last", "transpose", f"{name}.map", axes=(0, 2, 3, 1))
    return g.node(f"{name}.cells", "reshape", f"{name}.last", shape=(batch * grid * grid, out))


def loss(g: Builder, name: str, cells: str, grid: int, batch: int, classes: int) -> list[str]:
    """Add the three losses of a head, each of shape (1,)."""
    # 1. Which cells have an object, where its box is (in cells), and of which class it is.
    places = np.concatenate(
        [g.rng.choice(grid * grid, OBJECTS, replace=False) + i * grid * grid for i in range(batch)]
    )
    corner = np.stack([places % grid, places // grid % grid], axis=1).astype(float)
    center, size = corner + g.rng.random(corner.shape), 0.5 + 1.5 * g.rng.random(corner.shape)
    # 2. Box: center = cell + sigmoid, size = (2 sigmoid)^2 cells, on the assigned cells alone.
    g.node(f"{name}.assigned", "embedding", cells, index=places)
    boxes = decoded(g, name, g.input(f"{name}.cell", corner))
    target = g.input(f"{name}.box", np.concatenate([center - size / 2, center + size / 2], axis=1))
    g.node(f"{name}.iou", "complete_iou", boxes, target)
    g.node(f"{name}.ious", "sum", f"{name}.iou")
    box = g.node(f"{name}.box_loss", "scale", f"{name}.ious", factor=0.05)
    # 3. Objectness on all cells, classes on the assigned ones.
    columns(g, f"{name}.objectness", cells, 4, 5)
    there = g.input(f"{name}.there", one_hot(places, batch * grid * grid))
    g.node(f"{name}.object_loss", "bce_with_logits", f"{name}.objectness", there, pos_weight=2.0)
    columns(g, f"{name}.classes", f"{name}.assigned", 5, 5 + classes)
    labels = np.eye(classes)[g.rng.integers(classes, size=len(places))]
    g.node(
        f"{name}.class_loss",
        "bce_with_logits",
        f"{name}.classes",
        g.input(f"{name}.labels", labels),
    )
    parts = (box, f"{name}.object_loss", f"{name}.class_loss")
    return [g.node(f"{part}.row", "reshape", part, shape=(1,)) for part in parts]


def decoded(g: Builder, name: str, corner: str) -> str:
    """Add the boxes of the assigned cells, (M, 4), as corners in units of cells."""
    columns(g, f"{name}.xy", f"{name}.assigned", 0, 2)
    g.node(f"{name}.offset", "sigmoid", f"{name}.xy")
    g.node(f"{name}.center", "add", f"{name}.offset", corner)
    columns(g, f"{name}.wh", f"{name}.assigned", 2, 4)
    g.node(f"{name}.side", "sigmoid", f"{name}.wh")
    g.node(f"{name}.square", "multiply", f"{name}.side", f"{name}.side")
    g.node(f"{name}.half", "scale", f"{name}.square", factor=2.0)  # half of (2 s)^2
    g.node(f"{name}.minus", "scale", f"{name}.half", factor=-1.0)
    g.node(f"{name}.low", "add", f"{name}.center", f"{name}.minus")
    g.node(f"{name}.high", "add", f"{name}.center", f"{name}.half")
    return g.node(f"{name}.boxes", "concatenate", f"{name}.low", f"{name}.high", axis=1)


def columns(g: Builder, name: str, x: str, start: int, end: int) -> str:
    """Add some columns of a matrix."""
    return g.node(name, "slice", x, index=(slice(None), slice(start, end)))


def one_hot(places: Array, size: int) -> Array:
    """Return a column of zeros with ones at some places, (size, 1)."""
    column = np.zeros((size, 1))
    column[places] = 1
    return column
