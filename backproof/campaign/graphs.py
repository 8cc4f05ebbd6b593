"""Random networks over all ops: a hypothesis strategy that grows a graph node by node.

Each step draws an op, and operands from all earlier values (so residuals and fan-out arise) or
from new and old leaves (so weights are shared). Every number is known while the graph grows, so an
op is applied only where it is defined. Nodes that nothing consumes go into the loss.

The simplest choice comes first, since hypothesis shrinks towards it: fewer nodes, options left
out, equal numbers before random ones.
"""

from collections.abc import Callable, Sequence
from itertools import permutations
from math import prod
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from backproof.campaign.graph_builder import GraphBuilder, Shape, Unfit, is_box
from backproof.reference.backprop import backprop
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array

NODES = 12
"""The largest number of steps."""

SHORTEST = 2.0**-6
"""The smallest length of a weight: in float16 too, its square is a normal number."""

LIMIT = {"float16": 64.0}
"""The largest value or cotangent, so that no op's square overflows; by default `WIDE`."""
WIDE = 1e4


def image(g: GraphBuilder) -> Shape:
    """Draw the shape of images (N, C, H, W)."""
    return g.side(2), g.side(4), g.side(), g.side()


def rows(g: GraphBuilder) -> Shape:
    """Draw the shape of vectors (N, C)."""
    return g.side(), g.side()


def sequence(g: GraphBuilder) -> Shape:
    """Draw the shape of vectors or of sequences of them, (N, C) or (B, T, C)."""
    return g.one([(), (2,)]) + rows(g)


def square(g: GraphBuilder) -> Shape:
    """Draw the shape of square matrices (B, T, T)."""
    n = g.side()
    return g.side(2), n, n


def has(*axes: int) -> Callable[[Array], bool]:
    """Return a function that tests how many axes an array has."""
    return lambda a: a.ndim in axes


ANY = has(1, 2, 3, 4)


def _unary(op: str, **choices: Sequence[Any]) -> Callable[[GraphBuilder], Any]:
    """Return the step of an op of one operand of any shape."""
    return lambda g: g.node(op, g.operand(ANY, sequence), **g.options(**choices))


def _binary(op: str) -> Callable[[GraphBuilder], Any]:
    """Return the step of an op of two operands that broadcast."""

    def step(g: GraphBuilder) -> Any:
        a = g.operand(ANY, sequence)
        shape = g.shape(a)
        less = [shape, shape[1:], tuple(1 if i else n for i, n in enumerate(shape))]
        less += [tuple(n if i else 1 for i, n in enumerate(shape)), ()]
        b = g.operand(lambda x: _broadcasts(x.shape, shape), lambda g: g.one(less))
        return g.node(op, *g.one([(a, b), (b, a)]))

    return step


def _broadcasts(one: Shape, other: Shape) -> bool:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return all(n == m or 1 in {n, m} for n, m in pairs)


def _distance(op: str, kind: str = "x", **choices: Sequence[Any]) -> Callable[[GraphBuilder], Any]:
    """Return the step of a loss of outputs and targets."""

    def step(g: GraphBuilder) -> Any:
        y = g.operand(has(2), rows)
        return g.node(op, y, g.like(y, kind), **g.options(**choices))

    return step


def _dense(g: GraphBuilder) -> Any:
    x = g.operand(has(2, 3), sequence)
    n = g.shape(x)[-1]
    W = g.operand(lambda a: a.ndim == 2 and a.shape[0] == n, lambda g: (n, g.side()))
    bias = g.one([None, (g.shape(W)[1],), ()])
    return g.node("dense", x, W, *([] if bias is None else [g.weight(*bias)]))


def _conv2d(g: GraphBuilder) -> Any:
    x = g.operand(has(4), image)
    _, C, H, W = g.shape(x)
    options = g.options(
        stride=[2, 3],
        padding=[1, 2],
        dilation=[2],
        groups=[n for n in range(1, C + 1) if not C % n],
    )
    groups, grown = options.get("groups", 1), 2 * options.get("padding", 0)
    most = [min(3, (n + grown - 1) // options.get("dilation", 1) + 1) for n in (H, W)]
    O = groups * g.side(2)  # noqa: E741 as in the op
    kernel = (O, C // groups, *(g.side(n) for n in most))
    leaves = [g.weight(*kernel), *([g.weight(O)] if g.draw(st.booleans()) else [])]
    return g.node("conv2d", x, *leaves, **options)


def _pool(op: str, **choices: Sequence[Any]) -> Callable[[GraphBuilder], Any]:
    """Return the step of a pooling; at most half of a window is padding."""

    def step(g: GraphBuilder) -> Any:
        x = g.operand(has(4), image)
        padding = g.options(padding=[1])
        largest = min(3, min(g.shape(x)[2:]) + 2 * padding.get("padding", 0))
        size = g.one(range(2 if padding else 1, largest + 1))
        options = {"kernel_size": size, "stride": g.side(3), **padding, **g.options(**choices)}
        return g.node(op, x, **options)

    return step


def _upsample(g: GraphBuilder) -> Any:
    return g.node("upsample", g.operand(has(4), image), scale_factor=g.one([2, 3]))


def _norm(op: str) -> Callable[[GraphBuilder], Any]:
    """Return the step of a norm; batch norm's channels have two entries or more."""

    def step(g: GraphBuilder) -> Any:
        axis = 1 if op == "batch_norm" else -1
        x = g.operand(has(2, 4) if axis == 1 else has(2, 3), image if axis == 1 else sequence)
        channels = g.shape(x)[axis]
        if axis == 1 and g.values[x].size == channels:
            raise Unfit
        leaves = [g.weight(channels) for _ in range(1 if op == "rms_norm" else 2)]
        return g.node(op, x, *leaves, **g.options(eps=[0.1, 1e-3]))

    return step


def _weight_norm(g: GraphBuilder) -> Any:
    """Normalize numbers along an axis; every length is large enough for its square."""
    v = g.operand(has(2, 3, 4), sequence)
    shape = g.shape(v)
    options = g.options(dim=range(1, len(shape)))
    dim = options.get("dim", 0)
    others = tuple(axis for axis in range(len(shape)) if axis != dim)
    if np.min(np.max(np.abs(g.values[v]), axis=others)) < SHORTEST:
        raise Unfit
    gains = tuple(n if axis == dim else 1 for axis, n in enumerate(shape))
    return g.node("weight_norm", v, g.weight(*gains), **options)


def _embedding(g: GraphBuilder) -> Any:
    W = g.operand(has(2), rows)
    index = g.draw(st.lists(st.integers(0, g.shape(W)[0] - 1), min_size=1, max_size=6))
    shape = g.one([(-1,), *([(2, -1)] if len(index) % 2 == 0 else [])])
    return g.node("embedding", W, index=np.reshape(index, shape))


def _causal_mask(g: GraphBuilder) -> Any:
    x = g.operand(lambda a: a.ndim >= 2 and a.shape[-1] == a.shape[-2], square)
    return g.node("causal_mask", x, **g.options(fill=[-64.0, 0.0]))


def _attention(g: GraphBuilder) -> Any:
    q = g.operand(has(4), image)
    return g.node("attention", q, g.like(q), g.like(q))


def _matmul(g: GraphBuilder) -> Any:
    a = g.operand(has(2, 3, 4), sequence)
    *batch, _, n = g.shape(a)
    axes = [tuple(batch), (), tuple(1 for _ in batch)]  # those before the last two broadcast
    b = g.operand(
        lambda x: x.ndim >= 2 and x.shape[-2] == n and _broadcasts(x.shape[:-2], tuple(batch)),
        lambda g: (*g.one(axes), n, g.side()),
    )
    return g.node("matmul", a, b)


def _scale(g: GraphBuilder) -> Any:
    x = g.operand(has(0, 1, 2, 3, 4), sequence)
    return g.node("scale", x, factor=g.one([2.0, 0.3, -1.0, 0.0, 1e-3]))


def _concatenate(g: GraphBuilder) -> Any:
    x = g.operand(ANY, sequence)
    axis = g.one([*range(len(g.shape(x))), -1])
    parts = [x, *(g.like(x) for _ in range(g.side(2)))]
    return g.node("concatenate", *parts, axis=axis)


def _reshape(g: GraphBuilder) -> Any:
    x = g.operand(ANY, sequence)
    size = g.values[x].size
    shapes = [s for n in (1, 2, 3, 4) for s in factorizations(size, n)]
    return g.node("reshape", x, shape=g.one(shapes))


def factorizations(size: int, n: int) -> list[Shape]:
    """Return all shapes with n axes and `size` entries."""
    if n == 1:
        return [(size,)]
    return [
        (m, *rest)
        for m in range(1, size + 1)
        if size % m == 0
        for rest in factorizations(size // m, n - 1)
    ]


def _transpose(g: GraphBuilder) -> Any:
    x = g.operand(has(2, 3, 4), sequence)
    n = len(g.shape(x))
    axes = g.one(list(permutations(range(n)))[::-1])
    return g.node("transpose", x, axes=g.one([axes, tuple(axis - n for axis in axes)]))


def _slice(g: GraphBuilder) -> Any:
    x = g.operand(ANY, sequence)
    index = []
    for n in g.shape(x):
        start = g.draw(st.integers(0, n - 1))
        index.append(slice(start, start + g.side(n - start), g.side(2)))
    return g.node("slice", x, index=tuple(index))


def _pad(g: GraphBuilder) -> Any:
    x = g.operand(ANY, sequence)
    side = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return g.node("pad", x, width=tuple(g.draw(side) for _ in g.shape(x)))


def _cross_entropy(g: GraphBuilder) -> Any:
    y = g.operand(has(2, 3), sequence)
    *batch, O = g.shape(y)  # noqa: E741 as in the op
    n = prod(batch)
    target = g.draw(st.lists(st.integers(0, O - 1), min_size=n, max_size=n))
    options = g.options(label_smoothing=[0.1], ignore_index=range(O))
    if set(target) == {options.get("ignore_index")}:  # a mean over no row
        raise Unfit
    return g.node("cross_entropy", y, target=np.reshape(target, batch), **options)


def _complete_iou(g: GraphBuilder) -> Any:
    """Compare boxes: leaves, or decoded as in a detector, from a corner and sigmoids of sides."""
    p = g.operand(lambda a: a.ndim == 2 and a.shape[1] == 4, lambda g: (g.side(), 4), "box")
    if not is_box(g.values[p]):
        low = g.node("slice", p, index=(slice(None), slice(0, 2)))
        size = g.node("sigmoid", g.node("slice", p, index=(slice(None), slice(2, 4))))
        p = g.node("concatenate", low, g.node("add", low, size), axis=1)
        if not is_box(g.values[p]):
            raise Unfit
    return g.node("complete_iou", p, g.like(p, "box"), **g.options(eps=[0.5]))


STEPS: dict[str, Callable[[GraphBuilder], Any]] = {
    "scale": _scale,
    "add": _binary("add"),
    "multiply": _binary("multiply"),
    "sum": _unary("sum"),
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "concatenate": _concatenate,
    "embedding": _embedding,
    "matmul": _matmul,
    "dense": _dense,
    "relu": _unary("relu"),
    "leaky_relu": _unary("leaky_relu", negative_slope=[0.3]),
    "sigmoid": _unary("sigmoid"),
    "tanh": _unary("tanh"),
    "elu": _unary("elu", alpha=[0.7]),
    "silu": _unary("silu"),
    "softplus": _unary("softplus", beta=[0.6, 3.0, -0.6], threshold=[10.0, 20.0, 1.0]),
    "gelu": _unary("gelu", approximate=["tanh"]),
    "softmax": _unary("softmax"),
    "log_softmax": _unary("log_softmax"),
    "causal_mask": _causal_mask,
    "attention": _attention,
    "conv2d": _conv2d,
    "max_pool": _pool("max_pool"),
    "average_pool": _pool("average_pool", count_include_pad=[False]),
    "upsample": _upsample,
    "layer_norm": _norm("layer_norm"),
    "rms_norm": _norm("rms_norm"),
    "batch_norm": _norm("batch_norm"),
    "weight_norm": _weight_norm,
    "half_squared_error": _distance("half_squared_error"),
    "mean_squared_error": _distance("mean_squared_error"),
    "huber": _distance("huber", delta=[0.3]),
    "softmax_cross_entropy": _distance(
        "softmax_cross_entropy", "distribution", label_smoothing=[0.1]
    ),
    "cross_entropy": _cross_entropy,
    "bce_with_logits": _distance("bce_with_logits", "p", pos_weight=[3.7]),
    "complete_iou": _complete_iou,
}
"""Op -> the step that adds it, the simplest first."""


@st.composite
def graphs(
    draw: st.DrawFn,
    ops: Sequence[str] = tuple(STEPS),
    precisions: Sequence[str] = tuple(PRECISIONS),
) -> tuple[Network, str]:
    """Draw a network over some ops, and the precision to run it in."""
    precision = draw(st.sampled_from(precisions))
    g = GraphBuilder(draw, LIMIT.get(precision, WIDE))
    for _ in range(NODES):
        if g.nodes and not draw(st.integers(0, 7)):
            break
        draw(step(g, ops))
    assume(g.nodes)
    try:
        g.finish()
    except Unfit:
        assume(False)  # noqa: FBT003 hypothesis's signature
    network = Network("random", g.leaves, {}, tuple(g.nodes), frozenset())
    with np.errstate(all="ignore"):
        trace = backprop(network, g.leaves)
    assume(all(np.all(np.abs(d) <= g.limit) for d in trace.cotangents.values()))
    assume(all(np.all(np.abs(d) <= g.limit) for d in trace.gradients.values()))
    return network, precision


@st.composite
def step(draw: st.DrawFn, g: GraphBuilder, ops: Sequence[str]) -> None:
    """Add one op with its operands and options; if it does not fit, change nothing."""
    leaves, nodes, values = dict(g.leaves), list(g.nodes), dict(g.values)
    try:
        STEPS[draw(st.sampled_from(ops))](g)
    except Unfit:
        g.leaves, g.nodes, g.values = leaves, nodes, values
