"""Certificates of forward mode and of second order: of values, then of their tangents."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from backproof.reference.network import Network
from backproof.reference.numbers.precision import PRECISIONS
from backproof.reference.ops import Array
from backproof.reference.verdict.certificate import Certificate
from backproof.reference.verdict.link import Link
from backproof.reference.verdict.recomputed_tangents import recomputed
from backproof.reference.verdict.replay import Replay
from backproof.reference.verdict.tangents import DualTrace, TangentReplay


def certify_tangents(
    network: Network,
    leaves: Mapping[str, Array],
    directions: Mapping[str, Array],
    found: DualTrace,
    precision: str,
    *,
    compiled: bool = False,
) -> Certificate:
    """Return the certificate of a pass along a direction: of its values, then of its tangents.

    leaves, directions: every input and parameter, and its tangent, as the framework was given them.
    precision: "float64", "float32", "bfloat16" or "float16". compiled: whether a compiler built the
    pass, or rewrote it; it may add up the terms of several sums in one.
    """
    count = None if found.is_second_order else len(network.nodes)  # the values come first
    both = replays(network, leaves, directions, found, precision)
    values, tangents = ([*islice(replay.links(), count)] for replay in both)
    tangents = recomputed(tangents, both[1]) if compiled else tangents
    return Certificate(network.name, precision, (*values, *tangents))


def certify_directions(
    network: Network,
    leaves: Mapping[str, Array],
    found: Sequence[tuple[Mapping[str, Array], DualTrace]],
    precision: str,
    *,
    compiled: bool = False,
) -> Certificate:
    """Return the certificate of passes along several directions: of one pass after the other.

    found: each direction, and what was found along it. Other arguments: as above.
    """
    each = [certify_tangents(network, leaves, *one, precision, compiled=compiled) for one in found]
    links = (in_direction(link, i) for i, one in enumerate(each) for link in one.links)
    return Certificate(network.name, precision, tuple(links))


def in_direction(link: Link, direction: int) -> Link:
    """Return the link as that of a pass along one of several directions."""
    cause = link.cause and replace(link.cause, direction=direction)
    return replace(link, quantity=replace(link.quantity, direction=direction), cause=cause)


def replays(
    network: Network,
    leaves: Mapping[str, Array],
    directions: Mapping[str, Array],
    found: DualTrace,
    precision: str,
) -> tuple[Replay, TangentReplay]:
    """Return what replays the values, and what replays the tangents. Arguments: as above."""
    of = (network, leaves, found.values, PRECISIONS[precision])
    return Replay(*of), TangentReplay(*of, directions=directions, along=found)
