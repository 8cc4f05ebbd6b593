"""Causes: what is wrong with the red links of one certificate, one fault or one op at a time."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from backproof.reference.network import Network
from backproof.reference.verdict.diagnosis import Diagnosis
from backproof.reference.verdict.link import Link, Quantity
from backproof.report.cause import Cause

KINDS = {"value": "value", "derivative": "derivative", "update": "update", "state": "state"}
"""Kind of a quantity -> what is wrong, in words."""


def causes(
    red: Sequence[Link],
    found: Iterable[Diagnosis],
    network: Network | str,
    adapter: str,
    reproduce: str,
    recorded: Callable[[Sequence[Link]], Iterable[str]] = lambda _: (),
) -> list[Cause]:
    """Return the causes of a certificate's red links, in the order of the chain rule.

    red: those that no finding predicts. found: the diagnoses of all links that are not inside.
    network: names the op of a link; or the name of what made all links, such as an optimizer.
    adapter: the column. reproduce: the command that shows it. recorded: what the findings, of any
    release, say of links.
    """
    left = {link.name: link for link in judged(red)}
    every: dict[tuple[str, ...], tuple[list[Link], str]] = {}
    for one in found:
        own = [left.pop(name) for name in one.explained if name in left]
        if own:
            named = one.faults or (unnamed(own[0], network),)
            said = one.evidence.removesuffix(f": {one.link}")  # its numbers are shown anyway
            every.setdefault(named, ([], said))[0].extend(own)
    for link in left.values():
        every.setdefault((unnamed(link, network),), ([], ""))[0].append(link)
    return [
        replace(
            seen(own[0], adapter),
            named=named,
            diagnosis="; ".join(filter(None, (*dict.fromkeys(recorded(own)), said))),
            links=len(own),
            command=reproduce,
        )
        for named, (own, said) in every.items()
    ]


def judged(red: Collection[Link]) -> list[Link]:
    """Return the links that are wrong themselves: others follow from their operands.

    What is only refuted end to end follows from a link, if one is red.
    """
    own = [link for link in red if not link.is_not_judged] or [*red]
    return [link for link in own if not link.quantity.end_to_end] or own


def unnamed(link: Link, network: Network | str) -> str:
    """Return what is known of a link that no fault of the catalogue explains."""
    quantity, verdict = link.quantity, "wrong" if link.verdict == "refuted" else link.verdict
    if quantity.end_to_end:
        return f"{verdict} end to end, though every link is inside"
    tangent = "tangent of the " if quantity.tangent else ""
    return f"{ops(quantity, network)}: {verdict} {tangent}{KINDS.get(quantity.kind, 'number')}"


def ops(quantity: Quantity, network: Network | str) -> str:
    """Return the ops that compute a quantity: a node's own, or those that it enters."""
    if isinstance(network, str):
        return network
    backward = quantity.kind == "derivative"
    own = [n.op for n in network.nodes if quantity.of in (n.inputs if backward else (n.name,))]
    return " or ".join(dict.fromkeys(own)) or quantity.of


def seen(link: Link, adapter: str) -> Cause:
    """Return the worst entry of a link: what was expected there, and what was found."""
    place = link.name + (str(list(link.index)) if link.index else "")
    if link.problem:
        return Cause(adapter, (), place, found=link.problem)
    expected = f"{link.mid!r} +- {link.rad:.3g} ({link.precision})"
    if link.verdict == "undecided":
        also = f"the ball holds {link.also_held} as well"
        return Cause(adapter, (), place, expected, repr(link.seen), also)
    radii = f"{link.share:.3g} radii" if link.rad else "where nothing is rounded"
    off = f"{abs(link.seen - link.mid):.3g}, {radii}"
    entries = f"{link.outside} of {link.entries} entries are outside"
    return Cause(adapter, (), place, expected, repr(link.seen), f"{off}; {entries}")
