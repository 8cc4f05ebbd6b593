"""Small networks of seeded random numbers, in which every catalogued fault can occur.

They are small because a link that a fault does not change is proven so in Arb balls, entry by
entry.
"""

from dataclasses import replace

import numpy as np

from backproof.reference.network import Network
from backproof.reference.networks.build import Builder
from backproof.reference.networks.gpt import gpt


def builder(seed: int) -> Builder:
    """Return a network in the making."""
    return Builder(np.random.default_rng(seed))


def dense(g: Builder, name: str, x: str, shape: tuple[int, int], *, bias: bool = True) -> str:
    """Add a dense layer of a shape (I, O).

    bias: left out before batch norm, which removes it again: its gradient would be only rounding.
    """
    leaves = [g.normal(f"{name}.W", *shape, scale=shape[0] ** -0.5)]
    if bias:
        leaves.append(g.near(f"{name}.b", shape[1]))
    return g.node(name, "dense", x, *leaves)


def norm(g: Builder, name: str, op: str, x: str, channels: int, **options: float) -> str:
    """Add a batch, layer or RMS norm."""
    leaves = [g.near(f"{name}.gain", channels, mean=1.0)]
    if op != "rms_norm":
        leaves.append(g.near(f"{name}.shift", channels))
    return g.node(name, op, x, *leaves, **options)


def convolution(
    g: Builder,
    name: str,
    x: str,
    shape: tuple[int, int, int, int],
    *,
    bias: bool = True,
    **options: int,
) -> str:
    """Add a convolution with kernels (O, C/G, K, L); bias: as in `dense`."""
    leaves = [g.normal(f"{name}.W", *shape, scale=(shape[1] * shape[2] * shape[3]) ** -0.5)]
    if bias:
        leaves.append(g.near(f"{name}.b", shape[0]))
    return g.node(name, "conv", x, *leaves, **options)


def images() -> Network:
    """Return convolutions (one with groups and dilation, one with a stride) and batch norm."""
    g = builder(11)
    x = g.input("x", g.rng.standard_normal((2, 4, 4, 5)))
    x = convolution(g, "a", x, (4, 2, 3, 3), bias=False, padding=2, dilation=2, groups=2)
    x = g.node("a.silu", "silu", norm(g, "a.norm", "batch_norm", x, 4, eps=0.01))
    x = convolution(g, "b", x, (3, 4, 3, 2), padding=1, stride=2)
    x = g.node("b.leaky", "leaky_relu", x, negative_slope=0.25)
    x = dense(g, "c", g.node("flat", "reshape", x, shape=(2, 18)), (18, 3), bias=False)
    t = g.input("t", np.eye(3)[[2, 0]])
    weight = (1.0, 0.5, 2.0)
    g.node("E", "softmax_cross_entropy", x, t, label_smoothing=0.125, weight=weight)
    return g.network("images")


def pools() -> Network:
    """Return pooling of negative images with ties, upsampling, concatenation and padding."""
    g = builder(12)
    x = g.input("x", -1.0 - g.rng.integers(3, size=(2, 2, 5, 5)))
    x = g.node("largest", "max_pool", x, kernel_size=3, stride=2, padding=1)
    x = convolution(g, "a", x, (2, 2, 1, 1))
    mean = g.node("mean", "average_pool", x, kernel_size=3, stride=2, padding=1)
    up = g.node("up", "upsample", mean, scale_factor=2)
    wide = g.node("wide", "pad", x, width=((0, 0), (0, 0), (1, 0), (0, 1)))
    both = g.node("both", "concatenate", wide, up, up, axis=1)
    last = g.node("last", "transpose", both, axes=(0, 2, 3, 1))
    x = dense(g, "b", last, (6, 2))
    t = g.input("t", g.rng.standard_normal((2, 4, 4, 2)))
    g.node("E", "huber", x, t, delta=0.5)
    return g.network("pools")


def adaptive() -> Network:
    """Return transposed convolution and adaptive pooling, of the mean and of the largest entry."""
    g = builder(17)
    x = g.input("x", g.rng.standard_normal((2, 4, 3, 2)))
    leaves = g.normal("W", 4, 3, 2, 3, scale=0.3), g.near("b", 3)
    x = g.node("spread", "conv_transpose", x, *leaves, stride=2, padding=1, output_padding=1)
    mean = g.node("mean", "adaptive_average_pool", x, output_size=(3, 2))
    largest = g.node("largest", "adaptive_max_pool", x, output_size=(3, 2))
    both = g.node("both", "concatenate", mean, largest, axis=1)
    g.node("E", "huber", both, g.input("t", g.rng.standard_normal((2, 6, 3, 2))), delta=0.5)
    return g.network("adaptive")


def grouped() -> Network:
    """Return attention with a bias, a scale and shared heads, then products along other axes."""
    g = builder(18)
    sizes = {"q": (1, 4, 3, 2), "k": (1, 2, 3, 2), "v": (1, 2, 3, 2), "bias": (4, 3, 3)}
    leaves = [g.normal(name, *shape, scale=1) for name, shape in sizes.items()]
    y = g.node("y", "attention", *leaves, causal=False, scale=0.5)
    y = g.node("merged", "einsum", y, g.normal("W", 4, 2, 3, scale=1), equation="bhtd,hdc->btc")
    y = g.node("one", "slice", y, index=0)
    y = g.node("more", "addmm", g.near("b", 2), y, g.normal("V", 3, 2, scale=1), alpha=0.5, beta=3)
    g.node("E", "mean_squared_error", y, g.input("t", g.rng.standard_normal((3, 2))))
    return g.network("grouped")


def activations() -> Network:
    """Return every smooth activation and every norm of vectors, one after another."""
    g = builder(13)
    x = dense(g, "a", g.input("x", g.rng.standard_normal((4, 3))), (3, 5))
    x = g.node("a.gelu", "gelu", norm(g, "a.norm", "rms_norm", x, 5, eps=0.01))
    x = dense(g, "b", x, (5, 4))
    x = g.node("b.gelu", "gelu", norm(g, "b.norm", "layer_norm", x, 4), approximate="tanh")
    x = dense(g, "c", x, (4, 4), bias=False)
    x = g.node("c.elu", "elu", norm(g, "c.norm", "batch_norm", x, 4), alpha=0.75)
    x = g.node("d.softplus", "softplus", dense(g, "d", x, (4, 3)), beta=1.5)
    x = dense(g, "e", g.node("d.log", "log_softmax", x), (3, 4))
    options = {"ignore_index": 3, "label_smoothing": 0.25, "weight": (1.0, 0.5, 2.0, 1.5)}
    g.node("E", "cross_entropy", x, target=[2, 1, 3, 0], **options)
    return g.network("activations")


def arithmetic() -> Network:
    """Return sums and products that broadcast either operand, a mask that leaks, and a slice."""
    g = builder(14)
    x = g.input("x", g.rng.standard_normal((2, 3, 4)))
    x = g.node("sum", "add", x, g.near("row", 4))
    x = g.node("more", "add", g.near("column", 3, 1), x)
    x = g.node("product", "multiply", x, g.near("gains", 4, mean=1.0))
    x = g.node("heads", "multiply", g.near("head", 2, 1, 1, mean=1.0), x)
    p = g.node("p", "softmax", g.node("hidden", "causal_mask", x, fill=-1.5))
    x = g.node("mixed", "matmul", p, g.normal("M", 2, 4, 4, scale=0.5))
    x = g.node("square", "multiply", x, x)
    x = g.node("third", "scale", x, factor=0.3)
    x = g.node("part", "slice", x, index=(slice(None), slice(0, 2), slice(1, 4, 2)))
    weights = {"pos_weight": 3.5, "weight": (0.5, 2.0)}
    g.node("E", "bce_with_logits", x, g.input("t", g.rng.random((2, 2, 2))), **weights)
    return g.network("arithmetic")


def moves() -> Network:
    """Return what moves entries: taken twice, added up, written over, filled, stacked, padded."""
    g = builder(16)
    taken = np.array([[3, 0, 3], [1, 3, 0]])
    table = g.node("table", "embedding", g.near("rows", 4, 3), index=taken, padding_index=0)
    table = g.node("again", "embedding", g.near("more", 4, 3), index=taken)
    x = g.node("stacked", "stack", "table", table, axis=1)
    x = g.node("wide", "expand", x, shape=(2, 2, 2, 3, 3))
    x = g.node("taken", "slice", x, index=(1, ..., np.array([2, 0, 2, 1])))
    x = g.node("added", "add_at", x, g.near("source", 3, 3), index=(..., taken[1] // 2, slice(3)))
    x = g.node("written", "put", x, g.near("values", 2), index=(slice(None), 1, slice(None), 0))
    x = g.node("filled", "masked_fill", x, mask=np.arange(3) == 2, value=-0.5)
    x = g.node("around", "pad", x, width=((0, 0), (1, 0), (0, 1), (0, 0)), value=0.75)
    g.node("E", "mean_squared_error", x, g.input("t", g.rng.standard_normal((4, 3, 3, 3))))
    return g.network("moves")


def elementary() -> Network:
    """Return elementary functions and functions that choose, each at points where it is steep."""
    g = builder(16)
    x = g.input("x", g.rng.standard_normal((2, 3, 4)))
    x = g.node("less", "subtract", x, g.near("row", 4))
    x = g.node("under", "subtract", g.near("column", 3, 1), x)
    x = g.node("share", "divide", x, g.near("lengths", 4, mean=1.5))
    x = g.node("angle", "clamp", g.node("turned", "negative", x), low=-0.75, high=0.875)
    far = g.node(
        "far", "divide", g.input("ends", 0.5 + g.rng.random((3, 1))), g.node("cos", "cos", x)
    )
    x = g.node("both", "subtract", far, g.node("sin", "sin", x))
    x = g.node("larger", "maximum", x, g.near("floor", 3, 1))
    x = g.node("smaller", "minimum", g.near("ceiling", 2, 3, 4, mean=1.5), x)
    condition = np.array([[True, False, True, True], [False, True, True, False], [True] * 4])
    x = g.node("one", "where", x, g.normal("others", 4, scale=1.0), condition=condition)
    x = g.node("growth", "expm1", g.node("erf", "erf", x))
    x = g.node("level", "log1p", g.node("size", "abs", x))
    x = g.node("back", "reciprocal", g.node("e", "exp", x))
    x = g.node("cube", "power", g.node("root", "sqrt", x), exponent=3)
    x = g.node("log", "log", g.node("rsqrt", "rsqrt", x))
    g.node("E", "mean_squared_error", x, g.input("t", g.rng.standard_normal((2, 3, 4))))
    return g.network("elementary")


def special() -> Network:
    """Return special functions, each at points where it is steep."""
    g = builder(21)
    up = g.node("psi", "digamma", g.near("x", 2, 3, 4, mean=1.0))
    across = g.node("log", "lgamma", g.near("column", 3, 1, mean=1.5))
    x = g.node("angle", "atan2", up, across)
    x = g.node("quantile", "erf_inv", g.node("share", "sin", x))
    g.node("E", "mean_squared_error", x, g.input("t", g.rng.standard_normal((2, 3, 4))))
    return g.network("special")


def equations() -> Network:
    """Return equations with a general matrix, with triangles, and Cholesky's factor."""
    g = builder(22)
    x = g.node("x", "solve", g.near("A", 3, 3, mean=0.0), g.near("b", 3, 2, mean=0.5))
    g.parameters["A"] += np.roll(np.eye(3), 1, axis=0)
    a = g.rng.standard_normal((3, 3)) / 4
    definite = g.parameter("C", 2 * np.eye(3) + a + a.T)
    L = g.node("L", "cholesky", definite)
    x = g.node("low", "add", x, g.node("part", "slice", L, index=(..., slice(2))))
    x = g.node("up", "triangular_solve", g.parameter("T", 2 * np.eye(3) - a), x, lower=False)
    x = g.node("back", "triangular_solve", g.parameter("V", np.eye(3) + a), x, transpose=True)
    g.node("E", "mean_squared_error", x, g.input("t", g.rng.standard_normal((3, 2))))
    return g.network("equations")


def reductions() -> Network:
    """Return reductions over one axis and over several, and activations in pieces."""
    g = builder(17)
    x = g.input("x", 2 * g.rng.standard_normal((2, 3, 4)))
    x = g.node("groups", "group_norm", x, g.near("b.gain", 3, mean=1.0), g.near("b", 3), groups=3)
    gathered = {"mean": (0.25, -0.5, 0.0), "variance": (1.0, 0.5, 2.0)}
    x = g.node(
        *("gathered", "batch_norm_inference", x, g.near("c.gain", 3, mean=1.5), g.near("c", 3)),
        **gathered,
    )
    h = g.node("hard", "hardswish", g.node("sums", "cumsum", x, axis=1))
    h = g.node("wide", "concatenate", h, g.node("gate", "hardsigmoid", x), axis=2)
    h = g.node("half", "glu", g.node("slopes", "prelu", h, g.near("a", 3, mean=0.25)), axis=2)
    h = g.node("unit", "normalize", g.node("smooth", "mish", h), axis=2, eps=1.0)
    p = g.node("p", "softmax", g.node("sign", "softsign", x), axis=1)
    h = g.node("more", "add", h, g.node("logs", "log_sigmoid", p))
    m = g.node("mean", "mean", h, axis=(0, 2), keepdims=True)
    v = g.node("variance", "variance", h, axis=2, keepdims=True)
    m = g.node("mv", "multiply", m, v)
    n = g.node("norm", "norm", g.node("max", "max", h, axis=1, keepdims=True), axis=(1, 2))
    e = g.node("lse", "logsumexp", g.node("scaled", "multiply", h, m), axis=(1, 2))
    s = g.node("sum", "sum", g.node("product", "multiply", e, n), axis=0, keepdims=True)
    g.node("E", "scale", g.node("total", "sum", s), factor=0.75)
    return g.network("reductions")


def losses() -> Network:
    """Return several losses of one array, and their norm."""
    g = builder(19)
    x = dense(g, "a", g.input("x", g.rng.standard_normal((3, 2))), (2, 4))
    logp = g.node("logp", "log_softmax", x)
    t = g.input("t", g.rng.random((3, 4)))
    options = {"target": np.array([2, 0, 1]), "weight": (1.0, 0.5, 2.0, 1.5), "ignore_index": 1}
    logs = g.input("logs", g.rng.standard_normal((3, 4)))
    several = (
        g.node("likelihood", "nll_loss", logp, **options),
        g.node("distance", "l1_loss", x, t),
        g.node("divergence", "kl_div", logp, t),
        g.node("other", "kl_div", logp, logs, log_target=True),
    )
    several += (g.node("least", "min", x),)
    rows = [g.node(f"{name} row", "reshape", name, shape=(1, 1)) for name in several]
    g.node("E", "norm", g.node("all", "concatenate", *rows, axis=1))
    return g.network("losses")


def detector() -> Network:
    """Return boxes as a detector decodes them: a corner in its cell, and sides that are squared.

    Its weights are normalized.
    """
    g = builder(15)
    x, v = g.input("x", g.rng.standard_normal((4, 3))), g.normal("v", 3, 4, scale=1.5)
    W = g.node("W", "weight_norm", v, g.near("gains", 1, 4, mean=0.75), dim=1)
    cells = g.node("cells", "dense", x, W, g.near("cells.b", 4))
    g.node("assigned", "embedding", cells, index=np.array([1, 3, 0, 3]))
    for name, start in (("xy", 0), ("wh", 2)):
        columns = (slice(None), slice(start, start + 2))
        g.node(f"{name}.columns", "slice", "assigned", index=columns)
        g.node(name, "sigmoid", f"{name}.columns")
    low = g.node("low", "add", "xy", g.input("cell", g.rng.random((4, 2)) / 2))
    high = g.node("high", "add", low, g.node("size", "multiply", "wh", "wh"))
    boxes = g.node("boxes", "concatenate", low, high, axis=1)
    corner, size = g.rng.random((4, 2)), 0.25 + g.rng.random((4, 2)) / 2
    target = g.input("target", np.concatenate([corner, corner + size], axis=1))
    g.node("iou", "complete_iou", boxes, target)
    g.node("E", "scale", g.node("total", "sum", "iou"), factor=0.75)
    return g.network("detector")


def transformer(attention: str) -> Network:
    """Return GPT-2 with one block, its weights large enough for attention to be uneven."""
    small = gpt(1, 2, 4, context=3, vocabulary=5, attention=attention, seed=3)
    grown = {
        name: a if name.endswith(("gain", "bias")) else 32 * a
        for name, a in small.parameters.items()
    }
    return replace(small, parameters=grown)
