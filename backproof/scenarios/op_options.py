"""Every op with every option: the table of op cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from backproof.reference.ops import Array
from backproof.reference.ops.indexing import moved
from backproof.scenarios.points import FILL, LARGEST, Shape


@dataclass(frozen=True, slots=True)
class OpOptions:
    """One op with one set of options.

    op:      a key of OPS.
    shapes:  the shapes of its inputs.
    kinds:   the kind of each input: "x" is set to the points, "w" is not (a weight), "p" is a
             probability, "distribution" one of probabilities, "box" a box, "target" another;
             "positive", "nonzero", "inside" and "exponent" are points at which functions do not
             overflow. "matrix", "triangle" and "definite" are matrices that equations have.
    options: the op's options.
    squares: whether it squares its inputs.
    further: the further sets of points it is tried at.
    """

    op: str
    shapes: tuple[Shape, ...]
    kinds: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    squares: bool = False
    further: tuple[str, ...] = ()

    @property
    def points(self) -> tuple[str, ...]:
        """The sets of points it is tried at."""
        return ("ordinary", "special", "equal", *self.further)


def filled(one: OpOptions, points: str, rng: np.random.Generator) -> list[Array]:
    """Return the op's inputs at a set of points."""
    most = LARGEST if one.squares else np.inf
    each = zip(one.kinds, one.shapes, strict=True)
    return [FILL[kind](rng, shape, points, most) for kind, shape in each]


ZERO = ("zero",)
VECTOR = ((2, 13),)
ROWS = ((13, 3),)  # of so few logits, they are not all dwarfed by one
PAIR = ((3, 9), (3, 9))
IMAGE = (2, 4, 6, 5)
CLASSES = np.array([1, 0, 4, 2, 4])
WEIGHTS = (1.0, 0.5, 2.0, 0.25, 1.5, 0.75)
INDEX = np.array([[3, 0, 3], [5, 3, 0]])
TAKEN = np.array([[3, 0, 3], [4, 3, 0]])
MASK = np.array([True, False, True, True, False, False, True])
SEEN = np.array([[1, 1, 0, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 1]], bool)
REFLECTED = partial(np.pad, pad_width=((0, 0), (2, 1)), mode="reflect")
GATHERED = {"mean": (0.5, -1.0, 2.0, 0.0), "variance": (1.0, 0.25, 4.0, 0.5)}
CONDITION = np.array([[True, False, True, True], [False] * 4, [True, False, False, True]])


def _conv(kernel: Shape, *, bias: bool = True, image: Shape = IMAGE, **options: Any) -> OpOptions:
    shapes = (image, kernel, (kernel[0],))[: 3 if bias else 2]
    return OpOptions("conv", shapes, ("x", "w", "w")[: len(shapes)], options)


def _conv_transpose(image: Shape, kernel: Shape, *bias: int, **options: Any) -> OpOptions:
    shapes = (image, kernel, *((n,) for n in bias))
    return OpOptions("conv_transpose", shapes, ("x", "w", "w")[: len(shapes)], options)


def _activation(op: str, **options: Any) -> OpOptions:
    return OpOptions(op, VECTOR, ("x",), options)


def _pool(op: str, *sides: int, **options: Any) -> OpOptions:
    return OpOptions(op, ((2, 2, *(sides or (6, 7))),), ("x",), options)


def _attention(features: int) -> OpOptions:
    return OpOptions("attention", ((2, 2, 5, features),) * 3, ("w", "w", "x"))


def _attends(queries: Shape, keys: Shape, *bias: Shape, **options: Any) -> OpOptions:
    shapes, own = (queries, keys, keys, *bias), {"causal": False, **options}
    return OpOptions("attention", shapes, (*"wwxw",)[: len(shapes)], own)


def _shaped(
    op: str, shape: Shape, kind: str = "x", /, *, squares: bool = False, **options: Any
) -> OpOptions:
    return OpOptions(op, (shape,), (kind,), options, squares)


def _loss(
    op: str, kind: str, *, squares: bool = False, further: tuple[str, ...] = (), **options: Any
) -> OpOptions:
    shape = (5, 8) if kind == "distribution" else (5, 6)  # 1/8 is exact in every precision
    return OpOptions(op, (shape, shape), ("x", kind), options, squares, further)


_distance = partial(_loss, kind="w")
_of_distribution = partial(_loss, "softmax_cross_entropy", "distribution", further=ZERO)
_of_probability = partial(_loss, "bce_with_logits", "p", further=ZERO)


def _classes(**options: Any) -> OpOptions:
    own = {"target": CLASSES, **options}
    return OpOptions("cross_entropy", ((5, 6),), ("x",), own, further=ZERO)


def _of_maps(op: str, **options: Any) -> OpOptions:
    own = {"target": np.array([[1, 0, 4], [2, 4, 5]]), "axis": 1, **options}
    return OpOptions(op, ((2, 6, 3),), ("x",), own)


def _norm(op: str, shape: Shape, channels: int, **options: float) -> OpOptions:
    parameters = ("w",) if op == "rms_norm" else ("w", "w")
    shapes = (shape, *((channels,) for _ in parameters))
    further = ("large",) if op == "rms_norm" else ("offset", "large")  # it subtracts no mean
    return OpOptions(op, shapes, ("x", *parameters), options, squares=True, further=further)


def _of_channels(op: str, parameters: int, **options: Any) -> OpOptions:
    shapes = ((3, 4, 3, 2), *((4,) for _ in range(parameters)))
    return OpOptions(op, shapes, ("x", *("w",) * parameters), options, squares=True)


def _weight_norm(shape: Shape, dim: int = 0) -> OpOptions:
    gains = tuple(n if axis == dim else 1 for axis, n in enumerate(shape))
    options = {"dim": dim} if dim else {}
    return OpOptions(
        "weight_norm", (shape, gains), ("x", "w"), options, squares=True, further=("small",)
    )


def _each(make: Callable[[str], OpOptions], *ops: str) -> dict[str, OpOptions]:
    return {op: make(op) for op in ops}


def _of(kind: str) -> Callable[[str], OpOptions]:
    return lambda op: _shaped(op, VECTOR[0], kind)


OP_OPTIONS: dict[str, OpOptions] = {
    "dense": OpOptions("dense", ((3, 6), (6, 4), (4,)), ("x", "w", "w")),
    "dense-one-bias": OpOptions("dense", ((3, 6), (6, 4), ()), ("x", "w", "w")),
    "dense-no-bias": OpOptions("dense", ((2, 3, 6), (6, 4)), ("x", "w")),
    "conv": _conv((6, 4, 3, 3)),
    "conv-no-bias": _conv((3, 4, 1, 1), bias=False),
    "conv-stride": _conv((6, 4, 3, 2), stride=2),
    "conv-padding": _conv((6, 4, 3, 3), padding=1),
    "conv-stride-padding": _conv((6, 4, 3, 3), stride=2, padding=1),
    "conv-dilation": _conv((6, 4, 3, 2), dilation=2, padding=2),
    "conv-groups": _conv((6, 2, 3, 3), groups=2, padding=1),
    "conv-depthwise": _conv((4, 1, 3, 3), groups=4, stride=2, padding=2),
    "conv-1d": _conv((4, 2, 3), image=(2, 4, 8), groups=2, padding=1, dilation=2),
    "conv-3d": _conv((3, 2, 2, 2, 2), image=(2, 2, 3, 3, 4), padding=(1, 0, 1), stride=(2, 1, 2)),
    "conv-uneven": _conv((3, 4, 3, 2), padding=((0, 1), (2, 0)), stride=(1, 2), dilation=(1, 2)),
    "conv_transpose": _conv_transpose((2, 4, 3, 4), (4, 3, 3, 2), 3),
    "conv_transpose-stride": _conv_transpose(
        (2, 4, 3, 2), (4, 2, 3, 3), 2, stride=2, padding=1, output_padding=1
    ),
    "conv_transpose-1d": _conv_transpose((2, 4, 5), (4, 2, 3), groups=2, dilation=2, padding=1),
    "embedding": OpOptions("embedding", ((7, 4),), ("x",), {"index": INDEX}),
    "embedding-padding": _shaped("embedding", (7, 4), index=INDEX, padding_index=3),
    **_each(_activation, "sigmoid", "tanh", "relu", "leaky_relu"),
    "leaky_relu-slope": _activation("leaky_relu", negative_slope=0.3),
    "elu": _activation("elu"),
    "elu-alpha": _activation("elu", alpha=0.7),
    "gelu": _activation("gelu"),
    "gelu-tanh": _activation("gelu", approximate="tanh"),
    "silu": _activation("silu"),
    "softplus": _activation("softplus"),
    "softplus-beta": _activation("softplus", beta=0.6),
    "softplus-negative-beta": _activation("softplus", beta=-0.6),
    "softplus-threshold": _activation("softplus", threshold=10.0),
    "softplus-threshold-1": _activation("softplus", threshold=1.0),
    "softplus-threshold-3": _activation("softplus", threshold=3.0),
    "softplus-beta-threshold": _activation("softplus", beta=3.0, threshold=20.0),
    "softmax": OpOptions("softmax", ROWS, ("x",), further=ZERO),
    "log_softmax": OpOptions("log_softmax", ROWS, ("x",), further=ZERO),
    "batch_norm": _norm("batch_norm", (16, 3), 3),
    "batch_norm-images": _norm("batch_norm", (3, 4, 5, 2), 4),
    "batch_norm-eps": _norm("batch_norm", (3, 4, 5, 2), 4, eps=0.1),
    "layer_norm": _norm("layer_norm", (3, 16), 16),
    "layer_norm-eps": _norm("layer_norm", (2, 3, 8), 8, eps=0.1),
    "rms_norm": _norm("rms_norm", (3, 16), 16),
    "rms_norm-eps": _norm("rms_norm", (2, 3, 8), 8, eps=0.1),
    "weight_norm": _weight_norm((4, 3, 2, 3)),
    "weight_norm-last": _weight_norm((7, 5), dim=1),
    "weight_norm-middle": _weight_norm((3, 5, 4), dim=1),
    "max_pool": _pool("max_pool", kernel_size=2, stride=2),
    "max_pool-overlapping": _pool("max_pool", kernel_size=3, stride=2, padding=1),
    "max_pool-stride-1": _pool("max_pool", kernel_size=3, stride=1),
    "average_pool": _pool("average_pool", kernel_size=2, stride=2),
    "average_pool-overlapping": _pool("average_pool", kernel_size=3, stride=2, padding=1),
    "average_pool-valid": _pool(
        "average_pool", kernel_size=3, stride=2, padding=1, count_include_pad=False
    ),
    "max_pool-1d": _pool("max_pool", 9, kernel_size=3, stride=2, padding=1, dilation=2),
    "max_pool-uneven": _pool(
        "max_pool", kernel_size=(4, 3), stride=(2, 2), padding=((1, 2), (0, 1))
    ),
    "average_pool-1d": _pool("average_pool", 9, kernel_size=3, stride=2, padding=1),
    "adaptive_average_pool": _pool("adaptive_average_pool", 5, 4, output_size=(3, 2)),
    "adaptive_average_pool-1": _pool("adaptive_average_pool", 5, 4, output_size=1),
    "adaptive_max_pool": _pool("adaptive_max_pool", 5, 4, output_size=(3, 2)),
    "adaptive_max_pool-1d": _pool("adaptive_max_pool", 7, output_size=3),
    "upsample": _pool("upsample", scale_factor=2),
    "upsample-3": _pool("upsample", scale_factor=3),
    "causal_mask": _shaped("causal_mask", (2, 4, 4)),
    "causal_mask-fill": _shaped("causal_mask", (2, 4, 4), fill=-64.0),
    "attention": _attention(4),
    "attention-8": _attention(8),
    "attention-5": _attention(5),
    "attention-bias": _attends((2, 4, 3, 4), (2, 2, 5, 4), (4, 3, 5), scale=0.3),
    "attention-seen": _attends((2, 2, 3, 4), (2, 2, 5, 4), seen=SEEN),
    "matmul": OpOptions("matmul", ((2, 3, 7), (2, 7, 4)), ("x", "w")),
    "matmul-broadcast": OpOptions("matmul", ((2, 1, 3, 7), (5, 7, 4)), ("x", "w")),
    "matmul-vector": OpOptions("matmul", ((2, 3, 7), (7,)), ("x", "w")),
    "matmul-vectors": OpOptions("matmul", ((7,), (7,)), ("x", "w")),
    "einsum": OpOptions("einsum", ((2, 3, 4), (2, 5, 4)), ("x", "w"), {"equation": "bij,bkj->kbi"}),
    "einsum-any": OpOptions("einsum", ((2, 3, 4), (4, 5)), ("x", "w"), {"equation": "...i,io"}),
    "einsum-one": _shaped("einsum", (2, 3, 4), equation="ijk->ki"),
    "addmm": OpOptions(
        "addmm", ((4,), (3, 5), (5, 4)), ("x", "x", "w"), {"alpha": 0.3, "beta": -1.7}
    ),
    "addmm-batch": OpOptions("addmm", ((2, 3, 4), (2, 3, 5), (2, 5, 4)), ("x", "x", "w")),
    "add": OpOptions("add", ((2, 3, 4), (3, 1)), ("x", "w")),
    "multiply": OpOptions("multiply", ((2, 3, 4), (3, 1)), ("x", "w")),
    "scale": _shaped("scale", (3, 7), factor=0.3),
    "sum": _shaped("sum", (3, 7)),
    "concatenate": OpOptions(
        "concatenate", ((2, 3, 4), (2, 1, 4), (2, 2, 4)), ("x",) * 3, {"axis": 1}
    ),
    "reshape": _shaped("reshape", (3, 8), shape=(4, 3, 2)),
    "transpose": _shaped("transpose", (2, 3, 4), axes=(1, 2, 0)),
    "transpose-negative": _shaped("transpose", (2, 3, 4), axes=(-1, 0, -2)),
    "slice": _shaped("slice", (4, 7), index=(slice(1, 3), slice(0, 7, 2))),
    "pad": _shaped("pad", (3, 7), width=((1, 0), (2, 3))),
    "pad-value": _shaped("pad", (3, 7), width=((0, 1), (2, 0)), value=0.3),
    "slice-any": _shaped("slice", (4, 3, 5), index=(1, ..., None, slice(0, 5, 2))),
    "slice-mask": _shaped("slice", (2, 7), index=(..., MASK)),
    "slice-repeated": _shaped("slice", (5, 4), index=(TAKEN, slice(1, 3))),
    "slice-reflected": _shaped("slice", (3, 4), index=moved((3, 4), REFLECTED)),
    "stack": OpOptions("stack", ((2, 3), (2, 3)), ("x", "x"), {"axis": 1}),
    "expand": _shaped("expand", (3, 1, 4), shape=(2, 3, 5, 4)),
    "add_at": OpOptions("add_at", ((5, 4), (2, 3, 4)), ("x", "w"), {"index": TAKEN}),
    "put": OpOptions("put", ((7, 3), (4, 3)), ("x", "w"), {"index": MASK}),
    "masked_fill": _shaped("masked_fill", (3, 7), mask=MASK, value=-0.3),
    "half_squared_error": _distance("half_squared_error", squares=True),
    "mean_squared_error": _distance("mean_squared_error", squares=True),
    "mean_squared_error-each": _distance("mean_squared_error", squares=True, reduction="none"),
    "huber": _distance("huber"),
    "huber-delta": _distance("huber", delta=0.3, reduction="sum"),
    "softmax_cross_entropy": _of_distribution(),
    "softmax_cross_entropy-smoothed": _of_distribution(label_smoothing=0.1),
    "softmax_cross_entropy-weights": OpOptions(
        *("softmax_cross_entropy", ((2, 6, 3), (2, 6, 3)), ("x", "p")),
        {"weight": WEIGHTS, "axis": 1, "reduction": "none"},
    ),
    "cross_entropy": _classes(),
    "cross_entropy-smoothed": _classes(label_smoothing=0.1),
    "cross_entropy-ignored": _classes(ignore_index=4),
    "cross_entropy-smoothed-ignored": _classes(label_smoothing=0.1, ignore_index=4),
    "cross_entropy-weights": _of_maps("cross_entropy", label_smoothing=0.1, weight=WEIGHTS),
    "cross_entropy-each": _of_maps("cross_entropy", reduction="none", ignore_index=4),
    "nll_loss": _of_maps("nll_loss", weight=WEIGHTS, ignore_index=4),
    "nll_loss-each": _of_maps("nll_loss", reduction="none"),
    "bce_with_logits": _of_probability(),
    "bce_with_logits-pos_weight": _of_probability(pos_weight=3.7),
    "bce_with_logits-weights": _of_probability(
        pos_weight=WEIGHTS, weight=WEIGHTS[::-1], reduction="sum"
    ),
    "subtract": OpOptions("subtract", ((2, 3, 4), (3, 1)), ("x", "w")),
    "divide": OpOptions("divide", ((3, 1), (2, 3, 4)), ("w", "nonzero")),
    "negative": _shaped("negative", (3, 7)),
    "power-0": _shaped("power", (3, 7), squares=True, exponent=0),
    "power-2": _shaped("power", (3, 7), squares=True, exponent=2),
    "power-3": _shaped("power", (3, 7), "exponent", exponent=3),
    "power-fraction": _shaped("power", (3, 7), "positive", exponent=-0.75),
    **_each(_of("exponent"), "exp", "expm1"),
    **_each(_of("positive"), "log", "log1p", "sqrt", "rsqrt"),
    **_each(_of("nonzero"), "reciprocal"),
    **_each(_activation, "sin", "cos", "erf"),
    "abs": OpOptions("abs", VECTOR, ("x",), further=ZERO),
    "clamp": OpOptions("clamp", VECTOR, ("x",), {"low": -0.75, "high": 0.5}),
    "clamp-low": OpOptions("clamp", VECTOR, ("x",), {"low": 0.5}),
    "maximum": OpOptions("maximum", ((2, 3, 4), (3, 1)), ("x", "x")),
    "minimum": OpOptions("minimum", ((2, 3, 4), (3, 1)), ("x", "x")),
    "group_norm": _of_channels("group_norm", 2, groups=2),
    "group_norm-instance": _of_channels("group_norm", 0, groups=4, eps=1e-3),
    "batch_norm_inference": _of_channels("batch_norm_inference", 2, **GATHERED),
    "batch_norm_inference-no-gain": _of_channels("batch_norm_inference", 0, eps=0.125, **GATHERED),
    "sum-axes": _shaped("sum", (2, 3, 4), axis=(0, 2), keepdims=True),
    "mean": _shaped("mean", (3, 7)),
    "mean-axes": _shaped("mean", (2, 3, 4), axis=(-2, -1), keepdims=True),
    "max": _shaped("max", (3, 7)),
    "max-axis": _shaped("max", (2, 3, 4), axis=1, keepdims=True),
    "logsumexp": _shaped("logsumexp", ROWS[0], "exponent"),
    "logsumexp-axis": _shaped("logsumexp", ROWS[0], "exponent", axis=-1, keepdims=True),
    "variance": _shaped("variance", (3, 7), squares=True),
    "variance-axis": _shaped(
        "variance", (2, 3, 5), squares=True, axis=(0, 2), keepdims=True, correction=0
    ),
    "norm": _shaped("norm", (3, 7), squares=True),
    "norm-axis": _shaped("norm", (2, 3, 4), squares=True, axis=(1, 2), keepdims=True),
    "normalize": _shaped("normalize", (3, 7), squares=True),
    "normalize-eps": _shaped("normalize", (2, 3, 4), squares=True, axis=-1, eps=2.0),
    "cumsum": _shaped("cumsum", (2, 5, 3), axis=1),
    "softmax-axis": _shaped("softmax", (3, 7), axis=0),
    "log_softmax-axis": _shaped("log_softmax", (3, 7), axis=0),
    **_each(_activation, "log_sigmoid", "mish"),
    "softsign": OpOptions("softsign", VECTOR, ("x",), squares=True),
    "hardsigmoid": OpOptions("hardsigmoid", VECTOR, ("x",), further=("turn",)),
    "hardswish": OpOptions("hardswish", VECTOR, ("x",), further=("turn",)),
    "prelu": OpOptions("prelu", ((2, 3, 4), (3,)), ("nonzero", "w")),
    "prelu-one": OpOptions("prelu", ((3, 5), (1,)), ("nonzero", "w")),
    "glu": _shaped("glu", (3, 8)),
    "glu-axis": _shaped("glu", (4, 5), axis=0),
    "min": _shaped("min", (3, 7)),
    "min-axis": _shaped("min", (2, 3, 4), axis=(0, 2), keepdims=True),
    "l1_loss": _distance("l1_loss", further=ZERO),
    "l1_loss-sum": _distance("l1_loss", reduction="sum"),
    "kl_div": OpOptions("kl_div", PAIR, ("x", "positive"), squares=True),
    "kl_div-logs": OpOptions(
        "kl_div", PAIR, ("exponent", "exponent"), {"log_target": True, "reduction": "none"}
    ),
    "where": OpOptions("where", ((2, 3, 4), (3, 1)), ("x", "w"), {"condition": CONDITION}),
    "complete_iou": OpOptions("complete_iou", ((5, 4), (5, 4)), ("box", "target")),
    "atan2": OpOptions("atan2", ((2, 3, 4), (3, 1)), ("nonzero", "w"), squares=True),
    **_each(_of("inside"), "erf_inv"),
    **_each(_of("positive"), "lgamma", "digamma"),
    "triangular_solve": OpOptions(
        "triangular_solve", ((2, 3, 3), (2, 3, 2)), ("triangle", "w"), {"transpose": True}
    ),
    "triangular_solve-upper": OpOptions(
        *("triangular_solve", ((4, 4), (4, 2)), ("triangle", "w")),
        {"lower": False, "unit_diagonal": True},
    ),
    "solve": OpOptions("solve", ((2, 3, 3), (2, 3, 2)), ("matrix", "w")),
    "cholesky": _shaped("cholesky", (2, 3, 3), "definite"),
    "complete_iou-equal": OpOptions("complete_iou", ((5, 4), (5, 4)), ("box", "box"), {"eps": 0.5}),
}
"""Name -> op with options."""
