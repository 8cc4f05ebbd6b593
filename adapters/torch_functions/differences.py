"""Differences of neighbours, and integrals by the rule of trapezoids."""

from typing import Any

import numpy as np
import torch

from backproof.adapters.torch_functions.calls import (
    Call,
    NotKnown,
    Seen,
    Step,
    Tensor,
    along,
    made_of,
    reads,
    steps,
)
from backproof.reference.ops.cast import cast

HALF = {"factor": 0.5}
"""The option of a step that halves, which rounds nothing."""


@reads("diff")
def diff(
    _: Seen,
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Call:
    if n == 0:  # whatever stands before and after it
        return Call("cast", (input,), own=cast)
    parts = [t for t in (prepend, input, append) if t is not None]
    later, sooner = ({"index": along(input, dim, one)} for one in (slice(1, None), slice(None, -1)))
    once = ("slice", (-1,), later), ("slice", (-2,), sooner), ("subtract", (-2, -1))
    whole = ("concatenate", range(len(parts)), {"axis": dim})
    return made_of("diff", parts, whole, *once * n)


def trapezoids(y: Tensor, x: Tensor | None, dx: float | None, dim: int) -> tuple[Any, Any]:
    """Return the operands of an integral, and the steps to twice the area below each step of y.

    Twice an area is the sum of neighbours, times the width of the step.
    """
    later, sooner = ({"index": along(y, dim, one)} for one in (slice(1, None), slice(None, -1)))
    found = [
        ("left", "slice", "y", sooner),
        ("right", "slice", "y", later),
        ("both", "add", "left right"),
    ]
    if x is None:
        return {"y": y}, [
            *found,
            ("areas", "scale", "both", {"factor": float(1 if dx is None else dx)}),
        ]
    shape = (1,) * (y.dim() - x.dim()) + tuple(x.shape)
    if x.dim() == 1:
        shape = tuple(len(x) if i == dim % y.dim() else 1 for i in range(y.dim()))
    return {"y": y, "x": x}, [
        *found,
        ("at", "reshape", "x", {"shape": shape}),
        ("from", "slice", "at", sooner),
        ("to", "slice", "at", later),
        ("width", "subtract", "to from"),
        ("areas", "multiply", "both width"),
    ]


@reads("trapezoid", "trapz")
def trapezoid(
    _: Seen, y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1
) -> Call:
    """Read it as the sum of areas; of equal steps, as that of all y less half of both ends."""
    if x is None:
        first, last = ({"index": along(y, dim, one)} for one in (0, -1))
        return steps(
            "trapezoid",
            {"y": y},
            ("all", "sum", "y", {"axis": dim}),
            ("first", "slice", "y", first),
            ("last", "slice", "y", last),
            ("ends", "add", "first last"),
            ("half", "scale", "ends", {"factor": 0.5}),
            ("inner", "subtract", "all half"),
            ("area", "scale", "inner", {"factor": float(1 if dx is None else dx)}),
        )
    operands, found = trapezoids(y, x, dx, dim)
    twice = ("twice", "sum", "areas", {"axis": dim})
    return steps("trapezoid", operands, *found, twice, ("area", "scale", "twice", HALF))


@reads("cumulative_trapezoid")
def cumulative_trapezoid(
    _: Seen, y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1
) -> Call:
    operands, found = trapezoids(y, x, dx, dim)
    half = ("halves", "scale", "areas", HALF)
    return steps("trapezoid", operands, *found, half, ("area", "cumsum", "halves", {"axis": dim}))


# Derivatives by differences.


@reads("gradient")
def gradient(
    _: Seen, input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> list[Call]:
    """Read each as half of what lies between both neighbours, by their width.

    At an end it is the rise to the one neighbour, or that of a parabola through three entries.
    """
    axes = range(input.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    widths = spacing if isinstance(spacing, list | tuple) else [spacing] * len(axes)
    if any(isinstance(one, torch.Tensor) for one in widths):
        raise NotKnown("spacing by coordinates")
    pairs = zip(axes, widths, strict=True)
    return [slope(input, axis, 1 if width is None else width, edge_order) for axis, width in pairs]


PARABOLA = (-1.5, 2.0, -0.5)
"""The slope of a parabola through three entries at the first of them, in parts of each."""


def slope(x: Tensor, axis: int, width: float, edge_order: int) -> Call:
    """Return the call of a derivative along an axis, of entries of a width."""
    over = {"axis": axis, "keepdims": True}
    parts = np.reshape(PARABOLA, [-1 if i == axis % x.dim() else 1 for i in range(x.dim())])

    def part(name: str, of: str, start: int | None, stop: int | None) -> Step:
        return (name, "slice", of, {"index": along(x, axis, slice(start, stop))})

    ends = [
        part("left", "x", None, -1),
        part("right", "x", 1, None),
        ("rises", "subtract", "right left"),
        part("first", "rises", 0, 1),
        part("last", "rises", -1, None),
    ]
    if edge_order > 1:
        ends = [
            part("start", "x", None, 3),
            ("of-start", "multiply", "start parts"),
            ("first", "sum", "of-start", over),
            part("end", "x", -3, None),
            ("of-end", "multiply", "end back"),
            ("last", "sum", "of-end", over),
        ]
    return steps(
        "gradient",
        {"x": x, "width": width, "parts": parts, "back": -np.flip(parts)},
        *ends,
        part("before", "x", None, -2),
        part("after", "x", 2, None),
        ("apart", "subtract", "after before"),
        ("half", "scale", "apart", HALF),
        ("all", "concatenate", "first half last", {"axis": axis}),
        ("slope", "divide", "all width"),
    )
