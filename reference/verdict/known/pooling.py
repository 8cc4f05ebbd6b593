"""What max pooling is known to hand on instead."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from backproof.reference.backprop import Rules
from backproof.reference.network import Network, Node


def pooling_lost(network: Network) -> Rules:
    """Return a sweep in which max pooling hands nothing on to what others use, too."""
    uses = Counter(name for node in network.nodes for name in node.inputs)

    class Lost(Rules):
        def hands_on(self, node: Node, dy: Any, known: Mapping[str, Any]) -> tuple[Any, ...]:
            handed_on = super().hands_on(node, dy, known)
            lost = node.op == "max_pool" and uses[node.inputs[0]] > 1
            return tuple(0 * d for d in handed_on) if lost else handed_on

    return Lost()
