"""Certificates of a framework's passes over one network: with probes, and as users run it.

The two passes are different programs. A probe makes a new array in row-major layout, and keeps a
compiler from fusing across it. So the pass without probes may round differently: its gradients may
leave the balls of the pass with probes by as much as rounding explains.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from backproof.reference.backprop import Trace
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.balls import Update
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.conventions import in_one_form
from backproof.reference.verdict.end_to_end import bounded_gradient, held_gradients, held_loss
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.recomputed import AGAIN, recomputed
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.sweep import Sweep

OTHERWISE = "rounds otherwise without probes"
"""A property of gradients that do not follow from the cotangents of the pass with probes."""


def certify(
    network: Network,
    leaves: Mapping[str, Array],
    trace: Trace,
    precision: str,
    plain: Trace | None = None,
    update: Update | None = None,
    scale: float = 1.0,
) -> Certificate:
    """Return the certificate of a framework's trace.

    leaves:    every input and parameter, as the framework was given it.
    trace:     what it computed, in the dtype of the precision.
    precision: "float64", "float32", "bfloat16" or "float16".
    plain:     the values and gradients of a pass without probes, if there was one.
    update:    the step after the pass, if it is to be certified too.
    scale:     the loss scale: the derivative of what was differentiated with respect to the loss.
    """
    return certify_passes(
        Replay(network, leaves, trace, PRECISIONS[precision], plain, update, scale)
    )


def certify_passes(replay: Replay, *, compiled: bool = False) -> Certificate:
    """Return the certificate of a trace and of a pass without probes, link by link and end to end.

    replay: of both. compiled: whether a compiler built the passes; it may compute a number twice.
    """
    certificate = replay.certificate()
    if compiled:
        certificate = recomputed(certificate, replay)
    with np.errstate(all="ignore"):
        certificate = in_one_form(certificate, replay)
        certificate = held_without_probes(certificate, replay, compiled=compiled)
        return held_end_to_end(certificate, replay)


def sweep_of(replay: Replay, certificate: Certificate) -> Sweep:
    """Return the reference's backward sweep over the values of a certified pass."""
    return Sweep(replay, {link.quantity: link for link in certificate.links})


def held_without_probes(
    certificate: Certificate, replay: Replay, *, compiled: bool = False
) -> Certificate:
    """Return the certificate with the other gradients without probes held end to end.

    These are the ones that do not follow from the cotangents of the pass with probes. In a compiled
    pass the values that a gradient's own link takes may have been computed again for it.
    """
    without = replay.without_probes()
    others = [link for link in certificate.links if is_held_by_sweep(link)]
    unusable = (ln.is_no_operand for ln in certificate.links if ln.quantity.kind == "value")
    if not others or without is None or any(unusable):
        return certificate
    sweep = sweep_of(without, certificate)
    found = {}
    for link in others:
        held, known = bounded_gradient(sweep, link.quantity), [OTHERWISE]
        if held.verdict == "refuted" and compiled:
            users = replay.consumers[link.quantity.of]
            taken = {name for node in users for name in (node.name, *node.inputs)}
            again = sweep.taking_again(taken & replay.nodes.keys())
            held, known = bounded_gradient(again, link.quantity), [OTHERWISE, AGAIN]
        # Where the sweep refutes, or has no bound, the ball of the link itself is the sharper one.
        if held.verdict != "refuted" and np.isfinite(held.rad):
            properties = (*known,) if held.verdict == "inside" else ()
            found[link.quantity] = replace(held, properties=properties, underflows=link.underflows)
    links = tuple(found.get(link.quantity, link) for link in certificate.links)
    return replace(certificate, links=links)


def is_held_by_sweep(link: Link) -> bool:
    """Return whether a link is that of a gradient without probes that is not inside."""
    of_gradient = link.quantity.kind == "derivative" and not link.quantity.probes
    return of_gradient and link.verdict != "inside" and not link.problem


def held_end_to_end(certificate: Certificate, replay: Replay) -> Certificate:
    """Return the certificate with the loss and all gradients held end to end, if all links hold."""
    if not certificate.holds:
        return certificate
    sweep = sweep_of(replay, certificate)
    leaves = [name for name in replay.leaves if name not in replay.network.constants]
    proofs = (held_loss(sweep), *held_gradients(sweep, leaves))
    return replace(certificate, end_to_end=proofs)
