"""The passes of a training: in each step, the values link by link, and the gradients end to end.

A training shows no cotangents, as its passes have no probes. Its gradients are held to the
reference's own backward sweep over the values of the step (`reference.verdict.end_to_end`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from backproof.reference.backprop import Trace
from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.training import Record
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.end_to_end import bounded_gradients
from backproof.reference.verdict.link import Link, Quantity
from backproof.reference.verdict.recomputed import AGAIN, recomputed
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.sweep import Sweep

IN_STEP = " in step "
"""What stands between the name of a link and its step."""


def certify_steps(
    network: Network,
    record: Record,
    precision: str,
    steps: Iterable[int],
    *,
    compiled: bool = False,
) -> Certificate:
    """Return the certificate of the passes of some steps: the worst link of each quantity.

    steps: numbers from 0. compiled: whether a compiler built the pass; it may compute a number
    twice.
    """
    worst: dict[Quantity, Link] = {}
    for step in steps:
        for link in links_of(replay_of_step(network, record, precision, step), compiled=compiled):
            named = replace(link.quantity, of=f"{link.quantity.of}{IN_STEP}{step + 1}")
            found = link if link.verdict == "inside" else replace(link, quantity=named)
            before = worst.get(link.quantity, found)
            entries = before.entries + link.entries if before is not found else link.entries
            worst[link.quantity] = replace(max(before, found, key=badness), entries=entries)
    links = tuple(link for quantity, link in worst.items() if not quantity.end_to_end)
    proofs = tuple(link for quantity, link in worst.items() if quantity.end_to_end)
    return Certificate(network.name, precision, links, proofs)


def badness(link: Link) -> tuple[int, float]:
    """Return what the worst of several verdicts on one quantity has most of; the first wins."""
    return ("inside", "undecided", "degraded", "refuted").index(link.verdict), link.share


def replay_of_step(network: Network, record: Record, precision: str, step: int) -> Replay:
    """Return the replay of the pass of a step; the step before it has updated the parameters."""

    def at(arrays: Mapping[str, Array], step: int) -> dict[str, Array]:
        return {name: a[step] for name, a in arrays.items()}

    updated = at(record.after["w"], step - 1) if step else {}
    trace = Trace(at(record.values, step), {}, at(record.gradients, step))
    return Replay(network, {**record.leaves, **updated}, trace, PRECISIONS[precision])


def links_of(replay: Replay, *, compiled: bool) -> Iterator[Link]:
    """Yield the verdicts on the values of one pass and, if all are inside, on its gradients.

    The bound of the gradients takes every derivative for that of the right function.
    """
    links = tuple(replay.value_link(node) for node in replay.network.nodes)
    certificate = Certificate(replay.network.name, replay.precision.name, links)
    if compiled:
        certificate = recomputed(certificate, replay)
    yield from certificate.links
    if not certificate.holds:
        return
    again = (AGAIN,) if compiled else ()
    seen = (replace(ln, properties=(*ln.properties, *again)) for ln in certificate.links)
    sweep = Sweep(replay, {link.quantity: link for link in seen})
    yield from bounded_gradients(sweep, sorted(replay.trace.gradients))
