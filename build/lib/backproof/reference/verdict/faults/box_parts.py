"""What the wrong functions of the complete IoU loss are made of.

Shapes: boxes p, t (..., 4) as corners, the loss and what each part of it comes to (...).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np

from backproof.reference.ops import Op
from backproof.reference.ops.boxes import Overlap, corners, loss, overlap, to_larger, trade_off


@dataclass(frozen=True, slots=True)
class Partials:
    """The derivatives of the loss by what two boxes come to; all arrays (...).

    inter: by the intersection. area: by that of p. rho2: by the squared distance of the centres.
    cw, ch: by the sides of the box around both. slant: by the difference of the arctans.
    """

    inter: Any
    area: Any
    rho2: Any
    cw: Any
    ch: Any
    slant: Any


def partials(o: Overlap, alpha: Any) -> Partials:
    """Return what is right, alpha taken for a constant."""
    iou = o.inter / o.union
    dc2 = -(o.rho2 / o.c2 / o.c2)
    return Partials(
        inter=-((1 + iou) / o.union),
        area=iou / o.union,
        rho2=1 / o.c2,
        cw=dc2 * (2 * o.cw),
        ch=dc2 * (2 * o.ch),
        slant=alpha * (8 / pi**2 * o.slant),
    )


def same(o: Overlap) -> Overlap:
    """Return what is right."""
    return o


def box_loss(
    changed: Callable[[Overlap], Overlap] = same,
    derived: Callable[[Overlap, Any], Partials] = partials,
) -> Op:
    """Return the loss of overlaps that are changed, and its derivatives, given them and alpha."""

    def forward(p: Any, t: Any, *, eps: float = 1e-7) -> Any:
        o = changed(overlap(p, t, eps))
        return loss(o, trade_off(o, eps))

    def of(dL: Any, p: Any, t: Any, eps: float) -> Any:
        o = overlap(p, t, eps)
        return dL[..., None] * through(o, p, t, derived(changed(o), trade_off(changed(o), eps)))

    def backward(dL: Any, L: Any, p: Any, t: Any, *, eps: float = 1e-7) -> tuple[Any, Any]:
        return of(dL, p, t, eps), of(dL, t, p, eps)

    return Op(forward, backward)


def through(o: Overlap, p: Any, t: Any, d: Partials) -> Any:
    """Return the derivatives by the corners of p, (..., 4)."""
    # 1. slant = arctan(wt/ht) - arctan(w/h), A = w h, I = iw ih where both overlap.
    turn = d.slant / (o.w * o.w + o.h * o.h)
    dw, dh = d.area * o.h - turn * o.h, d.area * o.w + turn * o.w
    there = np.minimum(o.iw, o.ih) > 0
    diw, dih = np.where(there, d.inter * o.ih, 0), np.where(there, d.inter * o.iw, 0)
    # 2. w = x2 - x1, and so on; rho^2 = (sx^2 + sy^2) / 4.
    sides = ((dw, diw, d.cw, d.rho2 * o.sx / 2), (dh, dih, d.ch, d.rho2 * o.sy / 2))
    found: list[Any] = [None] * 4
    for i, (dside, dinter, daround, dcenter) in enumerate(sides):
        low, high = corners(p)[i], corners(p)[i + 2]
        Low, High = corners(t)[i], corners(t)[i + 2]
        found[i] = dcenter - dside - to_larger(dinter, low, Low) - to_larger(daround, Low, low)
        found[i + 2] = (
            dcenter + dside + to_larger(dinter, High, high) + to_larger(daround, high, High)
        )
    return np.concatenate([part[..., None] for part in found], axis=-1)
