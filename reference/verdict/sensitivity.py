"""Two runs of one computation, rounded differently: how far apart their gradients may be.

In the pass without probes a compiler may fuse differently, and arrays may be laid out differently
in memory. Then numbers are rounded differently, and the gradients without probes follow from
cotangents that nobody has seen. How far the two runs may differ is derived to first order
(Linnainmaa, Taylor expansion of the accumulated rounding error, BIT 16, 1976). For any direction u
over the leaves,

    <u, g> moves by  sum_i <R_u dE/dy_i, e_i> + sum_i <R_u y_i, c_i> + <u, c>

where e_i is the error of node i's value, c_i the error of its cotangent, c the errors of the
gradients, and R_u the tangent along u:

1. An error of y_i acts as the value of a probe at y_i. By the symmetry of second derivatives, the
   slope of <u, g> along a probe is the tangent along u of that probe's gradient, the cotangent.
2. An error of a cotangent goes back through the transposed derivatives: it moves <u, g> by
   <u, (dy_i/dw)^T c_i> = <dy_i/dw u, c_i>, and dy_i/dw u is the tangent of y_i.

Every error is at most twice the radius of its link's ball, which holds both the exact result and
the run's own; and there are two runs. Where one run was seen to compute operands again
(`reference.verdict.recomputed`), either run may have done so at any link; then the balls are those
of that replay. The bound grows with depth only by what the network itself amplifies.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from backproof.reference.backprop import RIGHT
from backproof.reference.numbers.ball import Ball
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate, Replay
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.recomputed import AGAIN, replay_of
from backproof.reference.verdict.tangents import along

OTHERWISE = "rounds otherwise without probes"


@dataclass
class TwoPasses:
    """A certified run with probes, and the gradients of one without, of the same leaves.

    replay:   of the run with probes.
    values:   node -> the radii of the ball of its value.
    received: node or leaf -> the radii of the ball of its cotangent or gradient.
    """

    replay: Replay
    values: dict[str, Array] = field(init=False)
    received: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        replay, network = self.replay, self.replay.network
        p = replay.precision.flushing()
        balls = {node.name: replay.value(node.name, p) for node in network.nodes}
        self.values = {name: _radii(ball) for name, ball in balls.items()}
        handed_on: dict[str, list[Ball]] = {}
        for node in reversed(network.nodes):
            known = replay.known(node, p)
            # The backward function may use the node's own value, which has an error too.
            own = known[node.name] = Ball(replay.trace.values[node.name], 0.0, p)
            own.rad = 2 * self.values[node.name]
            dy = replay.operand(Quantity("derivative", node.name), p)
            for name, d in zip(node.inputs, RIGHT.hands_on(node, dy, known), strict=True):
                handed_on.setdefault(name, []).append(d)
        self.received = {k: _radii(RIGHT.receive(k, balls)) for k, balls in handed_on.items()}

    def bound(self, u: Mapping[str, Array]) -> float:
        """Return how far apart <u, g> of the two runs may be; u: leaf -> array of its shape."""
        exactly = {name: np.asarray(a, dtype=np.float64) for name, a in self.replay.leaves.items()}
        tangents = along(self.replay.network, exactly, u).tangents
        total = 0.0
        for name, radii in self.values.items():
            total += _moved(self.replay.scale * tangents.cotangents[name], radii)
        for name, radii in self.received.items():
            moved = u[name] if name in u else tangents.values[name]
            total += _moved(moved, radii)
        return 2 * 2 * total  # of two runs, each within twice the radius


def held_to_each_other(certificate: Certificate, replay: Replay) -> Certificate:
    """Return the certificate with the gradients without probes held to those with them.

    That concerns only gradients that are outside the ball of the run with probes, and only leaves
    whose gradient with probes is inside. replay: of the certified trace.
    """
    inside = {link.quantity for link in certificate.links if link.verdict == "inside"}
    held = {
        link.quantity
        for link in certificate.links
        if link.is_without_probes
        and link.quantity not in inside
        and not link.problem
        and replace(link.quantity, probes=True) in inside
    }
    if not held:
        return certificate
    again = AGAIN in certificate.properties
    passes = TwoPasses(replay_of(certificate, replay) if again else replay)
    links = tuple(_held(ln, passes) if ln.quantity in held else ln for ln in certificate.links)
    return replace(certificate, links=links)


def _held(link: Link, passes: TwoPasses) -> Link:
    """Return the verdict on a leaf, by the sum of all its differences and by the largest alone."""
    name = link.quantity.of
    replay = passes.replay
    one, other = (np.asarray(g[name], np.float64) for g in (replay.plain, replay.trace.gradients))
    difference = one - other
    index = tuple(map(int, np.unravel_index(np.argmax(np.abs(difference)), difference.shape)))
    found = []
    for u in _directions(difference, index):
        zero = {leaf: np.zeros(np.shape(a)) for leaf, a in replay.leaves.items()}
        bound = passes.bound({**zero, name: u})
        found.append((float(np.sum(u * difference)), bound))
    share = float(np.max([_share(*one) for one in found]))
    held = share <= 1  # NaN is outside
    return replace(
        link,
        verdict="inside" if held else "refuted",
        precision=replay.precision.name,
        properties=(OTHERWISE,) if held else (),
        outside=0 if held else int(np.sum(difference != 0)),
        share=share,
        index=index,
        seen=float(one[index]),
        mid=float(other[index]),
        rad=found[-1][1],
    )


def _share(distance: float, bound: float) -> float:
    """Return the share of a bound that a distance uses; an infinite or NaN bound holds nothing."""
    if distance == 0:
        return 0.0
    return distance / bound if 0 < bound < np.inf else np.inf


def _directions(difference: Array, index: tuple[int, ...]) -> Iterator[Array]:
    """Yield the direction in which all differences add up, and that of the largest one alone."""
    yield np.sign(difference)
    alone = np.zeros_like(difference)
    alone[index] = np.sign(difference[index])
    yield alone


def _moved(slopes: Array, radii: Array) -> float:
    """Return by how much errors move a sum; an error of slope zero moves nothing, however large."""
    slopes = np.abs(slopes)
    return float(np.sum(np.multiply(slopes, radii, where=slopes != 0, out=np.zeros(slopes.shape))))


def _radii(ball: Ball) -> Array:
    return np.broadcast_to(np.asarray(ball.rad), ball.shape)
