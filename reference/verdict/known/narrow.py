"""What is known to be computed with scalars in float32, whatever the tensors' dtype."""

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from math import prod
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Array, Op
from backproof.reference.ops.cross_entropy import last, put_back, row_by_row, rows
from backproof.reference.ops.pooling import cells, entries, over
from backproof.reference.ops.reduced import of_each
from backproof.reference.verdict.faults.fault import with_options
from backproof.reference.verdict.known.activations import elu_of_difference
from backproof.reference.verdict.known.clipped import clip, clipped

OPTIONS = {
    **dict.fromkeys(("batch_norm", "batch_norm_inference", "layer_norm", "group_norm"), ("eps",)),
    "elu": ("alpha",),
    "huber": ("delta",),
    "addmm": ("alpha", "beta"),
    "scale": ("factor",),
}
"""Op -> its options that are rounded to float32, given or not."""


def options_in_float32(*right: str) -> dict[str, Op]:
    """Return ops whose options are rounded to float32; ELU takes e^z - 1 as that difference, too.

    Its slope is y + alpha, from the output, which cancels far below zero. right: ops left as they
    are.
    """

    def elu_backward(dy: Array, y: Array, z: Array, *, alpha: float = 1.0) -> tuple[Array]:
        return (np.where(z > 0, dy, dy * (y + alpha)),)

    known = {**OPS, "elu": replace(elu_of_difference()["elu"], backward=elu_backward)}
    rounded = {op: names for op, names in OPTIONS.items() if op not in right}
    return {op: narrowed(op, known[op], names) for op, names in rounded.items()}


def narrowed(op: str, right: Op, names: tuple[str, ...]) -> Op:
    """Return an op some of whose options are rounded to float32."""
    defaults = {name: signature(OPS[op].forward).parameters[name].default for name in names}

    def change(given: dict[str, Any]) -> dict[str, Any]:
        asked = {**defaults, **given}
        return {name: float(np.float32(asked[name])) for name in names}

    return with_options(op, change, right)


def smoothing_in_float32() -> dict[str, Op]:
    """Return cross-entropies of logits so clipped and labels T = (1 - eps) t + eps / O, smoothed.

    1. 1 - eps and eps / O are float32, and so is T of class numbers, of which none is ignored.
    2. Where there is a class to be ignored, the mean is divided by the number of classes.
    3. dy is p - T, though the labels T of a row do not add up to one.
    """
    entropy = clipped()["softmax_cross_entropy"]

    def smoothed(t: Array, eps: float, axis: int) -> Array:
        share = np.float32(eps)
        return float(1 - share) * t + float(share / np.float32(np.shape(t)[axis]))

    def forward(
        y: Array, t: Array, *, label_smoothing: float = 0.0, axis: int = -1, **options: Any
    ) -> Array:
        return entropy.forward(y, smoothed(t, label_smoothing, axis), axis=axis, **options)

    def backward(
        dE: Array,
        E: Array,
        y: Array,
        t: Array,
        *,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "mean",
    ) -> tuple[Array, ...]:
        T = smoothed(last(t, axis), label_smoothing, -1)
        p = OPS["softmax"].forward(clip(last(y, axis)))
        dL = row_by_row(of_each(dE, reduction, rows(p)))
        return put_back(dL * (p - T), axis), np.zeros_like(t)

    def labels(y: Array, target: Any, axis: int, eps: float) -> Any:
        t = np.moveaxis(np.eye(y.shape[axis])[np.asarray(target)], -1, axis)
        return smoothed(t, eps, axis).astype("float32").astype("float64")

    def of_classes(y: Array, *, target: Any, axis: int = -1, **options: Any) -> Array:
        eps = options.pop("label_smoothing", 0.0)
        n = y.shape[axis] if "ignore_index" in options else 1
        options.pop("ignore_index", None)
        return forward(y, labels(y, target, axis, eps), axis=axis, **options) / n

    def of_classes_backward(
        dE: Array, E: Array, y: Array, *, target: Any, axis: int = -1, **options: Any
    ) -> tuple[Array, ...]:
        eps = options.pop("label_smoothing", 0.0)
        n = y.shape[axis] if "ignore_index" in options else 1
        options.pop("ignore_index", None)
        return backward(dE / n, E, y, labels(y, target, axis, eps), axis=axis, **options)[:1]

    return {
        "softmax_cross_entropy": Op(forward, backward),
        "cross_entropy": Op(of_classes, of_classes_backward),
    }


def shares_in_float32() -> dict[str, Op]:
    """Return average pooling that hands on dy times 1/n, rounded to float32, to n entries."""

    def of_cells(x: Array, dy: Array) -> Array:
        counts = np.empty(dy.shape[2:])
        for place, cell in cells(x.shape[2:], dy.shape[2:]):
            counts[place] = prod(part.stop - part.start for part in cell)
        return counts

    def of_windows(x: Array, dy: Array, **options: Any) -> Any:
        include_pad = options.pop("count_include_pad", True)
        seen = over(x, **{"padding": 0, **options})
        return np.asarray(entries(np.empty(x.shape), seen, include_pad=include_pad))

    def narrow(op: str, count: Callable[..., Any]) -> Op:
        right = OPS[op]

        def backward(dy: Array, y: Array, x: Array, **options: Any) -> tuple[Array, ...]:
            n = count(x, dy, **({} if op.startswith("adaptive") else options))
            return right.backward(dy * (n * (1 / n).astype("float32")), y, x, **options)

        return replace(right, backward=backward)

    return {
        "average_pool": narrow("average_pool", of_windows),
        "adaptive_average_pool": narrow("adaptive_average_pool", of_cells),
    }


def sixth_of_7_digits() -> dict[str, Op]:
    """Return the hard sigmoid whose slope is 0.1666667, in float32, for 1/6."""
    right, factor = OPS["hardsigmoid"], 6 * float(np.float32(0.1666667))

    def backward(dout: Array, out: Array, z: Array) -> tuple[Array, ...]:
        return right.backward(factor * dout, out, factor * z)

    return {"hardsigmoid": Op(lambda z: right.forward(factor * z), backward)}


def softmax_from_input() -> dict[str, Op]:
    """Return softmax whose derivative takes p as it was, before its subnormals became zero."""
    right = OPS["softmax"]

    def backward(dp: Array, p: Array, y: Array, *, axis: int = -1) -> tuple[Array]:
        return right.backward(dp, right.forward(y, axis=axis), y, axis=axis)

    return {"softmax": replace(right, backward=backward)}
