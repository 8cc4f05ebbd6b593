"""Classical mistakes of the complete IoU loss: boxes p, t (..., 4), the loss and dL (...)."""

from collections.abc import Callable
from dataclasses import replace
from math import pi
from typing import Any

import numpy as np

from backproof.reference.ops import OPS
from backproof.reference.ops.boxes import Overlap
from backproof.reference.verdict.faults.box_parts import Partials, box_loss, partials
from backproof.reference.verdict.faults.families import Table, Wrong, both, cotangents, reading

DETACHED = "a normalization that was detached"


def loss(
    changed: Callable[[Overlap], Overlap], derived: Callable[[Overlap, Any], Partials] = partials
) -> Wrong:
    """Give the loss of overlaps that are changed, rightly differentiated."""
    return both(box_loss(changed, derived))


def of_derivatives(wrong: Callable[[Overlap, Any], Partials]) -> Wrong:
    """Give other derivatives of the right loss: wrong(overlap, alpha)."""
    return cotangents(box_loss(derived=wrong).backward)


def distances(factor: float) -> Wrong:
    """Give the loss of squared distances of the centres that are multiplied."""

    def of(o: Overlap, alpha: Any) -> Partials:
        right = partials(o, alpha)
        return replace(right, rho2=factor * right.rho2)

    return loss(lambda o: replace(o, rho2=factor * o.rho2), of)


def of_enclosing(o: Overlap, alpha: Any) -> Partials:
    """Return the derivatives where the union is the area of the box around both."""
    d, iou = partials(o, alpha), o.inter / o.union
    return replace(
        d, inter=-1 / o.union, area=0 * o.union, cw=d.cw + iou / o.cw, ch=d.ch + iou / o.ch
    )


def of_whole_slant(o: Overlap, alpha: Any) -> Partials:
    """Return the derivatives where v is slant^2."""
    d = partials(o, alpha)
    return replace(d, slant=pi / 2 * d.slant)


def through_alpha(o: Overlap, alpha: Any) -> Partials:
    """Return the derivatives through alpha v = v^2 / S, S = 1 - IoU + v, as well.

    By v it is alpha (2 - alpha), and by IoU it is alpha^2, where the loss has -1.
    """
    d, left = partials(o, alpha * (2 - alpha)), 1 - alpha * alpha
    return replace(d, inter=left * d.inter, area=left * d.area)


def corners(box: Any) -> Any:
    """Return the corners of a box that is given as centre and size."""
    center, half = box[..., :2], box[..., 2:] / 2
    return np.concatenate([center - half, center + half], axis=-1)


def corners_back(d: Any) -> Any:
    """Return the cotangent of centre and size from that of the corners."""
    low, high = d[..., :2], d[..., 2:]
    return np.concatenate([low + high, (high - low) / 2], axis=-1)


COMPLETE_IOU: Table = {
    ("aspect term missing", "what 1 - IoU + rho^2 / c^2 gives"): loss(
        lambda o: replace(o, slant=0 * o.slant)
    ).known("the distance IoU of the same paper"),
    ("distance term missing", "what 1 - IoU + alpha v gives"): distances(0).known(
        "a plain IoU loss with an aspect term"
    ),
    (
        "distance of the centres doubled",
        "what 4 rho^2 / c^2 gives, of the corners' sums",
    ): distances(4).known("a centre is half of a sum"),
    (
        "intersection counted twice",
        "what A + B gives for the union, the intersection not subtracted",
    ): loss(
        lambda o: replace(o, union=o.union + o.inter),
        lambda o, a: replace(partials(o, a), inter=-1 / o.union),
    ).known("A + B for A + B - I"),
    (
        "enclosing box for the union",
        "what I / C gives for IoU, C the area of the box around both",
    ): loss(lambda o: replace(o, union=o.cw * o.ch), of_enclosing).known(
        "the two areas of Rezatofighi et al., Generalized IoU (2019)"
    ),
    ("4 / pi^2 forgotten", "what v = slant^2 gives"): loss(
        lambda o: replace(o, slant=pi / 2 * o.slant), of_whole_slant
    ).known("a lost factor"),
    ("centres and sizes for corners", "what boxes give that are read as centre and size"): reading(
        lambda *boxes: map(corners, boxes), lambda *d: tuple(map(corners_back, d))
    ).known("the two formats of boxes"),
    ("one added to every side", "what boxes give whose larger corner is one further"): reading(
        lambda *boxes: (box + np.array([0.0, 0.0, 1.0, 1.0]) for box in boxes)
    ).known("sides in whole pixels, x2 - x1 + 1: Pascal VOC's"),
    (
        "alpha differentiated",
        "what alpha = v / (1 - IoU + v) gives, differentiated as well",
    ): of_derivatives(through_alpha).known("torch.no_grad() forgotten: alpha is a constant there"),
    (
        "diagonal taken for a constant",
        "what rho^2 / c^2 gives without the quotient rule",
    ): of_derivatives(lambda o, a: replace(partials(o, a), cw=0 * o.cw, ch=0 * o.ch)).known(
        DETACHED
    ),
    ("union taken for a constant", "what I / U gives without the quotient rule"): of_derivatives(
        lambda o, a: replace(partials(o, a), inter=-1 / o.union, area=0 * o.union)
    ).known(DETACHED),
    ("aspect term not differentiated", "what alpha v gives taken for a constant"): of_derivatives(
        lambda o, a: partials(o, 0 * a)
    ).known("a no_grad() around more than alpha"),
    ("wrong sign", "the gradient negated"): cotangents(
        lambda *a, **o: tuple(-d for d in OPS["complete_iou"].backward(*a, **o))
    ),
}
