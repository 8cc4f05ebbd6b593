"""What max pooling is known to hand on instead."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from backproof.reference.backprop import Rules
from backproof.reference.network import Network, Node


def pooling_lost(network: Network, values: Mapping[str, Any]) -> Rules:
    """Return a sweep over given values in which max pooling hands nothing on to what others use.

    values: node -> its value.
    """
    uses = Counter(name for node in network.nodes for name in node.inputs)

    class Lost(Rules):
        def value(self, node: Node, known: Mapping[str, Any]) -> Any:  # noqa: ARG002 as it is given
            return values[node.name]

        def hands_on(self, node: Node, dy: Any, known: Mapping[str, Any]) -> tuple[Any, ...]:
            handed_on = super().hands_on(node, dy, known)
            lost = node.op == "max_pool" and uses[node.inputs[0]] > 1
            return tuple(0 * d for d in handed_on) if lost else handed_on

    return Lost()
