"""What else a person should look at where a link is not inside: hooks, and NaN that was given."""

from collections.abc import Iterable, Iterator

import numpy as np

from backproof.adapters.recording import Place
from backproof.reference.network import Network
from backproof.reference.verdict.link import Link


def hints(link: Link, places: Iterable[Place], program: Network) -> Iterator[str]:
    """Yield what may be the cause of a link that is not inside, beside what was called there.

    places: where the link was computed.
    """
    if link.quantity.kind == "derivative" and link.quantity.of == program.loss:
        yield "the cotangent of the loss is the loss scale itself"
    if link.quantity.kind != "value" and link.verdict != "undecided":
        yield from dict.fromkeys(place.reason for place in places if place.reason)
    if link.quantity.kind == "value" and link.problem:
        node = next((node for node in program.nodes if node.name == link.quantity.of), None)
        for name in node.inputs if node else ():
            leaves = (of for of in (program.inputs, program.parameters) if name in of)
            given = next((of[name] for of in leaves), None)
            if given is not None and np.isnan(np.asarray(given, dtype=np.float64)).any():
                yield f"{name}, which it is computed from, has entries that are NaN"
