"""Identities of derivatives that need no numbers of a reference, each within a derived bound.

Write x for all leaves and nodes, x' for their tangents and c for their cotangents, all as a
framework computed them. At node n let T = J x' be the exact tangent and H = J^T c the exact
cotangents of its inputs, both of the framework's own numbers; so <c, T> = <H, x'>. The framework's
results are a little off: y' = T + e at each node, and c = (sum of H) + d at each leaf or node.
Summed over all of them,

    <gradients, v> - (tangent of E) = sum <d, x'> - sum <c, e>:                     (1)

What nodes hand on and what they receive cancels, except for the roundings. No error is amplified,
so the bound grows with depth only as a sum does. Where the backward pass itself is differentiated
along v, c' = (sum of H') + d' with H' = J^T c' + (derivative of J^T along v) c, and

    <H'v, x'u> = <c'v, T_u> + <c, f''[x'v, x'u]>,

whose last term is symmetric in u and v. So it cancels in

    <u, H v> - <v, H u> = sum <d'v, x'u> - <c'v, e_u> - <d'u, x'v> + <c'u, e_v>.    (2)

|d| and |e| are at most two radii of the link's ball, which holds both the framework's number and
the exact one. To hold the exact one too, a node's own output is a ball in its backward function.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from backproof.reference.backprop import RIGHT
from backproof.reference.network import Network
from backproof.reference.numbers.dual import Dual
from backproof.reference.numbers.precision import FLOAT64, PRECISIONS, gamma
from backproof.reference.ops import Array
from backproof.reference.verdict.directions import replays
from backproof.reference.verdict.link import Quantity
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.tangents import DualTrace


@dataclass(frozen=True, slots=True)
class Identity:
    """Two numbers that are equal on paper.

    gap: by how much they differ. bound: by how much they may differ. size: of the larger one.
    """

    gap: float
    bound: float
    size: float

    @property
    def holds(self) -> bool:
        """Whether the gap is within the bound; NaN is not."""
        return self.gap <= self.bound

    @property
    def relative(self) -> float:
        """The bound relative to the numbers; unless it is far below one, nothing is verified."""
        return self.bound / self.size if self.size else np.inf


def adjoint(
    network: Network,
    leaves: Mapping[str, Array],
    directions: Mapping[str, Array],
    found: DualTrace,
    precision: str,
) -> Identity:
    """Return <J^T u, v> = <u, J v> of the whole network, u = 1 at the loss: equation (1)."""
    both = replays(network, leaves, directions, found, precision)
    first, second = _widest(both, precision)
    moves = {**directions, **found.tangents.values}
    _, received = _radii(first)
    said, _ = _radii(second)
    bound = _sizes(received, moves) + _sizes(said, found.values.cotangents)
    slope = {network.loss: found.tangents.values[network.loss]}
    right = _inner(slope, {network.loss: np.ones(())})
    return _identity(_inner(found.values.gradients, directions), right, bound)


def symmetry(
    network: Network,
    leaves: Mapping[str, Array],
    v: tuple[Mapping[str, Array], DualTrace],
    u: tuple[Mapping[str, Array], DualTrace],
    precision: str,
) -> Identity:
    """Return <u, H v> = <v, H u>, of two passes, each with its directions: equation (2)."""
    bound = 0.0
    for one, other in ((v, u), (u, v)):
        _, tangents = _widest(replays(network, leaves, *one, precision), precision)
        said, received = _radii(tangents)
        bound += _sizes(received, {**other[0], **other[1].tangents.values})
        bound += _sizes(said, other[1].tangents.cotangents)
    left = _inner(v[1].tangents.gradients, u[0])
    return _identity(left, _inner(u[1].tangents.gradients, v[0]), bound)


def _widest(both: Iterable[Replay], precision: str) -> Iterator[Replay]:
    """Yield the same replays in the widest balls of a precision."""
    p = PRECISIONS[precision].narrow().flushing()
    yield from (replace(replay, precision=p) for replay in both)


def _radii(replay: Replay) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return twice the radii of every node's ball, and of what every leaf and node receives."""
    p, said = replay.precision, {}
    handed_on: dict[str, list[Any]] = {}
    for node in reversed(replay.network.nodes):
        known = replay.values_of(node.inputs, p)
        known[node.name] = y = RIGHT.value(node, known)
        said[node.name] = _radius(y)
        dy = replay.operand(Quantity("derivative", node.name), p)
        for name, d in zip(node.inputs, RIGHT.hands_on(node, dy, known), strict=True):
            handed_on.setdefault(name, []).append(d)
    received = {name: _radius(RIGHT.receive(name, parts)) for name, parts in handed_on.items()}
    return said, received


def _radius(y: Any) -> Array:
    ball = y.whole_tangent() if isinstance(y, Dual) else y
    return 2 * np.broadcast_to(ball.rad, ball.shape)


def _sizes(radii: Mapping[str, Array], factors: Mapping[str, Array]) -> float:
    """Return the largest that the products of errors and factors can add up to."""
    parts = [np.sum(radii[k] * np.abs(np.asarray(factors[k], np.float64))) for k in radii]
    n = sum(radii[k].size for k in radii)
    return float(sum(parts)) * (1 + gamma(n + 4, FLOAT64.u))


def _inner(a: Mapping[str, Array], b: Mapping[str, Array]) -> Any:
    """Return the exact inner product over all entries; NaN where an entry is not finite."""
    x, y = (np.concatenate([np.ravel(of[name]).astype(float) for name in a]) for of in (a, b))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return np.nan
    pairs = zip(x.tolist(), y.tolist(), strict=True)
    return sum((Fraction(s) * Fraction(t) for s, t in pairs), Fraction(0))


def _identity(left: Any, right: Any, bound: float) -> Identity:
    return Identity(float(abs(left - right)), bound, float(max(abs(left), abs(right))))
