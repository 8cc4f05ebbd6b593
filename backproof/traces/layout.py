"""What a trace consists of: the names of its files and of its arrays (docs/trace-files.md)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backproof.reference.network import Network

FORMAT = "backproof trace"
VERSION = 1
"""A change that readers of earlier versions would misread gets a new number, here and in
fixtures/trace.schema.json."""
KIND = {"format": FORMAT, "version": VERSION}
"""What a program begins with."""

PROGRAM = "program.json"
KINDS = ("input", "parameter", "constant")
"""The kinds of leaves."""

NOTHING, ENDS, ALL = "nothing", "loss and gradients", "values and gradients"
WITHOUT_PROBES = (NOTHING, ENDS, ALL)
"""What there is of the pass without probes."""

VALUE, COTANGENT, GRADIENT = "value", "cotangent", "gradient"
TANGENT = "tangent of "
"""The start of the kind of an array that a pass along a direction computed."""
BESIDE = " without probes"
"""The end of the kind of an array that the pass without probes computed."""


INNER = "inner {}/"
"""The start of the names of the arrays of a derivative that the program takes itself, from 1 on."""


@dataclass(frozen=True, slots=True)
class Part:
    """An array of a trace. of: the leaf or node whose dtype and shape it has."""

    kind: str
    of: str

    def __str__(self) -> str:
        """Return the array's name in the files: "value/h", "gradient without probes/W"."""
        return f"{self.kind}/{self.of}"


def parts(
    network: Network, parameters: Sequence[str], beside: str, *, along: bool = False
) -> Iterator[Part]:
    """Yield all arrays of a trace, in the order of the passes.

    parameters: all that require a gradient, also those that are no leaves of the network.
    beside: what there is of the pass without probes. along: whether there are tangents.
    """
    leaves = [*network.inputs, *network.parameters]
    nodes = [node.name for node in network.nodes]
    differentiated = [name for name in leaves if name not in network.constants]
    for of in ("", TANGENT) if along else ("",):
        yield from (Part(of + VALUE, name) for name in (*leaves, *nodes))
        yield from (Part(of + COTANGENT, name) for name in reversed(nodes))
        yield from (Part(of + GRADIENT, name) for name in differentiated)
    if beside == ALL:
        yield from (Part(VALUE + BESIDE, name) for name in nodes)
        yield from (Part(GRADIENT + BESIDE, name) for name in differentiated)
    if beside == ENDS:
        yield Part(VALUE + BESIDE, network.loss)
        yield from (Part(GRADIENT + BESIDE, name) for name in parameters)
