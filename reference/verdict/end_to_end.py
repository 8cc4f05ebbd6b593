"""The loss and the gradients of a pass, held end to end to the reference's own.

Links prove by induction, which sees nothing wrong where one link of zeros in a wide ball makes all
links before it consistently zero; and nobody sees the cotangents of a pass without probes, so that
its gradients have no links. `sweep.py` bounds how far rounding alone takes a whole pass.

All terms of that bound are positive, so numbers are inside as soon as some of them allow their
distance from the reference's; the error of the gradient itself comes first, and is known from its
link. The rest need not be added up: the worst case of one sum is mostly larger than what the errors
of many amount to. Numbers that are as near as that, and nearer than zeros would be, are decided.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from backproof.reference.backprop import RIGHT
from backproof.reference.numbers.precision import Precision
from backproof.reference.verdict.deciding import ROUNDED
from backproof.reference.verdict.evidence import DIGIT, norm
from backproof.reference.verdict.link import Link, Quantity, Verdict
from backproof.reference.verdict.room import Made, over
from backproof.reference.verdict.sweep import Sweep


def bounded_gradient(sweep: Sweep, quantity: Quantity) -> Link:
    """Return the verdict on a leaf's gradient: on all differences, and on the largest one."""
    name, exact = quantity.of, sweep.exact[quantity.of]
    seen = np.asarray(sweep.replay.trace.gradients[name], np.float64)
    if not seen.size:
        return Link(quantity, "inside", sweep.replay.precision.name, share=0.0, resolution=0.0)
    difference = seen - exact
    index = tuple(map(int, np.unravel_index(np.argmax(np.abs(difference)), exact.shape)))
    one = np.zeros_like(difference)
    one[index] = np.sign(difference[index])
    whole, alone = (sweep.bound({name: u}) for u in (np.sign(difference), one))
    size = float(np.sum(np.abs(exact)))
    share = _share(float(np.sum(np.abs(difference))), whole)
    if np.isfinite(alone):  # else nothing is known of the one number
        share = float(np.max([share, _share(abs(float(difference[index])), alone)]))
    apart = _relative(float(np.sum(np.abs(difference))) + whole * (sweep.both - 1), size)
    proves = min(apart, _relative(whole, size)) < DIGIT
    cancels = not whole < size and is_noise(size, whole, sweep.terms(name), sweep.replay.precision)
    return Link(
        quantity,
        _verdict(share, whole, decided=proves or cancels),
        sweep.replay.precision.name,
        entries=seen.size,
        outside=0 if share <= 1 else int(np.sum(difference != 0)),
        share=share,
        resolution=_relative(whole, size),
        apart=apart if apart < DIGIT else np.inf,
        cancels=cancels,
        index=index,
        seen=float(seen[index]),
        mid=float(exact[index]),
        rad=alone,
    )


def is_noise(size: float, bound: float, terms: float, p: Precision) -> bool:
    """Return whether a gradient is zero by cancellation, in 1-norms: as `deciding.decided` has it.

    It is as small as what the rounding of its terms leaves, and so is its bound beside them.
    """
    return bound < terms / 2 and size <= ROUNDED * p.u * terms


def held_gradients(sweep: Sweep, names: Sequence[str]) -> Iterator[Link]:
    """Yield the verdicts on the gradients of leaves, whose links are inside.

    The near ones need no bound.
    """
    found = {name: one for name in names if (one := near(sweep, name))}
    rest = [name for name in names if name not in found]
    found |= {link.quantity.of: link for link in bounded_gradients(sweep, rest)}
    yield from (found[name] for name in names)


def near(sweep: Sweep, name: str) -> Link | None:
    """Return the verdict on a gradient that is near the sweep's; None where bounds decide."""
    quantity, exact = Quantity("derivative", name), sweep.exact[name]
    moved = sweep.float64(quantity) - exact
    apart = _relative(norm(moved), norm(exact))
    if not apart < 1:
        return None
    link = sweep.links.get(quantity)
    share = _share(apart, link.resolution) if link else np.inf
    if share > 1:
        distance = float(np.sum(np.abs(moved)))
        share = _share(distance, sweep.allowed({name: np.sign(moved)}, distance))
    return as_near(sweep, quantity, moved.size, share, apart) if share <= 1 else None


def as_near(sweep: Sweep, quantity: Quantity, entries: int, share: float, apart: float) -> Link:
    """Return the link of numbers that are near the reference's own. apart: relative."""
    of, own = replace(quantity, end_to_end=True), sweep.replay.precision.name
    return Link(of, "inside", own, entries=entries, share=share, resolution=apart)


def bounded_gradients(sweep: Sweep, names: Sequence[str]) -> Iterator[Link]:
    """Yield the verdicts on the gradients of leaves, as few bounds as possible for all of them.

    With u = sign(difference) / ||gradient|| on each leaf, one bound is that of the sum of all
    relative differences. If it is below 1, it decides for every leaf.
    """
    of = {name: Quantity("derivative", name, end_to_end=True) for name in names}
    if len(names) <= 1:
        yield from (bounded_gradient(sweep, one) for one in of.values())
        return
    moved = Made(names, lambda k: sweep.float64(Quantity("derivative", k)) - sweep.exact[k])
    sizes = {name: float(np.sum(np.abs(sweep.exact[name]))) for name in names}
    shares = {k: float(np.sum(np.abs(moved[k]))) / sizes[k] for k in names if sizes[k]}
    bound = np.inf
    if len(shares) == len(names):
        bound = sweep.bound(Made(names, lambda name: np.sign(moved[name]) / sizes[name]))
    if not sum(shares.values()) <= bound < 1:
        half = len(names) // 2
        yield from bounded_gradients(sweep, names[:half])
        yield from bounded_gradients(sweep, names[half:])
        return
    for name, quantity in of.items():
        yield Link(
            quantity,
            "inside",
            sweep.replay.precision.name,
            entries=sweep.exact[name].size,
            share=_share(shares[name], bound),
            resolution=bound,
        )


def held_loss(sweep: Sweep, *, whole: bool = False) -> Link:
    """Return the verdict on the loss: held to the reference's own forward sweep.

    whole: whether the whole bound is wanted, also where the loss is near.
    """
    name, scale = sweep.replay.network.loss, sweep.replay.scale
    known = sweep.replay.room.arrays()
    operands = over(known, sweep.values)
    with np.errstate(all="ignore"):
        for node in sweep.replay.network.nodes:
            known[node.name] = RIGHT.value(node, operands)
    exact, seen = np.asarray(known[name]), sweep.values[name]
    distance, size = float(np.sum(np.abs(seen - exact))), float(np.sum(np.abs(exact)))
    apart = _relative(distance, size)
    is_near = apart < 1 and not whole
    bound = sweep.moved(sweep.exact, distance * scale if is_near else np.inf) / scale
    if distance > bound:  # at a kink, the slopes on its other side count as well
        bound = sweep.moved(sweep.slopes()) / scale
    share = _share(distance, bound)
    is_near &= share <= 1
    decided = is_near or bound < size or not bound
    return Link(
        Quantity("value", name, end_to_end=True),
        _verdict(share, bound, decided=decided),
        sweep.replay.precision.name,
        entries=seen.size,
        share=share,
        resolution=apart if is_near else _relative(bound, size),
        seen=float(seen),
        mid=float(exact),
        rad=bound,
    )


def _verdict(share: float, bound: float, *, decided: bool) -> Verdict:
    """Return the verdict on a distance, of which a bound allows a share; without one, none."""
    if not np.isfinite(bound):
        return "undecided"
    return "refuted" if not share <= 1 else "inside" if decided else "undecided"


def _relative(distance: float, size: float) -> float:
    """Return a distance relative to a size; what is zero is apart by nothing from zero alone."""
    return distance / size if size else np.inf if distance else 0.0


def _share(distance: float, bound: float) -> float:
    """Return the share of a bound that a distance uses; an infinite or NaN bound holds nothing."""
    if distance == 0:
        return 0.0
    return distance / bound if 0 < bound < np.inf else np.inf
