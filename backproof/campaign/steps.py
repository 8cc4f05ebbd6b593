"""Steps: how each op joins a random graph, on operands that it is defined for.

A step draws operands of fitting shapes, then the op's options from the tables of their values. An
op without a step of its own joins as in its op cases, on arrays of the same shapes. The simplest
choice always comes first: graphs are reduced towards it.
"""

from collections.abc import Callable
from functools import partial
from itertools import combinations, permutations
from math import inf, prod
from typing import Any

import numpy as np

from backproof.campaign.graph_builder import GraphBuilder, Unfit
from backproof.campaign.leaves import Shape, is_box
from backproof.reference.ops import OPS, Array
from backproof.scenarios.op_options import OP_OPTIONS

Step = Callable[[GraphBuilder], Any]

SHORTEST = 2.0**-6
"""The smallest length of a weight: in float16 too, its square is a normal number."""


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


def unary(g: GraphBuilder) -> Any:
    """Add an op of one operand of any shape."""
    return g.node(g.op, g.operand(ANY, sequence), **g.options())


def reduction(g: GraphBuilder) -> Any:
    """Add a reduction of all axes, of one, or of some of them."""
    x = g.operand(ANY, sequence)
    every = range(len(g.shape(x)))
    options = g.options(axis=lambda n, _: -len(every) <= n < len(every))
    some = [{"axis": axes} for n in every for axes in combinations(every, n + 1)]
    axis = {} if "axis" in options else g.one([{}, *some])
    return g.node(g.op, x, **axis, **options)


def clamp(g: GraphBuilder) -> Any:
    """Clamp an array of any shape: the bounds are apart."""
    options = g.options(high=lambda n, before: n > before.get("low", -inf))
    return g.node(g.op, g.operand(ANY, sequence), **options)


def binary(g: GraphBuilder) -> Any:
    """Add an op of two operands that broadcast."""
    a = g.operand(ANY, sequence)
    shape = g.shape(a)
    less = [shape, shape[1:], tuple(1 if i else n for i, n in enumerate(shape))]
    less += [tuple(n if i else 1 for i, n in enumerate(shape)), ()]
    b = g.operand(lambda x: _broadcasts(x.shape, shape), lambda g: g.one(less))
    return g.node(g.op, *g.one([(a, b), (b, a)]), **g.options())


def _broadcasts(one: Shape, other: Shape) -> bool:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return all(n == m or 1 in {n, m} for n, m in pairs)


def distance(g: GraphBuilder, kind: str = "x") -> Any:
    """Add a loss of outputs and targets. kind: of the targets."""
    y = g.operand(has(2), rows)
    return g.node(g.op, y, g.like(y, kind), **g.options())


def of_probabilities(g: GraphBuilder) -> Any:
    """Add a loss of outputs and target probabilities."""
    return distance(g, "p")


def of_distributions(g: GraphBuilder) -> Any:
    """Add a loss of outputs and target distributions."""
    return distance(g, "distribution")


def dense(g: GraphBuilder) -> Any:
    """Add a dense layer with a bias for each output, with one bias, or with none."""
    x = g.operand(has(2, 3), sequence)
    n = g.shape(x)[-1]
    W = g.operand(lambda a: a.ndim == 2 and a.shape[0] == n, lambda g: (n, g.side()))
    bias = g.one([None, (g.shape(W)[1],), ()])
    return g.node(g.op, x, W, *([] if bias is None else [g.weight(*bias)]), **g.options())


def conv(g: GraphBuilder) -> Any:
    """Add a convolution with or without bias; its kernel may be as large as the padded image."""
    options = g.options()
    groups, grown = options.get("groups", 1), 2 * options.get("padding", 0)
    x = g.operand(
        lambda a: a.ndim == 4 and not a.shape[1] % groups,
        lambda g: (g.side(2), groups * g.side(2 if groups > 1 else 4), g.side(), g.side()),
    )
    C, *sides = g.shape(x)[1:]
    most = [min(3, (n + grown - 1) // options.get("dilation", 1) + 1) for n in sides]
    O = groups * g.side(2)  # noqa: E741 as in the op
    W = g.weight(O, C // groups, *map(g.side, most))
    return g.node(g.op, x, W, *([g.weight(O)] if g.whole(1) else []), **options)


def pool(g: GraphBuilder) -> Any:
    """Add a pooling whose windows fit the padded image; at most half of a window is padding."""
    options = g.options(padding=lambda n, before: 2 * n <= before["kernel_size"])
    span = options.get("dilation", 1) * (options["kernel_size"] - 1) + 1
    least = max(span - 2 * options.get("padding", 0), 1)
    x = g.operand(
        lambda a: a.ndim == 4 and min(a.shape[2:]) >= least,
        lambda g: (g.side(2), g.side(4), g.side(least=least), g.side(least=least)),
    )
    return g.node(g.op, x, **options)


def of_images(g: GraphBuilder) -> Any:
    """Add an op of images."""
    return g.node(g.op, g.operand(has(4), image), **g.options())


def norm(g: GraphBuilder, parameters: int = 2) -> Any:
    """Add a norm over the last axis. parameters: gain and shift, or the gain alone."""
    x = g.operand(has(2, 3), sequence)
    channels = g.shape(x)[-1]
    return g.node(g.op, x, *(g.weight(channels) for _ in range(parameters)), **g.options())


def batch_norm(g: GraphBuilder) -> Any:
    """Add a batch norm whose channels have two entries or more."""
    x = g.operand(has(2, 4), image)
    channels = g.shape(x)[1]
    if g.values[x].size == channels:
        raise Unfit
    return g.node(g.op, x, g.weight(channels), g.weight(channels), **g.options())


def weight_norm(g: GraphBuilder) -> Any:
    """Normalize numbers along an axis; every length is large enough for its square."""
    v = g.operand(has(2, 3, 4), sequence)
    shape = g.shape(v)
    options = g.options(dim=lambda n, _: n < len(shape))
    dim = options.get("dim", 0)
    others = tuple(axis for axis in range(len(shape)) if axis != dim)
    if np.min(np.max(np.abs(g.values[v]), axis=others)) < SHORTEST:
        raise Unfit
    gains = tuple(n if axis == dim else 1 for axis, n in enumerate(shape))
    return g.node(g.op, v, g.weight(*gains), **options)


def embedding(g: GraphBuilder) -> Any:
    """Look rows up, some of them twice."""
    W = g.operand(has(2), rows)
    index = [g.whole(g.shape(W)[0] - 1) for _ in range(g.side())]
    shape = g.one([(-1,), *([(2, -1)] if len(index) % 2 == 0 else [])])
    options = g.options(padding_index=lambda n, _: n < g.shape(W)[0])
    return g.node(g.op, W, index=np.reshape(index, shape), **options)


def causal_mask(g: GraphBuilder) -> Any:
    """Mask square matrices."""
    x = g.operand(lambda a: a.ndim >= 2 and a.shape[-1] == a.shape[-2], square)
    return g.node(g.op, x, **g.options())


def attention(g: GraphBuilder) -> Any:
    """Add an attention of queries, keys and values of one shape."""
    q = g.operand(has(4), image)
    return g.node(g.op, q, g.like(q), g.like(q), **g.options())


def matmul(g: GraphBuilder) -> Any:
    """Multiply matrices; the axes before the last two broadcast."""
    a = g.operand(has(2, 3, 4), sequence)
    *batch, _, n = g.shape(a)
    axes = [tuple(batch), (), tuple(1 for _ in batch)]
    b = g.operand(
        lambda x: x.ndim >= 2 and x.shape[-2] == n and _broadcasts(x.shape[:-2], tuple(batch)),
        lambda g: (*g.one(axes), n, g.side()),
    )
    return g.node(g.op, a, b, **g.options())


def scale(g: GraphBuilder) -> Any:
    """Scale an array or a number."""
    return g.node(g.op, g.operand(has(0, 1, 2, 3, 4), sequence), **g.options())


def concatenate(g: GraphBuilder) -> Any:
    """Concatenate two or three arrays of one shape."""
    x = g.operand(ANY, sequence)
    axes = len(g.shape(x))
    parts = [x, *(g.like(x) for _ in range(g.side(2)))]
    return g.node(g.op, *parts, **g.options(axis=lambda n, _: n < axes))


def reshape(g: GraphBuilder) -> Any:
    """Reshape an array to one to four axes."""
    x = g.operand(ANY, sequence)
    size = g.values[x].size
    shapes = [s for n in (1, 2, 3, 4) for s in factorizations(size, n)]
    return g.node(g.op, x, shape=g.one(shapes), **g.options())


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


def transpose(g: GraphBuilder) -> Any:
    """Exchange the axes of an array, counted from the first or from the last."""
    x = g.operand(has(2, 3, 4), sequence)
    n = len(g.shape(x))
    axes = g.one(list(permutations(range(n)))[::-1])
    return g.node(g.op, x, axes=g.one([axes, tuple(axis - n for axis in axes)]), **g.options())


def slice_(g: GraphBuilder) -> Any:
    """Take some entries of every axis, all or every second of them."""
    x = g.operand(ANY, sequence)
    index = []
    for n in g.shape(x):
        start = g.whole(n - 1)
        index.append(slice(start, start + g.side(n - start), g.side(2)))
    return g.node(g.op, x, index=tuple(index), **g.options())


def pad(g: GraphBuilder) -> Any:
    """Pad every axis on both sides, by two at most."""
    x = g.operand(ANY, sequence)
    width = tuple((g.whole(2), g.whole(2)) for _ in g.shape(x))
    return g.node(g.op, x, width=width, **g.options())


def cross_entropy(g: GraphBuilder) -> Any:
    """Add a cross entropy of classes, of which not every row is left out."""
    options = g.options()
    least, axis = 1 + options.get("ignore_index", 0), options.get("axis", -1)
    y = g.operand(
        lambda a: a.ndim in {2, 3} and a.shape[axis] >= least,
        lambda g: inserted(sequence(g)[:-1], axis, g.side(least=least)),
    )
    batch = [*g.shape(y)]
    O = batch.pop(axis)  # noqa: E741 as in the op
    target = [g.whole(O - 1) for _ in range(prod(batch))]
    if set(target) == {options.get("ignore_index")}:  # a mean over no row
        raise Unfit
    return g.node(g.op, y, target=np.reshape(target, batch), **options)


def inserted(shape: Shape, axis: int, side: int) -> Shape:
    """Return a shape with one more axis, of a side."""
    at = axis % (len(shape) + 1)
    return (*shape[:at], side, *shape[at:])


def complete_iou(g: GraphBuilder) -> Any:
    """Compare boxes: leaves, or decoded as in a detector, from a corner and sigmoids of sides."""
    p = g.operand(lambda a: a.ndim == 2 and a.shape[1] == 4, lambda g: (g.side(), 4), "box")
    if not is_box(g.values[p]):
        low = g.node("slice", p, index=(slice(None), slice(0, 2)))
        size = g.node("sigmoid", g.node("slice", p, index=(slice(None), slice(2, 4))))
        p = g.node("concatenate", low, g.node("add", low, size), axis=1)
        if not is_box(g.values[p]):
            raise Unfit
    return g.node(g.op, p, g.like(p, "box"), **g.options())


def as_in_op_cases(g: GraphBuilder, *, tuples: bool = False) -> Any:
    """Add an op as one of its op cases has it: operands of the same shapes, the same options.

    tuples: only as one of those whose options are tuples or arrays.
    """
    cases = {
        name: one
        for name, one in OP_OPTIONS.items()
        if one.op == g.op and not (tuples and all(map(is_single, one.options.values())))
    }
    one = cases[g.one([*cases], [(g.op, name) for name in cases])]
    kinds = (KIND.get(kind, kind) for kind in one.kinds)
    inputs = [g.shaped(shape, kind) for shape, kind in zip(one.shapes, kinds, strict=True)]
    return g.node(g.op, *inputs, **one.options)


def is_single(value: Any) -> bool:
    """Return whether an option's value is one number or name, which an op's own step draws."""
    return isinstance(value, bool | int | float | str)


KIND = {"w": "x", "target": "box"}
"""Kind of an op case's input -> kind of a leaf, where they have other names."""

STEPS: dict[str, Step] = {
    "scale": scale,
    "add": binary,
    "multiply": binary,
    **dict.fromkeys(("subtract", "maximum", "minimum"), binary),
    **dict.fromkeys(("sum", "mean", "max", "logsumexp"), reduction),
    "reshape": reshape,
    "transpose": transpose,
    "slice": slice_,
    "pad": pad,
    "concatenate": concatenate,
    "embedding": embedding,
    "matmul": matmul,
    "dense": dense,
    "relu": unary,
    "leaky_relu": unary,
    "sigmoid": unary,
    "tanh": unary,
    "elu": unary,
    "silu": unary,
    "softplus": unary,
    "gelu": unary,
    **dict.fromkeys(("negative", "abs", "sin", "cos", "erf", "exp", "expm1", "softsign"), unary),
    **dict.fromkeys(("mish", "log_sigmoid", "hardsigmoid", "hardswish"), unary),
    "clamp": clamp,
    "softmax": unary,
    "log_softmax": unary,
    "causal_mask": causal_mask,
    "attention": attention,
    "conv": conv,
    "max_pool": pool,
    "average_pool": pool,
    "upsample": of_images,
    "layer_norm": norm,
    "rms_norm": lambda g: norm(g, 1),
    "batch_norm": batch_norm,
    "weight_norm": weight_norm,
    "half_squared_error": distance,
    "mean_squared_error": distance,
    "huber": distance,
    "softmax_cross_entropy": of_distributions,
    "cross_entropy": cross_entropy,
    "bce_with_logits": of_probabilities,
    "complete_iou": complete_iou,
}
"""Op -> its step, the simplest first."""


WITH_TUPLES = (
    *("conv", "max_pool", "attention", "slice"),
    *("softmax_cross_entropy", "cross_entropy", "bce_with_logits"),
)
"""Ops with a step that draws numbers and slices, whose op cases also have tuples and arrays."""


def either(own: Step) -> Step:
    """Return the step that an op joins by its own step as often as with tuples as options."""

    def step(g: GraphBuilder) -> Any:
        keys = [(g.op, "own step"), (g.op, "op cases")]
        return g.one([own, partial(as_in_op_cases, tuples=True)], keys)(g)

    return step


def steps() -> dict[str, Step]:
    """Return every op -> its step."""
    both = {op: either(STEPS[op]) for op in WITH_TUPLES}
    return {**STEPS, **both, **{op: as_in_op_cases for op in OPS if op not in STEPS}}
