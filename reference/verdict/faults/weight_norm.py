"""Classical mistakes of weight normalization.

Shapes: v, w and u = v / ||v|| any; g and n = ||v|| as v, with one entry along all axes but `dim`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from backproof.reference.ops import Op
from backproof.reference.ops.weight_norm import direction, others
from backproof.reference.verdict.faults.families import Cotangent, Table, Wrong, both, forward

dv, dg = map(Cotangent, range(2))

Axes = Callable[[Any, int], tuple[int, ...]]
"""v, dim -> the axes that a length is taken over."""


def over(axes: Axes) -> Wrong:
    """Be the op with lengths over other axes, rightly differentiated."""

    def length(v: Any, dim: int) -> Any:
        return np.sqrt(np.sum(v * v, axis=axes(v, dim), keepdims=True))

    def backward(dw: Any, w: Any, v: Any, g: Any, *, dim: int = 0) -> tuple[Any, Any]:
        n = length(v, dim)
        u, d = v / n, g * dw
        along = np.sum(d * u, axis=axes(v, dim), keepdims=True)
        return (d - u * along) / n, np.sum(dw * u, axis=others(v, dim), keepdims=True)

    return both(Op(lambda v, g, dim=0: g * (v / length(v, dim)), backward))


def of(wrong: Callable[..., Any]) -> Wrong:
    """Give dv = wrong(dw, u, n, g, dg); g (dw - u dg) / n is right."""

    def backward(dw: Any, w: Any, v: Any, g: Any, *, dim: int = 0) -> Any:
        u, n = direction(v, dim)
        total = np.sum(dw * u, axis=others(v, dim), keepdims=True)
        return wrong(dw, u, n, g, total)

    return dv(backward)


def gain(factor: Callable[..., Any]) -> Wrong:
    """Give dg = sum dw factor(w, v, n); sum dw v / n is right."""

    def backward(dw: Any, w: Any, v: Any, g: Any, *, dim: int = 0) -> Any:
        n = direction(v, dim)[1]
        return np.sum(dw * factor(w, v, n), axis=others(v, dim), keepdims=True)

    return dg(backward)


WEIGHT_NORM: Table = {
    ("over the axis that it is not over", "what lengths over `dim` alone give"): over(
        lambda v, dim: (dim,)
    ).known("`dim` is the axis that is left out"),
    ("one length for all", "what the length of the whole of v gives"): over(
        lambda v, dim: tuple(range(v.ndim))
    ).known("PyTorch's dim=None, and its dim=-1"),
    ("not normalized", "g v"): forward(lambda v, g, **_: g * v).known("a lost 1 / ||v||"),
    ("root forgotten", "g v / ||v||^2"): forward(
        lambda v, g, dim=0: g * (v / (direction(v, dim)[1] * direction(v, dim)[1]))
    ).known("a lost sqrt"),
    ("gain forgotten", "v / ||v||"): forward(lambda v, g, dim=0: direction(v, dim)[0]),
    ("projection lost", "g dw / ||v||"): of(lambda d, u, n, g, dg: g * d / n).known(
        "a norm that was detached"
    ),
    ("projection added", "g (dw + u dg) / ||v||"): of(
        lambda d, u, n, g, dg: g * (d + u * dg) / n
    ).known("a wrong sign"),
    ("projection not normalized", "g (dw - v dg) / ||v||"): of(
        lambda d, u, n, g, dg: g * (d - u * n * dg) / n
    ).known("v for v / ||v||"),
    ("1 / ||v|| forgotten on the way back", "g (dw - u dg)"): of(
        lambda d, u, n, g, dg: g * (d - u * dg)
    ),
    ("gain forgotten on the way back", "(dw - u dg) / ||v||"): of(
        lambda d, u, n, g, dg: (d - u * dg) / n
    ),
    ("gain's gradient not normalized", "sum dw v"): gain(lambda w, v, n: v).known(
        "a lost 1 / ||v||"
    ),
    ("gain's gradient of the weight", "sum dw w"): gain(lambda w, v, n: w).known(
        "w for its direction"
    ),
    ("gain's gradient lost", "zero"): dg.lost,
}
