"""Complete IoU of boxes: overlap, distance of centres, and aspect ratio in one loss.

Shapes: ... any axes; a box is (x1, y1, x2, y2), its smaller and its larger corner, in any unit.

Source: Zheng et al., Distance-IoU Loss (2020), eq. 7 to 11.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product
from math import pi
from typing import Any

import numpy as np

from backproof.reference.ops.functions import arctan, either_side, stop
from backproof.reference.ops.op import Array, Op


@dataclass(frozen=True, slots=True)
class Overlap:
    """The sides, distances and areas of pairs of boxes p, t; all arrays (...).

    w, h: of p. wt, ht: of t. iw, ih: of the intersection, zero where there is none. cw, ch: of the
    smallest box around both. sx, sy: twice the distance of the centres.
    inter, union: areas. c2: the squared diagonal of the box around both. rho2: the squared distance
    of the centres. slant: arctan(wt/ht) - arctan(w/h).
    """

    w: Any
    h: Any
    wt: Any
    ht: Any
    iw: Any
    ih: Any
    cw: Any
    ch: Any
    sx: Any
    sy: Any
    inter: Any
    union: Any
    c2: Any
    rho2: Any
    slant: Any


def overlap(p: Array, t: Array, eps: float) -> Overlap:
    """Return the overlap of p and t, both (..., 4); eps is added to the denominators."""
    (x1, y1, x2, y2), (X1, Y1, X2, Y2) = corners(p), corners(t)
    w, h, wt, ht = x2 - x1, y2 - y1, X2 - X1, Y2 - Y1
    iw = np.maximum(np.minimum(x2, X2) - np.maximum(x1, X1), 0)
    ih = np.maximum(np.minimum(y2, Y2) - np.maximum(y1, Y1), 0)
    cw, ch = np.maximum(x2, X2) - np.minimum(x1, X1), np.maximum(y2, Y2) - np.minimum(y1, Y1)
    sx, sy = x1 + x2 - X1 - X2, y1 + y2 - Y1 - Y2
    inter = iw * ih
    return Overlap(
        *(w, h, wt, ht, iw, ih, cw, ch, sx, sy, inter),
        union=w * h + wt * ht - inter + eps,
        c2=cw * cw + ch * ch + eps,
        rho2=(sx * sx + sy * sy) / 4,
        slant=arctan(wt / ht) - arctan(w / h),
    )


def corners(box: Array) -> tuple[Any, ...]:
    """Return x1, y1, x2, y2, each (...)."""
    return tuple(box[..., i] for i in range(4))


def aspect(o: Overlap) -> Array:
    """Return v, how different the aspect ratios are (eq. 9)."""
    return 4 / pi**2 * (o.slant * o.slant)


def trade_off(o: Overlap, eps: float) -> Array:
    """Return alpha = v / (1 - IoU + v) (eq. 11), a weight that is not differentiated."""
    v = aspect(o)
    return stop(v / (1 - o.inter / o.union + v + eps))


def complete_iou_forward(p: Array, t: Array, *, eps: float = 1e-7) -> Array:
    """Return 1 - IoU + rho^2 / c^2 + alpha v (eq. 10), (...), for boxes p and t, (..., 4)."""
    o = overlap(p, t, eps)
    return loss(o, trade_off(o, eps))


def loss(o: Overlap, alpha: Array) -> Array:
    """Return the loss for a given alpha."""
    return 1 - o.inter / o.union + o.rho2 / o.c2 + alpha * aspect(o)


def complete_iou_backward(
    dL: Array,
    L: Array,
    p: Array,
    t: Array,
    *,
    eps: float = 1e-7,
    first: float = 0.5,
    touching: float = 0.0,
) -> tuple[Array, Array]:
    """Return dp and dt, both (..., 4), from dL (...). The loss is symmetric in p and t.

    Where a maximum or minimum has no derivative, any share of the way between is right (see
    `either_side`). first: the share of p, the first box, where corners are equal. touching: that of
    a side of the intersection where it is zero, where boxes touch.
    """
    alpha = trade_off(overlap(p, t, eps), eps)
    return (
        box_cotangent(dL, p, t, alpha, eps, first, touching),
        box_cotangent(dL, t, p, alpha, eps, 1 - first, touching),
    )


def box_cotangent(
    dL: Array, p: Array, t: Array, alpha: Array, eps: float, share: float, touching: float
) -> Array:
    """Return dp, (..., 4); share: what p receives of two equal corners."""
    o = overlap(p, t, eps)
    # 1. IoU = I / U, and U = A + At - I: dIoU/dI = (1 + IoU) / U, dIoU/dA = -IoU / U.
    iou = o.inter / o.union
    dI, dA = -dL * ((1 + iou) / o.union), dL * (iou / o.union)
    # 2. rho^2 / c^2 is a quotient.
    drho2, dc2 = dL / o.c2, -dL * (o.rho2 / o.c2 / o.c2)
    # 3. v = 4/pi^2 slant^2, and d arctan(w/h) = (h dw - w dh) / (w^2 + h^2); alpha is constant.
    turn = dL * alpha * (8 / pi**2 * o.slant) / (o.w * o.w + o.h * o.h)
    # 4. A = w h.
    dw, dh = dA * o.h - turn * o.h, dA * o.w + turn * o.w
    # 5. I = iw ih, c^2 = cw^2 + ch^2.
    diw, dih = np.where(o.ih > 0, dI * o.ih, 0), np.where(o.iw > 0, dI * o.iw, 0)
    dcw, dch = dc2 * (2 * o.cw), dc2 * (2 * o.ch)
    # 6. Each corner: w = x2 - x1, iw = max(min(x2, X2) - max(x1, X1), 0),
    #    cw = max(x2, X2) - min(x1, X1), rho^2 = (sx^2 + sy^2) / 4 with sx = x1 + x2 - X1 - X2.
    (x1, y1, x2, y2), (X1, Y1, X2, Y2) = corners(p), corners(t)
    diw = to_larger(diw, np.minimum(x2, X2), np.maximum(x1, X1), touching)
    dih = to_larger(dih, np.minimum(y2, Y2), np.maximum(y1, Y1), touching)
    dx1 = drho2 * o.sx / 2 - dw - to_larger(diw, x1, X1, share) - to_larger(dcw, X1, x1, share)
    dy1 = drho2 * o.sy / 2 - dh - to_larger(dih, y1, Y1, share) - to_larger(dch, Y1, y1, share)
    dx2 = drho2 * o.sx / 2 + dw + to_larger(diw, X2, x2, share) + to_larger(dcw, x2, X2, share)
    dy2 = drho2 * o.sy / 2 + dh + to_larger(dih, Y2, y2, share) + to_larger(dch, y2, Y2, share)
    return np.concatenate([d[..., None] for d in (dx1, dy1, dx2, dy2)], axis=-1)


def to_larger(d: Array, a: Array, b: Array, share: float = 0.5) -> Array:
    """Return the part of d = dmax(a, b) that a receives: all where it is larger, a share if equal.

    With b a constant, it is what a receives of dmax(a - b, 0) as well.
    """
    return either_side(a, d, np.zeros_like(d), share, kink=b)


EQUAL = {"": 0.5, "all to the first of equal corners": 1.0, "all to the second of equal corners": 0}
"""Convention -> what the first box receives of two equal corners; the first entry has no name."""

TOUCHING = {"": 0.0, "slope 1/2 where boxes touch": 0.5, "slope 1 where boxes touch": 1.0}
"""Convention -> the slope of max(side, 0) at 0; likewise."""


def conventions() -> dict[str, Op]:
    """Return the op in every pair of conventions but the first."""
    found = {
        ", ".join(filter(None, (one, two))): Op(
            complete_iou_forward, partial(complete_iou_backward, first=first, touching=touching)
        )
        for (one, first), (two, touching) in product(EQUAL.items(), TOUCHING.items())
    }
    return {name: op for name, op in found.items() if name}


complete_iou = Op(complete_iou_forward, complete_iou_backward, forms=conventions())
