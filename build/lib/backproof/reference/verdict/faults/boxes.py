"""Classical mistakes of the complete IoU loss: boxes p, t (..., 4), the loss and dL (...)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import pi
from typing import Any

import numpy as np

from backproof.reference.ops import OPS, Op
from backproof.reference.ops.boxes import Overlap
from backproof.reference.verdict.faults.box_parts import Partials, box_loss, partials
from backproof.reference.verdict.faults.fault import Fault, in_both, in_cotangents

OP = "complete_iou"


def complete_iou() -> Iterator[Fault]:
    """Yield the faults."""
    yield from other_losses()
    yield from other_boxes()
    yield from gradients()


def other_losses() -> Iterator[Fault]:
    """Yield the faults of another loss."""
    both = partial(in_both, OP)
    yield both(
        "aspect term missing",
        "what 1 - IoU + rho^2 / c^2 gives",
        box_loss(lambda o: replace(o, slant=0 * o.slant)),
        "the distance IoU of the same paper",
    )
    yield both(
        "distance term missing",
        "what 1 - IoU + alpha v gives",
        box_loss(lambda o: replace(o, rho2=0 * o.rho2), lambda o, a: _distances(o, a, 0)),
        "a plain IoU loss with an aspect term",
    )
    yield both(
        "distance of the centres doubled",
        "what 4 rho^2 / c^2 gives, of the corners' sums",
        box_loss(lambda o: replace(o, rho2=4 * o.rho2), lambda o, a: _distances(o, a, 4)),
        "a centre is half of a sum",
    )
    yield both(
        "intersection counted twice",
        "what A + B gives for the union, the intersection not subtracted",
        box_loss(
            lambda o: replace(o, union=o.union + o.inter),
            lambda o, a: replace(partials(o, a), inter=-1 / o.union),
        ),
        "A + B for A + B - I",
    )
    yield both(
        "enclosing box for the union",
        "what I / C gives for IoU, C the area of the box around both",
        box_loss(
            lambda o: replace(o, union=o.cw * o.ch),
            lambda o, a: _of_enclosing(partials(o, a), o),
        ),
        "the two areas of Rezatofighi et al., Generalized IoU (2019)",
    )
    yield both(
        "4 / pi^2 forgotten",
        "what v = slant^2 gives",
        box_loss(
            lambda o: replace(o, slant=pi / 2 * o.slant),
            lambda o, a: replace(partials(o, a), slant=pi / 2 * partials(o, a).slant),
        ),
        "a lost factor",
    )


def _distances(o: Overlap, alpha: Any, factor: float) -> Partials:
    right = partials(o, alpha)
    return replace(right, rho2=factor * right.rho2)


def _of_enclosing(d: Partials, o: Overlap) -> Partials:
    iou = o.inter / o.union
    return replace(
        d, inter=-1 / o.union, area=0 * o.union, cw=d.cw + iou / o.cw, ch=d.ch + iou / o.ch
    )


def other_boxes() -> Iterator[Fault]:
    """Yield the faults of boxes that are read otherwise."""
    yield in_both(
        OP,
        "centres and sizes for corners",
        "what boxes give that are read as centre and size",
        _read_as(_corners, _back),
        "the two formats of boxes",
    )
    yield in_both(
        OP,
        "one added to every side",
        "what boxes give whose larger corner is one further",
        _read_as(lambda box: box + np.array([0.0, 0.0, 1.0, 1.0]), lambda d: d),
        "sides in whole pixels, x2 - x1 + 1: Pascal VOC's",
    )


def _read_as(read: Callable[[Any], Any], back: Callable[[Any], Any]) -> Op:
    right = OPS[OP]

    def backward(dL: Any, L: Any, p: Any, t: Any, **o: float) -> tuple[Any, ...]:
        return tuple(map(back, right.backward(dL, L, read(p), read(t), **o)))

    return Op(lambda p, t, **o: right.forward(read(p), read(t), **o), backward)


def _corners(box: Any) -> Any:
    center, half = box[..., :2], box[..., 2:] / 2
    return np.concatenate([center - half, center + half], axis=-1)


def _back(d: Any) -> Any:
    low, high = d[..., :2], d[..., 2:]
    return np.concatenate([low + high, (high - low) / 2], axis=-1)


def gradients() -> Iterator[Fault]:
    """Yield the faults of dp and dt alone."""

    def of(name: str, gives: str, wrong: Callable[..., Partials], source: str) -> Fault:
        return in_cotangents(OP, name, gives, box_loss(derived=wrong).backward, source)

    yield of(
        "alpha differentiated",
        "what alpha = v / (1 - IoU + v) gives, differentiated as well",
        lambda o, a: _through_alpha(partials(o, a * (2 - a)), a),
        "torch.no_grad() forgotten: alpha is a constant there",
    )
    yield of(
        "diagonal taken for a constant",
        "what rho^2 / c^2 gives without the quotient rule",
        lambda o, a: replace(partials(o, a), cw=0 * o.cw, ch=0 * o.ch),
        "a normalization that was detached",
    )
    yield of(
        "union taken for a constant",
        "what I / U gives without the quotient rule",
        lambda o, a: replace(partials(o, a), inter=-1 / o.union, area=0 * o.union),
        "a normalization that was detached",
    )
    yield of(
        "aspect term not differentiated",
        "what alpha v gives taken for a constant",
        lambda o, a: partials(o, 0 * a),
        "a no_grad() around more than alpha",
    )
    yield in_cotangents(
        OP,
        "wrong sign",
        "the gradient negated",
        lambda *a, **o: tuple(-d for d in OPS[OP].backward(*a, **o)),
    )


def _through_alpha(d: Partials, alpha: Any) -> Partials:
    """Return the derivatives through alpha v = v^2 / S, S = 1 - IoU + v, as well.

    By v it is alpha (2 - alpha), and by IoU it is alpha^2, where the loss has -1.
    """
    left = 1 - alpha * alpha
    return replace(d, inter=left * d.inter, area=left * d.area)
